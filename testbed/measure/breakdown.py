"""An outage divided into detection, decision, programming and forwarding. Pure.

    last packet           the fault           a decision           the decision          first packet
    before the fault      is detected         is taken             is in force           on the new path
         a ----detection---->| ----decision---->| ----programming---->| ----forwarding----> b

The four parts add up to the outage, from a to b as the probe's receiver saw it. What detects and decides depends on the
sender over the link that the fault hit, and on how it chooses among its links:

===================  ============================  ===========================  ==================================
sender               detects                       decides                      decision in force
===================  ============================  ===========================  ==================================
host, one active     bond: MII status of the       bond: another active         gratuitous ARP or unsolicited
member               member                        member                       advertisement on a link
host, hash or turns  the same, or the member's     bond: role of the member,    (no announcement is needed)
                     role by LACP                  or its link down by MII
switch, LAG          carrier of the port; LACP     controller: distribute,      controller: the switches have
                     Receive machine; port status  without the port             confirmed
                     at the controller
host, watched ways   its BFD session or OSPF       (the daemon puts another route in force at once, and OSPF at
                     neighbor is down              its next tick: no event shows it)
switch, no LAG       as for the host with one active member: the switch learns from the frames that the host sends
===================  ============================  ===========================  ==================================

A step that was not seen, or that came after traffic flowed again, did not delay traffic: it is None, and its time is
part of the step after it. So where a switch moves its traffic by itself, in a group that watches the port, decision and
programming are None. There is no breakdown if there was no outage, or none that ended before the repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.measure.detection import lost_way
from testbed.measure.outage import Outage
from testbed.spec import Bond, Topology
from testbed.theory import LAG_MODES, routed

Event = Mapping[str, Any]
ANNOUNCEMENTS = ("gratuitous_arp", "unsolicited_neighbour_advertisement")
#: When the fault was detected, when a decision was taken, when it was in force; None: no event shows it.
Marks = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Breakdown:
    """The parts of an outage in seconds, each 0 or more; None: the step was not seen, or did not delay traffic."""

    detection_s: float | None = None
    decision_s: float | None = None
    programming_s: float | None = None
    forwarding_s: float | None = None


def breakdown(found: Outage, marks: Marks) -> Breakdown:
    """Divide an outage at the instants of detection, decision and programming.

    An instant after the outage gives no part. An instant before the one ahead of it, or before the outage began, counts
    as that one: the step took no time.
    """
    if found.outage_s <= 0 or not found.recovered:
        return Breakdown()
    end_s = found.begin_s + found.outage_s
    at_s, parts = found.begin_s, list[float | None]()
    for mark in marks:
        if mark is None or mark > end_s:
            parts.append(None)
        else:
            parts.append(max(0.0, mark - at_s))
            at_s = max(at_s, mark)
    detection_s, decision_s, programming_s = parts
    return Breakdown(detection_s, decision_s, programming_s, end_s - at_s)


def marks(
    timeline: Sequence[Event], topology: Topology, element: str, source: str, window: tuple[float, float]
) -> Marks:
    """When the fault on the element was detected, decided on, and the decision in force, in the window.

    ``element`` is a link, one of its interfaces, or a switch; ``source`` is the host that sends the flow.
    """
    events = [event for event in timeline if window[0] <= event["t_s"] <= window[1]]
    if routed.watched(topology.host(source).bond):
        return _when(events, lambda e: e.get("host") == source and lost_way(e)), None, None
    affected = _affected(topology, element)
    bonds = {host.name: host.bond for host in topology.hosts if host.bond and host.name in affected}
    alone = [host for host, bond in bonds.items() if bond.mode not in LAG_MODES]
    if decider := source if source in bonds else next(iter(alone), None):
        return _by_host(events, decider, bonds[decider], affected[decider])
    hosts = {host.name for host in topology.hosts}
    ports = {port for node, own in affected.items() if node not in hosts and node != element for port in own}
    return _by_switch(events, topology, ports)


def _affected(topology: Topology, element: str) -> dict[str, set[str]]:
    """The interfaces of all links that the element is, is an end of, or has; by their nodes."""
    found: dict[str, set[str]] = {}
    for link in topology.links:
        if element in (link.name, link.a_interface, link.b_interface, link.a, link.b):
            found.setdefault(link.a, set()).add(link.a_interface)
            found.setdefault(link.b, set()).add(link.b_interface)
    return found


def _by_host(events: Sequence[Event], host: str, bond: Bond, members: set[str]) -> Marks:
    of_bond = [event for event in events if event["source"] == "bond" and event.get("host") == host]
    of_member = [event for event in of_bond if event["interface"] in members]
    going = _when(of_member, lambda e: e["event"] == "mii_status" and e["new"] in ("going_down", "down"))
    down = _when(of_member, lambda e: e["event"] == "mii_status" and e["new"] == "down")
    backup = _when(of_member, lambda e: e["event"] == "role" and e["new"] == "backup")
    if bond.mode in LAG_MODES:
        return _first(going, backup), _first(down, backup), None
    decided = _when(of_bond, lambda e: e["event"] == "active_member" and e["new"] not in ("", *members))
    announced = None
    if decided is not None:
        announced = _when(
            [event for event in events if event["t_s"] >= decided],
            lambda e: e["event"] in ANNOUNCEMENTS and e["interface"] in bond.members and e["direction"] == "out",
        )
    return _first(going, backup), decided, announced


def _by_switch(events: Sequence[Event], topology: Topology, ports: set[str]) -> Marks:
    dpids = {port: _dpid(topology, port) for port in ports}
    names = {f"{dpid}:{topology.ports[port].number}" for port, dpid in dpids.items()}
    lags = {lag.name for lag in topology.lags if set(lag.ports) & ports}
    carrier = _when(events, lambda e: e["event"] == "carrier" and e.get("interface") in ports and not e["new"])
    status = _when(events, lambda e: e["event"] == "port_status" and e["port"] in names and not e["carrier"])
    machine = _when(events, lambda e: e["event"] == "transition" and e["port"] in names and _times_out(e))
    decided = _when(events, lambda e: e["event"] == "distribute" and e["lag"] in lags and not names & set(e["ports"]))
    in_force = None
    if decided is not None:
        after = [event for event in events if event["t_s"] >= decided]
        in_force = _when(after, lambda e: e["event"] == "programmed" and e["dpid"] in dpids.values())
    return _first(carrier, status, machine), decided, in_force


def _times_out(event: Event) -> bool:
    """Whether a Receive machine of our controller has lost its partner (IEEE 802.1AX-2014, 6.4.12)."""
    return event["machine"] == "receive" and event["new"] in ("EXPIRED", "DEFAULTED", "PORT_DISABLED")


def _dpid(topology: Topology, port: str) -> int:
    return next(switch.dpid for switch in topology.switches if switch.name == topology.owner(port))


def _when(events: Sequence[Event], wanted: Callable[[Event], bool]) -> float | None:
    return next(_times(events, wanted), None)


def _times(events: Sequence[Event], wanted: Callable[[Event], bool]) -> Iterator[float]:
    return (float(event["t_s"]) for event in events if wanted(event))


def _first(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)
