"""The periods of the clocks that run in a network by themselves. Their phases are drawn over these. Pure."""

from __future__ import annotations

import math

from testbed.lacp.states import FAST_PERIODIC_TIME_S, SLOW_PERIODIC_TIME_S
from testbed.spec import Bond
from testbed.theory.routed import watch_period_s, watched
from testbed.theory.ticks import monitor_period_s

_PERIODIC_TIME_S = {"fast": FAST_PERIODIC_TIME_S, "slow": SLOW_PERIODIC_TIME_S}
#: How often the driver's work for LACP runs (AD_TIMER_INTERVAL), and that for rebalancing (ALB_TIMER_TICKS_PER_SEC).
_STEP_MS = 100
#: The modes that have such work.
_TICKING_MODES = ("802.3ad", "balance-tlb", "balance-alb")
#: What nothing monitors is drawn over the monitor's usual period.
_USUAL_MS = 100


def lacpdu_period_s(rate: str, *, driver: bool) -> float:
    """The time between two periodic LACPDUs to a partner that asks for ``rate``: 1 s or 30 s (IEEE 802.1AX, 6.4.4).

    The bonding ``driver`` counts it in steps of 100 ms, which the kernel's timers make 104 ms: 1.04 s or 31.2 s.
    """
    steps = _PERIODIC_TIME_S[rate] * 1000 / _STEP_MS
    return steps * monitor_period_s(_STEP_MS) if driver else _PERIODIC_TIME_S[rate]


def look_period_s(bond: Bond | None) -> float:
    """How often the link monitor of a bond looks, MII or ARP, by the kernel's timers (`monitor_period_s`).

    teamd's ARP monitor keeps its interval, and so does what watches whole ways. Where the kernel's event is all that
    there is, the usual 100 ms are taken.
    """
    if bond is not None and watched(bond):
        return watch_period_s(bond)
    if bond is None or not (interval_ms := bond.miimon_ms or bond.arp_interval_ms):
        return monitor_period_s(_USUAL_MS)
    return interval_ms / 1e3 if bond.driver == "team" else monitor_period_s(interval_ms)


def noticing_period_s(bond: Bond | None, fault: str, *, lacp: bool) -> float:
    """One whole period of what has to notice a fault at a bond: its link monitor, or LACP where frames vanish."""
    if bond is not None and lacp and bond.mode == "802.3ad" and fault in ("silent_loss", "lacp_loss"):
        return lacpdu_period_s(bond.lacp_rate, driver=bond.driver == "bonding")
    return look_period_s(bond)


def bond_period_s(bond: Bond) -> float:
    """When everything that the driver does for a bond from its start on (bond_work_init_all) is in step again.

    The monitor and, in modes that have it, the work of every 100 ms: the least common multiple of both. teamd has its
    ARP monitor alone; 0 if it has none.
    """
    if bond.driver == "team":
        return bond.arp_interval_ms / 1e3
    periods = [look_period_s(bond)] + [monitor_period_s(_STEP_MS)] * (bond.mode in _TICKING_MODES)
    return math.lcm(*(round(period * 1e3) for period in periods)) / 1e3
