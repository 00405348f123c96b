"""Hosts whose ways are joined by routing: who uses which way when some have failed, and who learns of it. Pure.

h1 --X-- s1 ----- h2      h1 sees its link fail and leaves the way at once (carrier); h2, whose link is up, goes on
   ----- s2 -----         sending a part of its flows by s1, and nothing that it has tells it
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from testbed.spec import Topology
from testbed.theory.multipath import handover
from testbed.theory.outage_bound import SWITCH_PAUSE_S, OutageBound
from testbed.theory.seamless import reaches

#: A route leaves a next hop with the event of its interface (networking/ip-sysctl.rst, ignore_routes_with_linkdown).
AT_THE_EVENT = OutageBound(0.0, 0.0, "carrier event at the next hop's own interface", tolerance_s=SWITCH_PAUSE_S)


@dataclass(frozen=True)
class Ways:
    """Whether two hosts reach each other by all flows, None where it is a matter of a flow's hash; and why."""

    connected: bool | None
    why: str = ""


def between(topology: Topology, failed: Collection[str], silent: Collection[str], a: str, b: str) -> Ways:
    """What becomes of the flows between two hosts, of which each uses the ways whose link at its own end is up."""
    if {a, b} & set(failed):
        return Ways(False)
    pairs = list(zip(topology.members(a), topology.members(b), strict=True))
    works = {way for way, (own, _) in enumerate(pairs) if reaches(topology, failed, silent, own, a, b)}
    bonds = [bond for bond in (topology.host(a).bond, topology.host(b).bond) if bond is not None]
    if bonds[0].driver == "mptcp":
        if not works or len(works) == len(pairs):
            return Ways(bool(works))
        whys = [found for bond in bonds if isinstance(found := handover(bond, "silent_loss"), str)]
        return Ways(None, whys[0]) if whys else Ways(True)
    used = {host: {way for way, ends in enumerate(pairs) if _up(topology, failed, ends[host])} for host in (0, 1)}
    if any(not ways & works for ways in used.values()):
        return Ways(False)
    lost = [(host, way) for host in (0, 1) for way in sorted(used[host] - works)]
    if not lost:
        return Ways(True)
    host, way = lost[0]
    name = (a, b)[host]
    return Ways(
        None,
        f"{name} goes on sending a part of its flows by {pairs[way][host]}, whose carrier is up:"
        " it learns of no failure beyond",
    )


def _up(topology: Topology, failed: Collection[str], interface: str) -> bool:
    link = topology.link_of(interface)
    return set(failed).isdisjoint((link.name, link.a, link.b, link.a_interface, link.b_interface))
