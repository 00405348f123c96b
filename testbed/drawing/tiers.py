"""The tiers of a drawing: hosts at the bottom, above them their switches, above these switches and routers without.

tier 2   spine1   spine2
tier 1   leaf1  leaf2  leaf3
tier 0   h1  h2  h3  h4
"""

from __future__ import annotations

from testbed.spec import Link, Topology


def tiers(topology: Topology) -> list[list[str]]:
    """The nodes of each tier, in the order of the spec. A link joins nodes of one tier or of neighbouring tiers."""
    hosts = [host.name for host in topology.hosts]
    found = [hosts]
    left = [name for name in topology.nodes() if name not in hosts]
    while left:
        near = {node for link in topology.links for node in (link.a, link.b) if {link.a, link.b} & set(found[-1])}
        tier = [name for name in left if name in near] or left
        found.append(tier)
        left = [name for name in left if name not in tier]
    return [tier for tier in found if tier]


def level_of(topology: Topology) -> dict[str, int]:
    """The tier of each node."""
    return {name: level for level, tier in enumerate(tiers(topology)) for name in tier}


def members(topology: Topology) -> set[str]:
    """The names of the links that are members of a bond or of a LAG."""
    found = {i for host in topology.hosts if host.bond for i in host.bond.members}
    found |= {port for lag in topology.lags for port in lag.ports}
    return {link.name for link in topology.links if {link.a_interface, link.b_interface} & found}


def is_marked(link: Link, marks: frozenset[str]) -> bool:
    """Whether the link or one of its interfaces is to be highlighted."""
    return not marks.isdisjoint((link.name, link.a_interface, link.b_interface))
