"""Bonds whose members lead to networks of their own, and an ARP monitor there. Pure.

h1 member 0 --- s1 --- member 0 h2      a backup is up by what others ask on its way; where the ways are not joined
   member 1 --- s2 --- member 1         nobody does, so it is down until its bond probes by it (bond_ab_arp_probe)
"""

from __future__ import annotations

from collections.abc import Sequence

from testbed.spec import Bond, Topology, ways

#: Why no bound is given.
SEARCHING = (
    "no backup is up where nobody asks: each bond probes by one member after the other, and no document says when two"
    " that do so meet (bonding.rst, arp_interval)"
)


def apart(topology: Topology, members: Sequence[str]) -> bool:
    """Whether each of these interfaces of a host leads to a network of its own."""
    part = ways.lans(topology.switches, topology.links)
    found = [part.get(topology.far(member).node, frozenset({member})) for member in members]
    return len(set(found)) == len(found)


def searches(topology: Topology, bond: Bond) -> bool:
    """Whether the bond, once its active member is lost, has to look for another that hears somebody."""
    return bond.mode == "active-backup" and bool(bond.arp_interval_ms) and apart(topology, bond.members)
