r"""Leaves in pairs, each pair one LACP system for its hosts; every leaf is linked to every spine.

             +----------+                        +----------+
             |  spine1  |          ...           |  spine2  |          `spines`
             +----------+                        +----------+
              |   |   |  \______________________/  |   |   |           one link of `uplink_mbps`
              |   |   |   ______________________   |   |   |           from each leaf to each spine
              |   |   |  /                      \  |   |   |
        +---------+   +---------+        +---------+   +---------+
        |  leaf1  |   |  leaf2  |        |  leaf3  |   |  leaf4  |     `leaves`, two by two
        +---------+   +---------+        +---------+   +---------+
            ||  \\     //  ||                ||  \\     //  ||
            ||    \\ //    ||                ||    \\ //    ||         `members` links of each
            ||    // \\    ||                ||    // \\    ||         host to each leaf of its
            ||  //     \\  ||                ||  //     \\  ||         pair: one LAG
         +------+       +------+          +------+       +------+
         |  h1  |  ...  |  h2  |          |  h3  |  ...  |  h4  |      `hosts`, spread over the pairs
         +------+       +------+          +------+       +------+

Survives the loss of any link, leaf or spine if there are two spines or more. A frame takes one shortest path: more
spines give more backup paths, not more bandwidth.
"""

from __future__ import annotations

import dataclasses

from testbed.errors import SpecError
from testbed.spec import Addressing, BondOptions, Cable, LagOptions, Topology
from testbed.spec.wiring import Wiring


def leaf_spine(
    *,
    spines: int = 2,
    leaves: int = 4,
    hosts: int = 4,
    members: int = 1,
    uplink_mbps: float = 10_000.0,
    isolate: bool = True,
    member_rates: str = "",
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """``hosts`` with ``members`` links to each leaf of a pair; ``leaves`` in pairs, each linked to all ``spines``."""
    if leaves < 2 or leaves % 2:
        raise SpecError(f"leaf_spine needs leaves in pairs, not {leaves}", "For example: --set leaves=4")
    if hosts < 1:
        raise SpecError(f"leaf_spine needs 1 host or more, not {hosts}")
    net = Wiring(
        cable=cable,
        bonding=bonding,
        lag=lag,
        rx_coalesce_us=rx_coalesce_us,
        addressing=addressing,
        member_rates=member_rates,
    )
    upper = net.switches(spines, "spine", isolate=isolate)
    lower = net.switches(leaves, "leaf", isolate=isolate)
    pairs = leaves // 2
    for number in range(hosts):
        pair = number * pairs // hosts
        net.bonded(f"h{number + 1}", lower[2 * pair : 2 * pair + 2] * members, system=f"pair{pair + 1}")
    uplink = dataclasses.replace(cable, rate_mbps=uplink_mbps)
    for leaf in lower:
        for spine in upper:
            net.link(leaf, spine, uplink)
    return net.topology("leaf_spine")
