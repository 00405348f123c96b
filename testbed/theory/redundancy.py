"""What a network survives and what each failure costs, for `testbed.theory.availability`: measured, or by theory. Pure.

failed elements --> a trial of an audit, if there is one; else testbed.theory.reachability --> up, down, not known
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from testbed.faults.elements import Element, elements
from testbed.spec import SwitchSide, Topology
from testbed.theory import chain, reachability
from testbed.theory.availability import Event, Names, Outage, Range
from testbed.theory.failure_rates import Rate

#: Kinds whose failure parts no link: whether hosts stay together then depends on how long it lasts.
CONTROLLERS = ("controller", "control")


def expected(
    topology: Topology,
    failed: Iterable[str],
    *,
    side: SwitchSide = SwitchSide(),
    controller_down_s: float | None = None,
    pairs: Iterable[reachability.Pair] | None = None,
) -> dict[reachability.Pair, reachability.Expectation]:
    """What theory says of the ends of a network's traffic: of a web service (`chain.expected`), or else of every two of
    its hosts or of ``pairs`` (`reachability.expected`)."""
    if topology.entry:
        return chain.expected(topology, failed, side=side, controller_down_s=controller_down_s)
    return reachability.expected(topology, failed, side=side, controller_down_s=controller_down_s, pairs=pairs)


@dataclass(frozen=True)
class Observed:
    """What an audit has measured of a failure: whether the hosts stayed together, and the outages at its begin and at
    its repair in seconds, None where there is none. ``controller_down_s``: how long a controller was away."""

    survived: bool
    outage_s: float | None = None
    return_outage_s: float | None = None
    controller_down_s: float = 0.0


@dataclass(frozen=True)
class Redundancy:
    """A network between whose protected hosts traffic is to flow, and what is known of its failures."""

    topology: Topology
    side: SwitchSide
    rates: Mapping[str, Rate]
    observed: Mapping[Names, Observed] = field(default_factory=dict)

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """All elements that may fail."""
        return elements(self.topology, self.side)

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {each.name: each.kind for each in self.elements}

    @cached_property
    def _pairs(self) -> list[reachability.Pair]:
        """The hosts between which it flows."""
        if self.topology.entry:
            return [(self.topology.client, server.host) for server in self.topology.servers]
        return list(itertools.combinations(self.topology.protected_hosts(), 2))

    def up(self, failed: Names) -> bool | None:
        """Whether all protected hosts reach each other; None: not known."""
        seen = self._seen(failed)
        if seen is not None:
            return seen.survived
        return reachability.must_connect(self._expected(failed), self.topology.ends())

    def outage(self, event: Event) -> Outage:
        """What the event costs each time, if it is survived and happens alone.

        Measured: the outages at the failure and at the repair. Theory: the mean where it knows the distribution, else
        from its lower limit to its bound, and in both cases up to the tolerance more; it has none for a repair. Where
        it has no bound, the outage may last until the repair.
        """
        failed = frozenset(event.elements)
        seen = self._seen(failed)
        if seen is not None and seen.survived and seen.outage_s is not None:
            both_s = seen.outage_s + (seen.return_outage_s or 0.0)
            return Outage(Range(both_s, both_s), "measured")
        bound = reachability.longest_bound(self._expected(failed), self.topology.ends())
        if bound is None:
            return Outage(Range(0.0, event.rate.mttr_s), "not known")
        mean_s = bound.expected_s
        if mean_s is not None:
            return Outage(Range(mean_s, mean_s + bound.tolerance_s), "theory, mean")
        return Outage(Range(bound.low_s, bound.limit_s), "theory, bound")

    def _seen(self, failed: Names) -> Observed | None:
        """What an audit has measured of exactly these, if it holds for a repair that takes as long as it does."""
        seen = self.observed.get(failed)
        away_s = self._away_s(failed)
        return None if seen is None or (away_s is not None and away_s > seen.controller_down_s) else seen

    def _expected(self, failed: Names) -> dict[reachability.Pair, reachability.Expectation]:
        away_s = self._away_s(failed)
        return expected(self.topology, failed, side=self.side, controller_down_s=away_s, pairs=self._pairs)

    def _away_s(self, failed: Names) -> float | None:
        """How long the controller is away, or a switch from it: as long as the repair takes on average."""
        kinds = {self._kinds[name] for name in failed} & set(CONTROLLERS)
        return max((self.rates[kind].mttr_s for kind in kinds), default=None)

    def on_ways(self) -> frozenset[str]:
        """The elements by which traffic between two protected hosts may go: only their failures take a switch-over.

        A node is on a way between a and b if no other node parts it from both (K. Menger's theorem, fan version);
        a link if both its ends are.
        """
        found: set[str] = set()
        for a, b in self._pairs:
            nodes = self._between(a, b)
            found |= nodes - {a, b} | (set() if self.topology.entry is None else {b})
            for link in self.topology.links:
                if {link.a, link.b} <= nodes:
                    found |= {link.name, link.a_interface, link.b_interface}
        return frozenset(found)

    def _between(self, a: str, b: str) -> set[str]:
        """The nodes on ways from a to b without a node twice."""
        ends = {host.name for host in self.topology.hosts} - self.topology.relays() - {a, b}
        ends -= {router.name for router in self.topology.routers}
        ends -= {name for group in self.topology.balancers for name in group.machines}
        near: dict[str, set[str]] = {node: set() for node in self.topology.nodes() if node not in ends}
        for link in self.topology.links:
            if link.a in near and link.b in near:
                near[link.a].add(link.b)
                near[link.b].add(link.a)
        found = set(near)
        for cut in near:
            found &= _reached(near, {a, b} - {cut}, cut) | {cut}
        return found


def _reached(near: Mapping[str, set[str]], begin: Iterable[str], without: str) -> set[str]:
    """The nodes that are reached from these, but not through one."""
    found = set(begin)
    queue = deque(found)
    while queue:
        for node in near[queue.popleft()] - found - {without}:
            found.add(node)
            queue.append(node)
    return found
