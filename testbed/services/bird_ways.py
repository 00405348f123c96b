"""BIRD 2 on a host whose ways are joined by routing (mode ecmp): it watches the ways, and gives the kernel the routes.

    bfd       static routes to the others, with a next hop by each way that counts while its BFD session is up
              (RFC 5880, RFC 5881)
    routing   OSPF with the others over each way, a broadcast network (RFC 2328); the next hops of the cheapest routes,
              which are all ways

BIRD puts all next hops of a route into one route of the kernel. Its manual: bird.network.cz, version 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.services import bird as shared
from testbed.services.bird import BirdService
from testbed.spec import Bond, Host, Topology
from testbed.spec.addressing import way_address
from testbed.spec.bond.options import OSPF_TICK_S

#: Lines of the log, which begins each with the seconds since the epoch.
_NEIGHBOR = re.compile(
    r"^([\d.]+) <TRACE> \w+: Neighbor (\S+) on (\S+) changed state from ([\w-]+) to ([\w-]+)", re.MULTILINE
)
_ORIGINATED = re.compile(r"^([\d.]+) <TRACE> \w+: Originating LSA", re.MULTILINE)
#: RFC 2328, appendix B.
MIN_LS_INTERVAL_S = 5.0


@dataclass(frozen=True)
class Bird(BirdService):
    """The BIRD of a host: ``ways`` are its interfaces, each with the addresses of the others there, in one order."""

    own: str
    others: tuple[str, ...]
    ways: tuple[tuple[str, tuple[str, ...]], ...]
    bond: Bond

    @property
    def period_s(self) -> float:
        return max(1.0, self.bond.ecmp_bfd_ms / 1e3 if self.bond.ecmp_detect == "bfd" else self.bond.ecmp_hello_s)

    @property
    def slow_s(self) -> float:
        """It announces its links anew once it knows its neighbors (RFC 2328, 9.1)."""
        return MIN_LS_INTERVAL_S + 2 * self.bond.ecmp_hello_s + self.bond.ecmp_dead_s

    def configuration(self, directory: Path) -> str:
        return configuration(self, directory)

    def unsettled(self, log: str, now: float) -> str:
        """OSPF does not announce its links again within MinLSInterval: a failure in that time would wait for it."""
        last_s = max(map(float, _ORIGINATED.findall(log)), default=0.0)
        return "" if now > last_s + MIN_LS_INTERVAL_S else "it has announced its links less than MinLSInterval ago"

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        interfaces = {address: interface for interface, addresses in self.ways for address in addresses}
        yield from shared.bfd_events(log, interfaces)
        for at, neighbor, interface, old, new in _NEIGHBOR.findall(log):
            yield {
                "time": float(at),
                "source": "ospf",
                "event": "neighbor",
                "interface": interface,
                "neighbor": neighbor,
                "old": old,
                "new": new,
            }


def of(topology: Topology) -> list[Bird]:
    """The BIRD of every host whose ways something else than their carrier has to watch."""
    return [_of(topology, host, host.bond) for host in topology.hosts if host.bond is not None and host.bond.watched]


def _of(topology: Topology, host: Host, bond: Bond) -> Bird:
    numbers = [number for number, each in enumerate(topology.hosts, start=1) if each != host]
    ways = tuple(
        (member, tuple(way_address(way, number).partition("/")[0] for number in numbers))
        for way, member in enumerate(bond.members)
    )
    return Bird(host.name, host.ip, tuple(each.ip for each in topology.hosts if each != host), ways, bond)


def configuration(bird: Bird, directory: Path) -> str:
    """The text of bird.conf."""
    head = f"""\
{shared.head(bird.own, directory)}protocol kernel {{
  ipv4 {{ export filter {{ krt_prefsrc = {bird.own}; accept; }}; }};
}}
"""
    interfaces = ", ".join(f'"{interface}"' for interface, _ in bird.ways)
    return head + (_bfd if bird.bond.ecmp_detect == "bfd" else _ospf)(bird, interfaces)


def _bfd(bird: Bird, interfaces: str) -> str:
    routes = ""
    for place, other in enumerate(bird.others):
        hops = "\n    ".join(f"via {addresses[place]} bfd" for _, addresses in bird.ways)
        routes += f"  route {other}/32\n    {hops};\n"
    watched = shared.bfd(interfaces, bird.bond.ecmp_bfd_ms, bird.bond.ecmp_bfd_mult)
    return f"""\
{watched}protocol static {{
  ipv4;
  check link on;
{routes}}}
"""


def _ospf(bird: Bird, interfaces: str) -> str:
    # Over point-to-point links between two routers OSPF does not tell one from the other: a host that sees one fail
    # could not say which it was (RFC 2328, 16.1: a link back to the router is all that is asked for).
    return f"""\
protocol ospf v2 {{
  debug {{ events }};
  ecmp on;
  tick {OSPF_TICK_S};
  ipv4 {{ import where net.len = 32 && net != {bird.own}/32; export none; }};
  area 0 {{
    stubnet {bird.own}/32;
    interface {interfaces} {{
      type broadcast;
      hello {bird.bond.ecmp_hello_s};
      dead {bird.bond.ecmp_dead_s};
      check link on;
    }};
  }};
}}
"""
