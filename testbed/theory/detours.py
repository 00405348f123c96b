r"""Where fast-failover groups send a frame, from the topology alone: its way, and its detours where ports fail. Pure.

    h1 -- e1 ---- s1 -X-- e2 -- h2      s1 has no other way to e2, and sends the frame back (crankback);
            \             /             e1, where it comes in by the port of its best way, takes the next best;
             `--- s2 ----'              s2 sends it on by its own best way

A frame that leaves by another port than its switch's best is marked with the number of its detours so far, and after as
many detours as there are switches it is dropped: so no frame circulates, whatever fails. Fast-failover groups: OpenFlow
Switch Specification 1.3, 5.6.1. Detours that are installed beforehand: N. L. M. van Adrichem, B. J. van Asten, F. A.
Kuipers, Fast Recovery in Software-Defined Networks, EWSDN 2014.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache

from testbed.spec import FastFailover, Topology
from testbed.theory.laws import Longest, Rest
from testbed.theory.outage_bound import RELEARN_PAUSE_S, OutageBound, of_law
from testbed.theory.spanning import path_cost


@dataclass(frozen=True)
class Choice:
    """A port to send by; ``detour``: it is not the best of its switch."""

    port: str
    detour: bool


@dataclass(frozen=True)
class Detours:
    """The groups of a network's switches, computed when nothing has failed."""

    topology: Topology

    @cached_property
    def switches(self) -> list[str]:
        """The switches, in the order of the topology."""
        return [switch.name for switch in self.topology.switches]

    @property
    def most(self) -> int:
        """After so many detours a frame is dropped."""
        return len(self.switches)

    @cached_property
    def _between(self) -> dict[str, list[str]]:
        topology = self.topology
        return {
            name: [i for i in topology.interfaces(name) if topology.far(i).node in self.switches]
            for name in self.switches
        }

    def between(self, switch: str) -> list[str]:
        """The ports of a switch to other switches, in their order."""
        return self._between[switch]

    def home(self, host: str) -> tuple[str, str]:
        """The switch of a host with one link, and its port there."""
        port = self.topology.far(self.topology.interfaces(host)[0])
        return port.node, port.interface

    def _costs(self, target: str, without: str = "") -> dict[str, int]:
        """What the best way of each switch to ``target`` costs; of those that have none, nothing."""
        found: dict[str, int] = {}
        waiting = [(0, target)]
        while waiting:
            cost, here = heapq.heappop(waiting)
            if here in found or here == without:
                continue
            found[here] = cost
            for port in self.between(here):
                heapq.heappush(waiting, (cost + path_cost(self.topology.link_of(port)), self.topology.far(port).node))
        return found

    @cached_property
    def _orders(self) -> dict[tuple[str, str], list[str]]:
        """What `_order` has computed."""
        return {}

    def _order(self, here: str, target: str) -> list[str]:
        """A switch's ports on ways to another that do not come back, the cheapest first."""
        if (here, target) not in self._orders:
            costs = self._costs(target, without=here)
            self._orders[here, target] = sorted(
                (port for port in self.between(here) if self.topology.far(port).node in costs),
                key=lambda port: (
                    costs[self.topology.far(port).node] + path_cost(self.topology.link_of(port)),
                    self.topology.ports[port].number,
                ),
            )
        return self._orders[here, target]

    def choices(self, switch: str, target: str, came_by: str, detours: int) -> list[Choice]:
        """The ports by which a switch sends a frame on to a host at switch ``target``: the first that is live counts.

        ``came_by`` is the port that it came in by, which is the last choice, ``detours`` how many it has behind it.
        """
        order = self._order(switch, target)
        best = order[:1]
        found = [Choice(port, port not in best) for port in order if port != came_by]
        if came_by in self.between(switch) and came_by not in best:
            found.append(Choice(came_by, True))
        return [choice for choice in found if detours < self.most or not choice.detour]

    def way(self, source: str, target: str, dead: Collection[str] = ()) -> list[str] | None:
        """The links between switches that a frame crosses from one host to another, when these links are known to be
        down; None if it is dropped."""
        here, port = self.home(source)
        goal, _ = self.home(target)
        found: list[str] = []
        detours = 0
        while here != goal:
            choices = self.choices(here, goal, port, detours)
            choice = next((each for each in choices if self.topology.link_of(each.port).name not in dead), None)
            if choice is None:
                return None
            detours += choice.detour
            found.append(self.topology.link_of(choice.port).name)
            far = self.topology.far(choice.port)
            here, port = far.node, far.interface
        return found


@lru_cache(maxsize=4)
def detours_of(topology: Topology) -> Detours:
    """The groups, computed once for all switches and pairs of hosts that are asked for in turn."""
    return Detours(topology)


def detoured(
    topology: Topology,
    watch: FastFailover,
    pair: tuple[str, str],
    *,
    lost: Collection[str] = (),
    deaf: Collection[str] = (),
) -> OutageBound | str:
    """The outage by fast-failover groups when links have lost carrier, or ports hear nothing any more.

    A port that hears nothing knows bfd_mult intervals after the last packet, of which each is up to a quarter shorter
    than the interval (RFC 5880, 6.8.4 and 6.8.7). One that hears, but is not heard, is told by the other's next packet.
    """
    detours = detours_of(topology)
    silent = {topology.link_of(port).name for port in deaf}
    ways = [detours.way(*ends) or [] for ends in (pair, pair[::-1])]
    others = [detours.way(*ends, silent.union(lost)) or [] for ends in (pair, pair[::-1])]
    delay_s = {link.name: link.delay_ms / 1e3 for link in topology.links}
    longer_s = max(
        sum(map(delay_s.__getitem__, new)) - sum(map(delay_s.__getitem__, old))
        for old, new in zip(ways, others, strict=True)
    )
    pause_s = RELEARN_PAUSE_S + max(0.0, longer_s)  # the first frame on a longer way takes longer
    if not any(set(way) & silent for way in ways):
        hit = any(not set(way).isdisjoint(lost) for way in ways)
        if not hit:
            return OutageBound(0.0, 0.0, "the way stays as it is")
        return OutageBound(0.0, 0.0, "port down: the next bucket", tolerance_s=pause_s)
    if not watch.bfd_ms:
        return "without BFD (bfd_ms=0) a switch knows of a lost carrier only"
    interval_s, label = watch.bfd_ms / 1e3, f"BFD {watch.bfd_mult} x {watch.bfd_ms} ms"
    most_s = interval_s if watch.bfd_mult > 1 else 0.9 * interval_s
    rest = Rest(watch.bfd_mult * interval_s, 0.75 * interval_s, most_s)
    if len(deaf) == 1:
        longest_s = rest.high_s + interval_s
        return OutageBound(rest.low_s, longest_s, f"{label}, then the other end is told", tolerance_s=pause_s)
    if all(set(way) & silent for way in ways):
        return of_law(Longest((rest, rest)), f"{label}, the later end", pause_s)
    return of_law(rest, label, pause_s)
