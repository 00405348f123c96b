"""An outage split into what it consists of: detection, decision, programming, forwarding. Pure.

    last packet           somebody         somebody          what was decided      first packet
    before the fault      notices          decides           is in force           on the new path
         a ----detection---->| --decision---->| --programming---->| ---forwarding------> b

The four add up to the outage, from a to b as the probe's receiver saw it. Who has to notice and to decide depends on
who sends over the link that the fault befell, and on how it chooses among its links:

===================  ============================  ===========================  ==================================
who, how             notices                       decides                      is in force
===================  ============================  ===========================  ==================================
host, one active     bond: the member's MII        bond: another active         gratuitous ARP or unsolicited
                     status                        member                       advertisement on a link
host, hash or turns  the same, or the member's     bond: the member's role, or  (nothing is to be told)
                     role by LACP                  its link down by MII
switch, LAG          the port's carrier; LACP's    controller: distribute,      controller: the switches have
                     receive or mux machine; the   without the port             confirmed
                     controller's port-status
switch, no LAG       as the host with one active member: the switch learns from what the host sends
===================  ============================  ===========================  ==================================

A step that was not seen, or came after traffic flowed again, was not what traffic waited for: it is null, and its
time belongs to the step that follows. So where a switch moves its traffic by itself, in a group that watches the
port, decision and programming are null. Nothing is split where there is no outage, or none that ended before the
repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.measure.outage import Outage
from testbed.spec import Bond, Topology
from testbed.theory import LAG_MODES

Event = Mapping[str, Any]
_ANNOUNCEMENTS = ("gratuitous_arp", "unsolicited_neighbour_advertisement")
#: When a fault was noticed, when somebody decided what to do, and when that was in force; None: nobody told.
Marks = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Split:
    """The parts of an outage in seconds, each 0 or more; None: that step was not seen, or not waited for."""

    detection_s: float | None = None
    decision_s: float | None = None
    programming_s: float | None = None
    forwarding_s: float | None = None


def split(found: Outage, marks: Marks) -> Split:
    """Split an outage at the instants of notice, decision and programming; an instant that is no part of it is None.

    An instant before the one ahead of it, or before the outage began, counts as that one: the step took no time.
    """
    if found.outage_s <= 0 or not found.recovered:
        return Split()
    end_s = found.begin_s + found.outage_s
    at_s, parts = found.begin_s, list[float | None]()
    for mark in marks:
        if mark is None or mark > end_s:
            parts.append(None)
        else:
            parts.append(max(0.0, mark - at_s))
            at_s = max(at_s, mark)
    detection_s, decision_s, programming_s = parts
    return Split(detection_s, decision_s, programming_s, end_s - at_s)


def marks(
    timeline: Sequence[Event], topology: Topology, element: str, source: str, window: tuple[float, float]
) -> Marks:
    """When the fault on the element was noticed, decided on, and the decision in force, in the window.

    ``element`` is a link, one of its interfaces, or a switch; ``source`` is the host that sends the flow. None where
    no event tells.
    """
    events = [event for event in timeline if window[0] <= event["t_s"] <= window[1]]
    befallen = _befallen(topology, element)
    bonds = {host.name: host.bond for host in topology.hosts if host.bond and host.name in befallen}
    alone = [host for host, bond in bonds.items() if bond.mode not in LAG_MODES]
    if decider := source if source in bonds else next(iter(alone), None):
        return _by_host(events, decider, bonds[decider], befallen[decider])
    hosts = {host.name for host in topology.hosts}
    ports = {port for node, own in befallen.items() if node not in hosts and node != element for port in own}
    return _by_switch(events, topology, ports)


def _befallen(topology: Topology, element: str) -> dict[str, set[str]]:
    """The interfaces of all links that the element is, is an end of, or holds; by their nodes."""
    found: dict[str, set[str]] = {}
    for link in topology.links:
        if element in (link.name, link.a_interface, link.b_interface, link.a, link.b):
            found.setdefault(link.a, set()).add(link.a_interface)
            found.setdefault(link.b, set()).add(link.b_interface)
    return found


def _by_host(events: Sequence[Event], host: str, bond: Bond, members: set[str]) -> Marks:
    told = [event for event in events if event["source"] == "bond" and event.get("host") == host]
    of_member = [event for event in told if event["interface"] in members]
    going = _when(of_member, lambda e: e["event"] == "mii_status" and e["new"] in ("going_down", "down"))
    down = _when(of_member, lambda e: e["event"] == "mii_status" and e["new"] == "down")
    backup = _when(of_member, lambda e: e["event"] == "role" and e["new"] == "backup")
    if bond.mode in LAG_MODES:
        return _first(going, backup), _first(down, backup), None
    decided = _when(told, lambda e: e["event"] == "active_member" and e["new"] not in ("", *members))
    announced = None
    if decided is not None:
        announced = _when(
            [event for event in events if event["t_s"] >= decided],
            lambda e: e["event"] in _ANNOUNCEMENTS and e["interface"] in bond.members and e["direction"] == "out",
        )
    return _first(going, backup), decided, announced


def _by_switch(events: Sequence[Event], topology: Topology, ports: set[str]) -> Marks:
    dpids = {port: _dpid(topology, port) for port in ports}
    names = {f"{dpid}:{topology.ports[port].number}" for port, dpid in dpids.items()}
    lags = {lag.name for lag in topology.lags if set(lag.ports) & ports}
    carrier = _when(events, lambda e: e["event"] == "carrier" and e.get("interface") in ports and not e["new"])
    status = _when(events, lambda e: e["event"] == "port_status" and e["port"] in names and not e["carrier"])
    machine = _when(events, lambda e: e["event"] == "transition" and e["port"] in names and _gives_up(e))
    decided = _when(events, lambda e: e["event"] == "distribute" and e["lag"] in lags and not names & set(e["ports"]))
    in_force = None
    if decided is not None:
        after = [event for event in events if event["t_s"] >= decided]
        in_force = _when(after, lambda e: e["event"] == "programmed" and e["dpid"] in dpids.values())
    return _first(carrier, status, machine), decided, in_force


def _gives_up(event: Event) -> bool:
    """Whether an LACP machine of ours has lost the partner (IEEE 802.1AX-2014, 6.4.12)."""
    return event["machine"] == "receive" and event["new"] in ("EXPIRED", "DEFAULTED", "PORT_DISABLED")


def _dpid(topology: Topology, port: str) -> int:
    return next(switch.dpid for switch in topology.switches if switch.name == topology.owner(port))


def _when(events: Sequence[Event], wanted: Callable[[Event], bool]) -> float | None:
    return next(_times(events, wanted), None)


def _times(events: Sequence[Event], wanted: Callable[[Event], bool]) -> Iterator[float]:
    return (float(event["t_s"]) for event in events if wanted(event))


def _first(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)
