"""How long a bond's link monitors take to notice a fault. Pure.

    the monitor looks        fault         looks again             noticed at the next look, or some looks later
    ------|--------------------|-----|--------|--------------|---->
          |<------- period ---------------->|

A monitor's period is what the kernel's timers make of the interval that was asked for (`monitor_period_s`).
"""

from __future__ import annotations

import math

from testbed.spec import Bond
from testbed.spec.bond import PEERS
from testbed.theory.outage_bound import RELEARN_PAUSE_S, SWITCH_PAUSE_S, OutageBound, uniform
from testbed.theory.ticks import monitor_period_s

#: arp_validate: the values with which any frame that the active member receives counts as an answer.
ANY_FRAME = ("none", "backup")
#: Those with which any ARP counts, whosever it is.
_ANY_ARP = ("filter", "filter_backup")


def mii_bound(miimon_ms: int, downdelay_ms: int = 0, *, at_once: bool = False) -> OutageBound:
    """Carrier loss seen by the MII monitor: evenly from d to d + one period, where d is the downdelay in whole looks.

    bonding.rst, "miimon" and "downdelay" (rounded down). ``at_once``: the mode may leave the dead member
    before the monitor looks, so that only the upper limit holds.
    """
    period_s, more = monitor_period_s(miimon_ms), downdelay_ms // miimon_ms
    label = f"miimon {miimon_ms} ms" + (f" + downdelay {more * miimon_ms} ms" if more else "")
    label += f", a look every {period_s * 1e3:g} ms"
    if at_once:
        return OutageBound(0.0, (more + 1) * period_s, label)
    return uniform(more * period_s, period_s, label)


def carrier_event_bound(delay_s: float = 0.0) -> OutageBound:
    """Carrier loss where the event itself takes the member out of use, after ``delay_s`` if that is configured."""
    return OutageBound(delay_s, delay_s, "carrier event" + (f" + {delay_s * 1e3:g} ms" if delay_s else ""))


def arp_bound(bond: Bond, *, relearn: bool = True) -> OutageBound:
    """The ARP monitor of a bond in active-backup, with interval a and n intervals that may pass without an answer.

    The driver looks every period P, a as the kernel's timers make it, and takes the active member for down if the last
    frame that counts came more than (n + 1/2) a ago (bond_ab_arp_inspect, bond_time_in_interval). Which frames count
    is arp_validate's doing (bonding.rst):

    - any frame: the last came right before the fault, so the time is even over (n + 1/2) a to (n + 1/2) a + P;
    - the bond's own ARP replies only: the last came right after a look, so the k-th look after that one notices, where
      k P is the first multiple beyond (n + 1/2) a: even over (k - 1) P to k P, which is n P to (n + 1) P while P is
      not much longer than a;
    - a target that monitors this host sends ARP requests of its own, which count as well, whenever it looks: from
      (k - 1) P to the later end of the two.

    teamd's arp_ping looks when it asks again, when the last answer before the fault may just have come, and takes the
    link for down when more than n have not (teamd_lw_psr.c): even over (n + 1) a to (n + 2) a.
    ``relearn``: the switch sees no lost carrier and has to learn where the host is from its frames.
    """
    interval_s, missed = bond.arp_interval_ms / 1e3, bond.arp_missed_max
    pause_s = RELEARN_PAUSE_S if relearn else SWITCH_PAUSE_S
    label = f"ARP monitor {missed} x {bond.arp_interval_ms} ms"
    if bond.driver == "team":
        return uniform((missed + 1) * interval_s, interval_s, label, pause_s)
    period_s = monitor_period_s(bond.arp_interval_ms)
    label += f", a look every {period_s * 1e3:g} ms"
    allowed_s = (missed + 0.5) * interval_s
    if bond.arp_validate in ANY_FRAME:
        return uniform(allowed_s, period_s, label, pause_s)
    looks = math.floor(allowed_s / period_s + 1e-9) + 1
    if bond.arp_ip_target == PEERS or bond.arp_validate in _ANY_ARP:
        return OutageBound((looks - 1) * period_s, allowed_s + period_s, label, tolerance_s=pause_s)
    return uniform((looks - 1) * period_s, period_s, label, pause_s)
