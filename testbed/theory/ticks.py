"""How long a periodic timer of the kernel really takes. Pure."""

from __future__ import annotations

#: Ticks a second of the guest kernel (CONFIG_HZ).
GUEST_HZ = 1000
#: The kernel's timer wheel (kernel/time/timer.c): each of its levels has 64 buckets, 8 times as coarse as the one
#: below; a level begins where 63 buckets of the one below end, because a timer is put one bucket late.
_BUCKETS, _COARSER = 64, 8


def monitor_period_s(interval_ms: int, hz: int = GUEST_HZ) -> float:
    """The period of work that the kernel does every ``interval_ms``, such as a bond's link monitor (miimon).

    The monitor runs when its timer fires and sets it again (the driver: bond_mii_monitor). A timer never fires early,
    so it is put into the bucket of the wheel after the one that it falls into (calc_index). Intervals of less than 63
    ticks take one tick more; longer ones end at a multiple of 8 ticks after the last, 64 ticks from 504 on, and so on.
    """
    ticks = -(-interval_ms * hz // 1000)
    bucket = 1
    while ticks >= (_BUCKETS - 1) * bucket:
        bucket *= _COARSER
    return (ticks // bucket + 1) * bucket / hz
