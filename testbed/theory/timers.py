"""How long a periodic timer of the kernel really takes, and what that makes of LACP's timers. Pure."""

from __future__ import annotations

from testbed.theory.bounds import LACP_PERIOD_S, LACP_TIMEOUT_S, LACP_TOLERANCE_S, OutageBound

#: Ticks a second of the guest kernel (CONFIG_HZ).
GUEST_HZ = 1000
#: The kernel's timer wheel (kernel/time/timer.c): each of its levels has 64 buckets, 8 times as coarse as the one
#: below; a level begins where 63 buckets of the one below end, because a timer is put one bucket late.
_BUCKETS, _COARSER = 64, 8
#: The bonding driver counts LACP's timers down every so often (bond_3ad.c, AD_TIMER_INTERVAL).
_AD_TIMER_INTERVAL_MS = 100


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


def bonding_lacp_bound(rate: str, hz: int = GUEST_HZ) -> OutageBound:
    """When a Linux bond notices a silent partner that keeps its periods exactly: `lacp_bound` by the driver's clock.

    The driver takes the timeout as so many steps of 100 ms and counts one down whenever its work runs, which is every
    `monitor_period_s` of them; the first step is cut short by up to a step.
    """
    step_s = monitor_period_s(_AD_TIMER_INTERVAL_MS, hz)
    steps = LACP_TIMEOUT_S[rate] * 1000 / _AD_TIMER_INTERVAL_MS
    return OutageBound(
        (steps - 1) * step_s - LACP_PERIOD_S[rate],
        steps * step_s,
        f"LACP timeout {LACP_TIMEOUT_S[rate]:.0f} s in steps of {step_s * 1e3:g} ms",
        uniform=True,
        tolerance_s=LACP_TOLERANCE_S,
    )
