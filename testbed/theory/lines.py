"""Which line to the internet is in use, what fails of it, and what that costs: of the measured hosts. Pure.

client --- edge === line === provider in use === uplink === (internet) --- server
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from testbed.design.factor import Level
from testbed.errors import SpecError
from testbed.faults.cabling import link_named
from testbed.faults.catalogue import FAULTS
from testbed.spec import Bgp, Link, Topology
from testbed.theory import bgp, brownouts
from testbed.theory.forwarding import without
from testbed.theory.outage_bound import OutageBound

#: Where a cable fails: between the edge and the provider, or beyond.
PLACES = ("line", "uplink")


def trail(topology: Topology) -> tuple[str, ...]:
    """The machines that packets from client to server pass while nothing fails, both included; empty: they do not."""
    return without(topology).trail(topology.client, topology.host(topology.server).ip)


def routes(topology: Topology) -> dict[str, dict[str, list[str]]]:
    """The next hops that every speaker has to every prefix that others announce, while nothing fails."""
    found = without(topology).routes
    return {
        machine: {prefix: [path.next_hop for path in paths] for prefix, paths in own.items()}
        for machine, own in found.items()
    }


def next_hops(topology: Topology, edge: str, to: str) -> list[str]:
    """The next hops by which a speaker sends to an address, while nothing fails."""
    return without(topology).next_hops(edge, to)


def provider(topology: Topology) -> str | None:
    """The speaker that the client's edge hands packets to; None if the edge is no speaker, or the last machine."""
    found = trail(topology)
    speakers = {each.machine for group in topology.bgp for each in group.speakers}
    return found[2] if len(found) > 3 and {found[1], found[2]} <= speakers else None


def has_another(topology: Topology) -> bool:
    """Whether client and server reach each other without the provider in use, which there is."""
    left = without(topology, trail(topology)[2])
    return all(left.way(*ends).connected is True for ends in (topology.pair, topology.pair[::-1]))


def edges(topology: Topology) -> tuple[tuple[str, str], tuple[str, str]]:
    """The two speakers that choose a provider, each with the host that it sends to: of the client, and of the server.

    Errors: ValueError if packets pass fewer machines.
    """
    client, edge, *_, other, server = trail(topology)
    return (edge, server), (other, client)


def uplink(topology: Topology) -> Link | None:
    """The cable between the provider in use and the machine beyond it; None if there is none."""
    found = trail(topology)
    return _between(topology, found[2], found[3]) if len(found) > 4 else None


def element(topology: Topology, fault: str, place: str) -> str:
    """What a fault hits. Errors: SpecError where there is no such element."""
    found = trail(topology)
    cable = found[1:3] if place == "line" else found[2:4] if len(found) > 4 else ()
    return hit(topology, fault, found[2], found[2], cable)


def hit(topology: Topology, fault: str, machine: str, speaker: str, cable: Sequence[str]) -> str:
    """The element of a fault, by its kind: a machine, the daemon of a speaker, or the one cable between two machines.

    Errors: SpecError if there is no such cable.
    """
    kind = FAULTS[fault].element
    if kind == "router":
        return machine
    if kind in ("service", "BGP speaker"):
        return f"{speaker}:{topology.bgp[0].process}"
    link = _between(topology, *cable) if cable else None
    if link is None:
        where = f"between {' and '.join(sorted(cable))}" if cable else "there"
        raise SpecError(f"topology {topology.name!r} has no one cable {where} for {fault}")
    return link.name


def outage(
    topology: Topology, fault: str, hit: str, parameters: Mapping[str, Level] = MappingProxyType({})
) -> OutageBound | str:
    """The outage of traffic between client and server both ways; text: there is no bound, and why."""
    if fault in brownouts.FAULTS:
        return brownouts.outage(fault, parameters)
    found, group = trail(topology), topology.bgp[0]
    beyond = False
    if FAULTS[fault].element == "cable":
        link = link_named(topology, hit)[0]
        beyond = found[1] not in (link.a, link.b)
    told = not beyond or found[1] not in group.speaker(found[2]).default_to
    links = [_between(topology, one, other) for one, other in itertools.pairwise(found)]
    delay_s = sum(link.delay_ms for link in links if link is not None) / 1e3
    return bgp.outage(group, fault, told=told, delay_s=delay_s, hops=_told(topology, found, fault, hit))


def _told(topology: Topology, found: tuple[str, ...], fault: str, hit: str) -> tuple[int, int]:
    """How many speakers are told, one after the other, until the client's edge knows, and until the server's does."""
    places = [place for place, name in enumerate(found) if name == hit.partition(":")[0]]
    if FAULTS[fault].element == "cable":
        link = link_named(topology, hit)[0]
        places = sorted(place for place, name in enumerate(found) if name in (link.a, link.b))
        return places[0] - 1, len(found) - 2 - places[1]
    return places[0] - 2, len(found) - 3 - places[0]


def noticed_s(group: Bgp, fault: str = "") -> float:
    """How long it takes at most until silence has ended a session."""
    return bgp.detection(group, fault=fault).limit_s


def period_s(group: Bgp, fault: str = "") -> float:
    """The interval of what watches a session."""
    return group.bfd_ms / 1e3 if bgp.by_bfd(group, fault) else float(group.keepalive_s)


def _between(topology: Topology, one: str, other: str) -> Link | None:
    return next((link for link in topology.links if {link.a, link.b} == {one, other}), None)
