"""BIRD 2 with static routes, each by the first of its next hops that does; its manual, 6.13 (Static).

For each rank of next hops there is one protocol: BIRD takes the route of the best preference that it has. With
static_track=none a route stays whatever its interface is; `check link` takes it out without carrier, `bfd` when the
session with the next hop is down (RFC 5882).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from testbed.services import bird as shared
from testbed.services.bird import BirdService
from testbed.spec import StaticRoute, StaticRoutes, Topology

#: The preference of the first next hops; that of static routes by default.
_PREFERENCE = 200


@dataclass(frozen=True)
class StaticService(BirdService):
    """The BIRD of a machine with static routes; ``hops`` are its next hops, each with its name and interface."""

    identifier: str
    routes: tuple[StaticRoute, ...]
    hops: Mapping[str, tuple[str, str]]
    group: StaticRoutes

    @property
    def period_s(self) -> float:
        return max(1.0, self.group.bfd_ms / 1e3)

    def configuration(self, directory: Path) -> str:
        return configuration(self, directory)

    def unsettled(self, log: str, now: float) -> str:
        """The next hops with which there is no session of BFD, if one is wanted."""
        del now
        last = {address: state for _, address, _, state in shared.SESSION.findall(log)}
        wanted = self.hops.items() if self.group.track == "bfd" else ()
        waiting = [name for address, (name, _) in wanted if last.get(address) != "Up"]
        return f"no session with {' and '.join(waiting)}" if waiting else ""

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        yield from shared.bfd_events(log, {address: interface for address, (_, interface) in self.hops.items()})


def of(topology: Topology) -> list[StaticService]:
    """The BIRD of every machine that has static routes."""
    return [_of(topology, group, machine) for group in topology.static for machine in group.machines]


def _of(topology: Topology, group: StaticRoutes, machine: str) -> StaticService:
    routes, hops = group.of(machine), dict[str, tuple[str, str]]()
    for address in (each for route in routes for each in route.next_hops):
        hops[address] = (topology.holder(address), topology.towards(machine, address).interface)
    return StaticService(machine, topology.bgp_identifier(machine), routes, hops, group)


def configuration(service: StaticService, directory: Path) -> str:
    """The text of bird.conf."""
    group = service.group
    text = shared.head(service.identifier, directory)
    text += "protocol kernel {\n  ipv4 { export where source = RTS_STATIC; };\n}\n"
    if group.bfd_ms:
        interfaces = ", ".join(f'"{each}"' for each in dict.fromkeys(place for _, place in service.hops.values()))
        text += shared.bfd(interfaces, group.bfd_ms, group.bfd_mult)
    tracked = " bfd" if group.track == "bfd" else ""
    checked = "" if group.track == "none" else "  check link yes;\n"
    for rank, hops in enumerate(zip_longest(*(each.next_hops for each in service.routes))):
        lines = "".join(
            f"  route {route.prefix} via {hop}{tracked};\n"
            for route, hop in zip(service.routes, hops, strict=True)
            if hop is not None
        )
        text += f"protocol static s{rank + 1} {{\n  ipv4 {{ preference {_PREFERENCE - rank}; }};\n{checked}{lines}}}\n"
    return text
