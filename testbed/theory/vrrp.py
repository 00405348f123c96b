"""How long VRRP takes to move a virtual address to another router (RFC 5798). Pure.

master   |A |A |A X                            an Advertisement every A; the master fails
backup   |  |  |  <------- 3A + skew ------->| Master_Down_Timer, set anew by each Advertisement (6.4.2)
                  <---- outage: 2A + skew ... 3A + skew, by when the last one was sent ---->

With BFD (RFC 5880) a packet comes every I, less a jitter of 10 to 25 %, and a backup notices m I after the last one.
keepalived then lets it begin as a backup (keepalived.conf(5), track_bfd with weight 0 reverse; try_up_instance of its
vrrp_scheduler.c), which waits for three intervals of its own and their skew.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from testbed.design.factor import Level
from testbed.faults.catalogue import valued
from testbed.spec import Vrrp
from testbed.spec.vrrp import BFD_ADVERT_MS
from testbed.theory.laws import Rest, Sum, Total, Wait
from testbed.theory.outage_bound import REROUTE_PAUSE_S, OutageBound, of_law
from testbed.theory.routed import bfd_rest

#: RFC 5798, 6.1: Skew_Time = ((256 - priority) * Master_Adver_Interval) / 256.
_PRIORITIES = 256
#: RFC 5798, 6.1: Master_Down_Interval = (3 * Master_Adver_Interval) + Skew_Time.
_ADVERTS = 3

#: keepalived announces the addresses that it has taken over again after so many seconds (vrrp_garp_master_delay).
AGAIN_S = 5.0


def skew_s(priority: int, advert_s: float) -> float:
    """How much longer a router of that priority waits than an Advertisement's interval would make it."""
    return (_PRIORITIES - priority) * advert_s / _PRIORITIES


def takeover(group: Vrrp, fault: str, given: Mapping[str, Level] = MappingProxyType({})) -> OutageBound | str:
    """How long after a fault of the best router the next best one has the address, and says so; text: it does not, and
    why. ``given`` are parameters of the fault (testbed.faults.catalogue)."""
    if len(group.routers) < 2:
        return f"{group.routers[0]} is alone: no other router takes the address"
    if fault == "announcement_loss":
        return _announced(group, float(valued(fault, given)["lost_ms"]) / 1e3)
    next_best = sorted(group.priorities)[-2]
    if group.bfd_ms:
        return _by_bfd(group, fault, next_best)
    advert_s = group.advert_ms / 1e3
    waits_s = skew_s(next_best, advert_s)
    if fault in ("service_stop",):
        return of_law(Sum(waits_s), f"a last Advertisement with priority 0, then the skew of priority {next_best}")
    if fault in (
        "router_crash",
        "router_hang",
        "service_crash",
        "service_pause",
        "carrier_loss",
        "silent_loss",
        "split_brain",
    ):
        label = f"{_ADVERTS} Advertisements of {advert_s:g} s missing, and the skew of priority {next_best}"
        return of_law(Sum((_ADVERTS - 1) * advert_s + waits_s, (advert_s,)), label)
    return f"VRRP has no part in {fault}"


def _announced(group: Vrrp, lost_s: float) -> OutageBound | str:
    """When a router that takes over is heard, if what it announces is lost until ``lost_s`` after the loss of power.

    keepalived announces its addresses when it is master, 5 s later (keepalived.conf(5), vrrp_garp_master_delay), and
    every vrrp_refresh_s.
    """
    found = takeover(group, "router_crash")
    if isinstance(found, str) or lost_s < found.low_s:
        return found
    if group.refresh_s:
        return f"it announces its addresses every {group.refresh_s} s as well"
    assert found.law is not None
    if not found.limit_s < lost_s < found.low_s + AGAIN_S:
        times = f"{found.low_s:.2f} to {found.bound_s:.2f} s"
        return f"what is announced after {times}, or {AGAIN_S:g} s later, is lost by chance"
    return of_law(Total((found.law, Sum(AGAIN_S))), f"{found.label}; announced again {AGAIN_S:g} s later")


def beside(group: Vrrp, best: Vrrp, fault: str, given: Mapping[str, Level] = MappingProxyType({})) -> OutageBound | str:
    """The outage of traffic through a group when the best router of another group fails: that router, its one daemon,
    or its cable in a subnet of the other group. Text: as of `outage`."""
    if fault != "carrier_loss" and group.ranked[0] == best.ranked[0]:
        return outage(group, fault, given)
    return OutageBound(0.0, 0.0, "its best router is another one, or has what it needs", tolerance_s=REROUTE_PAUSE_S)


