"""A LAG between two switches: how long a fault of one of its links stops what crosses it. Pure.

h1 --- e1 ===(LAG)=== e2 --- h2     each switch places what it sends by itself, so a flow and its answers may cross two
                                    links, or one: a fault of a link hits either, or both

With LACP each end leaves a link on which it hears nothing for the timeout that it asked for (IEEE 802.1AX-2014, 6.4.12:
current_while), whatever the other end does; a static LAG, and Open vSwitch's bonds without LACP, see the carrier alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from testbed.design.factor import Level
from testbed.faults.cabling import link_named
from testbed.faults.catalogue import FAULTS, valued
from testbed.spec import Lag, Link, SwitchSide, Topology
from testbed.theory.outage_bound import REVALIDATION_S, OutageBound
from testbed.theory.timers import LACP_PERIOD_S, LACP_TIMEOUT_S, LACP_TOLERANCE_S

#: Why a static LAG's silent link has no bound.
BY_CARRIER = "a static LAG sees the carrier alone: what its hash sends by that link is lost until the repair"
#: A port is back in its LAG once both ends have heard of each other again: a LACPDU of each, and of what follows.
_ANEW_PDUS = 3


def ends(topology: Topology, side: SwitchSide, element: str) -> tuple[Link, tuple[Lag, Lag]] | None:
    """A link that is one of several of a LAG at both its ends, which are switches; None for any other element."""
    switches = {switch.name for switch in topology.switches}
    if not side.lags or element in switches or element in {host.name for host in topology.hosts}:
        return None
    link, near, far = link_named(topology, element)
    lags = [topology.ports[port].lag for port in (near, far)] if {link.a, link.b} <= switches else []
    found = [lag for lag in lags if lag is not None and len(lag.ports) > 1]
    return (link, (found[0], found[1])) if len(found) == 2 else None


def silent(side: SwitchSide, lags: tuple[Lag, Lag]) -> OutageBound | None:
    """The outage when a link of a LAG loses all frames both ways and keeps its carrier; None: no bound.

    Each end times out by the rate that it asked for. The last LACPDU is up to a period old; which end counts depends on
    the direction in which traffic crosses the link, so no distribution is given where the link may carry one or both.
    """
    if not side.negotiates or any(lag.lacp == "off" for lag in lags):
        return None
    first = min(LACP_TIMEOUT_S[lag.rate] - LACP_PERIOD_S[lag.rate] for lag in lags)
    last = max(LACP_TIMEOUT_S[lag.rate] for lag in lags)
    pause_s = LACP_TOLERANCE_S if side.controller else max(LACP_TOLERANCE_S, REVALIDATION_S)
    return OutageBound(first, last, f"LACP timeout {last:.0f} s between the switches", None, pause_s)


def bound(
    topology: Topology, side: SwitchSide, fault: str, element: str, parameters: Mapping[str, Level]
) -> OutageBound | str | None:
    """The outage of what crosses a LAG's link when a fault hits it, or one of its switches.

    Text: there is no bound, and why. None: no such link, or another kind of fault.
    """
    if fault == "switch_software_crash":
        links = [link.name for link in topology.links if element in (link.a, link.b)]
        found = [lags for name in links if (lags := ends(topology, side, name))]
        if any(silent(side, lags) for _, lags in found):
            return "without its software the switch speaks no LACP, and the other takes every link out of the LAG"
        return "no document says which flows a switch's datapath keeps without its software" if found else None
    if FAULTS[fault].element != "cable":
        return None
    of_lag = ends(topology, side, element)
    if of_lag is None:
        return None
    lacp = silent(side, of_lag[1]) is not None
    given = valued(fault, parameters)
    if fault == "carrier_loss":
        return OutageBound(0.0, 0.0, "both switches leave a port without carrier at once").rerouted()
    if fault == "silent_loss" and given["direction"] == "both":
        return silent(side, of_lag[1]) or BY_CARRIER
    if fault == "silent_loss" and lacp:
        return "of a link that is silent one way the end that hears learns by LACP, whose Expired it may take or leave"
    if fault == "lossy":
        return "frames still pass" + ("; LACP leaves the link when three LACPDUs in a row are lost" if lacp else "")
    if fault == "flapping":
        return "at each return the switches take the link back, and no standard says which flows they move there when"
    return BY_CARRIER if fault == "silent_loss" else None


def period_s(topology: Topology, side: SwitchSide, fault: str, element: str) -> float:
    """The period of the LACPDUs by which a fault of such a link is noticed; 0: it is not noticed by LACP."""
    found = ends(topology, side, element) if fault in ("silent_loss", "lossy") else None
    return max(LACP_PERIOD_S[lag.rate] for lag in found[1]) if found and silent(side, found[1]) else 0.0


def back_s(topology: Topology, side: SwitchSide) -> float:
    """How long after the end of a fault every link of a LAG between switches is in use again, at most; 0: no such LAG,
    or none with LACP."""
    found = [ends(topology, side, link.name) for link in topology.links]
    lags = [lag for each in found if each and silent(side, each[1]) for lag in each[1]]
    return _ANEW_PDUS * max((LACP_PERIOD_S[lag.rate] for lag in lags), default=0.0)
