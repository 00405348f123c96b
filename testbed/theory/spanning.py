r"""The spanning tree that bridges agree on, by the topology alone (IEEE 802.1D-2004, 17.3 to 17.6). Pure.

the root's bridge identifier, the cost of the way to it, the designated bridge and port: the lower wins

              s1  root
      D  20000 /\ 20000 D          D designated    R root port    A alternate: discards
            R /  \ R
            s2    s4               each link between switches has one designated port; each switch
           D \    / D              but the root has one root port; what is left over discards
          20000\/ 20000
             R s3 A
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from testbed.spec import Link, SpanningTree, Topology

#: The bridge priority of the switch that is to be the root, and of all others (802.1D-2004, Table 17-2: the default).
ROOT_PRIORITY, PRIORITY = 4096, 32768
#: A port's priority (802.1D-2004, Table 17-2).
PORT_PRIORITY = 128
#: The cost of a link is this over its rate in Mbit/s: 20000 for 1 Gbit/s (802.1D-2004, Table 17-3).
_COST_MBPS = 20_000_000
#: STP's costs, by the rate in Mbit/s that a link has at least (802.1D-1998, Table 8-5; lib/stp.c).
_STP_COSTS = ((10_000.0, 2), (1_000.0, 4), (100.0, 19), (16.0, 62), (10.0, 100), (4.0, 250))
_STP_SLOWEST = 1000
#: A link without a rate has that of a veth, 10 Gbit/s.
_UNSHAPED_MBPS = 10_000.0


def path_cost(link: Link, protocol: str = "rstp") -> int:
    """What a link adds to the cost of the way to the root (802.1D-2004, Table 17-3; STP: 802.1D-1998, Table 8-5)."""
    rate_mbps = link.rate_mbps or _UNSHAPED_MBPS
    if protocol == "stp":
        return next((cost for least_mbps, cost in _STP_COSTS if rate_mbps >= least_mbps), _STP_SLOWEST)
    return max(1, round(_COST_MBPS / rate_mbps))


@dataclass(frozen=True)
class Tree:
    """The tree of the switches that live, over the links between them but those in ``lost``.

    Where failures have parted the network each part has a root of its own.
    """

    topology: Topology
    protocol: SpanningTree
    gone: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()

    @cached_property
    def switches(self) -> dict[str, int]:
        """The switches that live, each with its place from 1: the lower, the better its address."""
        names = (switch.name for switch in self.topology.switches)
        return {name: place for place, name in enumerate(names, start=1) if name not in self.gone}

    def priority(self, switch: str) -> int:
        """A switch's bridge priority."""
        return ROOT_PRIORITY if switch == (self.protocol.tree_root or self.topology.switches[0].name) else PRIORITY

    def identifier(self, switch: str) -> tuple[int, int]:
        """A switch's bridge identifier, as it compares with others: priority, then address."""
        return self.priority(switch), self.switches[switch]

    @cached_property
    def links(self) -> dict[str, list[Link]]:
        """The links between switches that are left, by each of the two."""
        found: dict[str, list[Link]] = {name: [] for name in self.switches}
        for link in self.topology.links:
            if link.a in found and link.b in found and link.name not in self.lost:
                found[link.a].append(link)
                found[link.b].append(link)
        return found

    @cached_property
    def root_of(self) -> dict[str, str]:
        """For each switch the root of the part of the network that it is in."""
        found: dict[str, str] = {}
        for name in sorted(self.switches, key=self.identifier):
            waiting = [] if name in found else [name]
            while waiting:
                here = waiting.pop()
                if here not in found:
                    found[here] = name
                    waiting += [link.beyond(here) for link in self.links[here]]
        return found

    @cached_property
    def _way(self) -> dict[str, tuple[int, int, str]]:
        """For each switch: the cost of its way to the root, over how many links it leads, and its root port."""
        found: dict[str, tuple[int, int, str]] = {}
        waiting = [(0, (0, 0), 0, 0, root, 0, "") for root in set(self.root_of.values())]
        heapq.heapify(waiting)
        while waiting:
            cost, _, _, _, here, hops, port = heapq.heappop(waiting)
            if here in found:
                continue
            found[here] = (cost, hops, port)
            for link in self.links[here]:
                near, (there, far) = link.end(here), link.other(link.end(here))
                ports = self.topology.ports[near].number, self.topology.ports[far].number
                better = (
                    cost + path_cost(link, self.protocol.protocol),
                    self.identifier(here),
                    *ports,
                )  # the priority vector, 17.6
                heapq.heappush(waiting, (*better, there, hops + 1, far))
        return found

    def hops(self, switch: str) -> int:
        """How many links a switch is away from the root."""
        return self._way[switch][1]

    @cached_property
    def depth(self) -> int:
        """The most links between the root and a switch."""
        return max((hops for _, hops, _ in self._way.values()), default=0)

    @cached_property
    def roles(self) -> dict[str, str]:
        """The role of each port to another switch: Root, Designated or Alternate (802.1D-2004, 17.7)."""
        found: dict[str, str] = {}
        for here, links in self.links.items():
            for link in links:
                near, (there, far) = link.end(here), link.other(link.end(here))
                if near == self._way[here][2]:
                    found[near] = "Root"
                    continue
                own, other = (
                    (self._way[node][0], self.identifier(node), self.topology.ports[port].number)
                    for node, port in ((here, near), (there, far))
                )
                found[near] = "Designated" if own < other else "Alternate"
        return found

    def above(self, switch: str) -> str:
        """The next switch on the way to the root; of the root nothing."""
        port = self._way[switch][2]
        return self.topology.far(port).node if port else ""

    def way_up(self, switch: str) -> list[str]:
        """The links from a switch to the root, in order."""
        found: list[str] = []
        while port := self._way[switch][2]:
            found.append(self.topology.link_of(port).name)
            switch = self.topology.far(port).node
        return found

    def between(self, one: str, other: str) -> list[str] | None:
        """The links by which frames go from a switch to another; None if they are in different parts."""
        if self.root_of[one] != self.root_of[other]:
            return None
        up, down = self.way_up(one), self.way_up(other)
        while up and down and up[-1] == down[-1]:
            up.pop()
            down.pop()
        return [*up, *reversed(down)]

    def below(self, gone: Collection[str], lost: Collection[str]) -> frozenset[str]:
        """The switches that lose their way to the root when these switches and links fail."""
        found = set()
        for switch in self.switches:
            nodes, here = {switch}, switch
            while here := self.above(here):
                nodes.add(here)
            if switch not in gone and not (nodes.isdisjoint(gone) and set(lost).isdisjoint(self.way_up(switch))):
                found.add(switch)
        return frozenset(found)

    def circle(self, among: Collection[str]) -> bool:
        """Whether links that are left join these switches in a circle."""
        parts: Mapping[str, str] = {name: name for name in among}
        for name in among:
            for link in self.links[name]:
                if link.a != name or link.b not in parts:
                    continue
                here, there = parts[link.a], parts[link.b]
                if here == there:
                    return True
                parts = {each: there if found == here else found for each, found in parts.items()}
        return False


@lru_cache(maxsize=8)
def tree_of(
    topology: Topology, protocol: SpanningTree, gone: frozenset[str] = frozenset(), lost: frozenset[str] = frozenset()
) -> Tree:
    """The tree, computed once for all pairs of hosts that are asked for in turn."""
    return Tree(topology, protocol, gone, lost)