def period_s(group: Vrrp) -> float:
    """The time between two of the packets by which the other routers notice that the best one has failed."""
    return (group.bfd_ms or group.advert_ms) / 1e3


def _by_bfd(group: Vrrp, fault: str, next_best: int) -> OutageBound | str:
    """`takeover` where the next best router watches the best one by BFD.

    keepalived that ends in order says so by VRRP, but a router that BFD keeps from its addresses does not hear that;
    by BFD it says nothing.
    """
    own_s = BFD_ADVERT_MS / 1e3
    begins_s = _ADVERTS * own_s + skew_s(next_best, own_s)
    label = f"BFD {group.bfd_mult} x {group.bfd_ms} ms, then {begins_s * 1e3:.1f} ms as a backup"
    rest = bfd_rest(group.bfd_ms, group.bfd_mult)
    found = Rest(rest.total_s + begins_s, rest.least_s, rest.most_s)
    if fault in ("router_crash", "router_hang", "service_crash", "service_pause", "service_stop"):
        return of_law(found, label)
    if fault in ("carrier_loss", "silent_loss"):
        if len(group.addresses) == 1:
            return of_law(found, label)
        # Of two subnets the first is lost, by which the best router hears, and it says so in its next packet.
        return of_law(Total((found, Wait(rest.least_s, rest.most_s))), f"{label}; the best router notices, and says so")
    if fault == "split_brain":
        return "BFD passes: the next router stands back, though it receives no Advertisement"
    return f"VRRP has no part in {fault}"


def masters_beside(adverts: int, loss: float) -> list[float]:
    """How likely another router becomes master beside the best one 0, 1, 2 ... times, of so many Advertisements that
    are lost independently with the probability ``loss``, after one that was received.

    It waits for three and its skew, which is less than an interval: it becomes master with each run of three or more
    that are lost, once (W. Feller, An Introduction to Probability Theory and Its Applications, volume 1, XIII.7, counts
    such runs). Its first word as master makes the best router say a word more, at once; that changes the number of
    Advertisements by about as many as there are runs, and is left out.
    """
    # By how many were lost last, up to three; and by how many runs of three there were.
    chances = np.zeros((_ADVERTS + 1, adverts // (_ADVERTS + 1) + 2))
    chances[0, 0] = 1.0
    for _ in range(adverts):
        after = np.zeros_like(chances)
        after[0] = (1 - loss) * chances.sum(axis=0)
        after[1:_ADVERTS] = loss * chances[: _ADVERTS - 1]
        after[_ADVERTS, 1:] = loss * chances[_ADVERTS - 1, :-1]
        after[_ADVERTS] += loss * chances[_ADVERTS]
        chances = after
    return [float(each) for each in chances.sum(axis=0)]


def usual(chances: Sequence[float], beyond: float = 1e-3) -> tuple[int, int]:
    """The least and the most times that are not beyond what happens by chance, with ``beyond``/2 at either end."""
    below = list(itertools.accumulate(chances))
    least = next(count for count, share in enumerate(below) if share > beyond / 2)
    most = next(count for count, share in enumerate(below) if share >= 1 - beyond / 2)
    return least, most


def outage(group: Vrrp, fault: str, given: Mapping[str, Level] = MappingProxyType({})) -> OutageBound | str:
    """The outage of traffic through the group when the best router fails; text: there is no bound, and why.

    ``given`` are parameters of the fault.

    A kernel forwards without its daemon: what stops or kills that alone moves the address and loses nothing.
    """
    if fault in ("service_stop", "service_crash", "service_pause"):
        return OutageBound(
            0.0, 0.0, "the kernel forwards until another router has the address", tolerance_s=REROUTE_PAUSE_S
        )
    if fault == "split_brain":
        label = "the master stays one" if group.bfd_ms else "both routers are master, and both forward"
        return OutageBound(0.0, 0.0, label, tolerance_s=REROUTE_PAUSE_S)
    if fault == "silent_loss":
        return "the router that is not heard goes on as master, and keeps the other sides' addresses"
    if fault == "carrier_loss" and group.follow == "none":
        return "with vrrp_follow=none the router keeps the addresses of its other sides, and leads nowhere"
    if fault == "lossy":
        return "frames are lost at random, all alike"
    found = takeover(group, fault, given)
    if fault == "announcement_loss" and not isinstance(found, str):
        # A host that is confirming its entry just then finds out by itself (RFC 4861, 7.3.3; Linux, ARP as well).
        soonest = takeover(group, "router_crash")
        assert isinstance(soonest, OutageBound)
        found = replace(found, low_s=soonest.low_s, law=None)
    return found if isinstance(found, str) else found.rerouted()
