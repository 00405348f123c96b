"""The switches and the links between them: components, shortest paths, a spanning tree. Pure.

The results depend on the graph alone, not on the order of changes: ties go to the lower datapath id, then to the
lower port.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

#: How many links longer a path may be to get around a switch that is to be avoided.
_DETOUR = 1000


@dataclass(frozen=True, order=True)
class Link:
    """A link between two switches: one cable, or a LAG. Ports are logical ports (see forwarding)."""

    a: int
    a_port: int
    b: int
    b_port: int

    def other(self, dpid: int) -> int:
        """The switch at the far end."""
        return self.b if dpid == self.a else self.a

    def port(self, dpid: int) -> int:
        """The logical port of the link on this switch."""
        return self.a_port if dpid == self.a else self.b_port


class Graph:
    """Switches joined by links. Paths use switches of ``avoided`` only where there is no other path."""

    def __init__(self, switches: Iterable[int], links: Iterable[Link], avoided: Iterable[int] = ()) -> None:
        self.switches = tuple(sorted(switches))
        self.links = tuple(sorted(links))
        self.avoided = frozenset(avoided)
        self._links_of: dict[int, list[Link]] = {dpid: [] for dpid in self.switches}
        for link in self.links:
            self._links_of[link.a].append(link)
            self._links_of[link.b].append(link)
        self._next: dict[frozenset[int], dict[int, Link]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return (self.switches, self.links, self.avoided)

    @cached_property
    def component(self) -> dict[int, frozenset[int]]:
        """All switches that each switch reaches, including itself."""
        found: dict[int, frozenset[int]] = {}
        for start in self.switches:
            if start in found:
                continue
            reached, fresh = {start}, [start]
            while fresh:
                dpid = fresh.pop()
                new = {link.other(dpid) for link in self._links_of[dpid]} - reached
                reached |= new
                fresh += new
            found |= dict.fromkeys(reached, frozenset(reached))
        return found

    def next_links(self, targets: Iterable[int]) -> dict[int, Link]:
        """The first link of a shortest path to one of ``targets``, for every other switch that reaches one.

        Dijkstra from all targets at once: the distance shrinks on every link, so no path has a loop.
        """
        goals = frozenset(targets)
        if goals not in self._next:
            self._next[goals] = self._search(goals)
        return self._next[goals]

    def _search(self, goals: frozenset[int]) -> dict[int, Link]:
        first: dict[int, Link] = {}
        done: set[int] = set()
        queue: list[tuple[int, int, int, Link | None]] = [(0, -1, goal, None) for goal in sorted(goals)]
        heapq.heapify(queue)
        while queue:
            distance, _, dpid, link = heapq.heappop(queue)
            if dpid in done or dpid not in self._links_of:
                continue
            done.add(dpid)
            if link is not None:
                first[dpid] = link
            for onward in self._links_of[dpid]:
                other = onward.other(dpid)
                if other not in done:
                    cost = _DETOUR if self.avoided & {dpid, other} else 1
                    heapq.heappush(queue, (distance + cost, dpid, other, onward))
        return first

    @cached_property
    def tree(self) -> frozenset[Link]:
        """A spanning tree of each component: shortest paths to its lowest switch that is not to be avoided."""
        roots = {min(component, key=self._merit) for component in self.component.values()}
        return frozenset(link for root in roots for link in self.next_links({root}).values())

    def _merit(self, dpid: int) -> tuple[bool, int]:
        return (dpid in self.avoided, dpid)
