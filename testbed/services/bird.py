"""BIRD 2 on a host whose ways are joined by routing (mode ecmp): it watches the ways, and gives the kernel the routes.

    bfd       static routes to the others, with a next hop by each way that counts while its BFD session is up
              (RFC 5880, RFC 5881)
    routing   OSPF with the others over each way, a broadcast network (RFC 2328); the next hops of the cheapest routes,
              which are all ways

BIRD puts all next hops of a route into one route of the kernel. Its manual: bird.network.cz, version 2.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from testbed.services.service import Service
from testbed.spec import Bond, Host, Topology
from testbed.spec.addressing import way_address
from testbed.spec.bond.options import OSPF_TICK_S

_ANSWER_BYTES, _DEADLINE_S = 1 << 16, 10.0
#: The end of an answer: a code of four digits and a space; lines before it have a minus there, or a space first.
_END = re.compile(r"^\d{4} ", re.MULTILINE)
#: A line of `show protocols`: the name, the protocol, its table, and its state.
_PROTOCOL = re.compile(r"^(?:1002-| )(\S+)\s+(\S+)\s+\S+\s+(\S+)", re.MULTILINE)
#: Lines of the log, which begins each with the seconds since the epoch.
_SESSION = re.compile(r"^([\d.]+) <TRACE> \w+: Session to (\S+) changed state from (\w+) to (\w+)", re.MULTILINE)
_NEIGHBOR = re.compile(
    r"^([\d.]+) <TRACE> \w+: Neighbor (\S+) on (\S+) changed state from ([\w-]+) to ([\w-]+)", re.MULTILINE
)
_ORIGINATED = re.compile(r"^([\d.]+) <TRACE> \w+: Originating LSA", re.MULTILINE)
#: RFC 2328, appendix B.
MIN_LS_INTERVAL_S = 5.0


@dataclass(frozen=True)
class Bird(Service):
    """The BIRD of a host: ``ways`` are its interfaces, each with the addresses of the others there, in one order."""

    name: ClassVar[str] = "bird"
    program: ClassVar[str] = "bird"

    own: str
    others: tuple[str, ...]
    ways: tuple[tuple[str, tuple[str, ...]], ...]
    bond: Bond

    @property
    def period_s(self) -> float:
        return max(1.0, self.bond.ecmp_bfd_ms / 1e3 if self.bond.ecmp_detect == "bfd" else self.bond.ecmp_hello_s)

    def files(self, directory: Path) -> Mapping[str, str]:
        return {"bird.conf": configuration(self, directory)}

    def command(self, directory: Path) -> Sequence[str]:
        places = {"-c": "bird.conf", "-s": "bird.ctl", "-P": "bird.pid"}
        return [self.program, "-f", *(word for flag, name in places.items() for word in (flag, str(directory / name)))]

    def missing(self, directory: Path) -> str:
        try:
            return unready(asked(directory / "bird.ctl", "show protocols"))
        except OSError as error:
            return f"an answer at its control socket: {error}"

    def unsettled(self, log: str, now: float) -> str:
        """OSPF does not announce its links again within MinLSInterval: a failure in that time would wait for it."""
        last_s = max(map(float, _ORIGINATED.findall(log)), default=0.0)
        return "" if now > last_s + MIN_LS_INTERVAL_S else "it has announced its links less than MinLSInterval ago"

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        interfaces = {address: interface for interface, addresses in self.ways for address in addresses}
        for at, address, old, new in _SESSION.findall(log):
            yield {
                "time": float(at),
                "source": "bfd",
                "event": "session",
                "interface": interfaces.get(address),
                "neighbor": address,
                "old": old,
                "new": new,
            }
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
router id {bird.own};
log "{directory}/bird.log" all;
timeformat log "%s.%6f";
protocol device {{ }}
protocol kernel {{
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
    return f"""\
protocol bfd {{
  debug {{ events }};
  interface {interfaces} {{
    min rx interval {bird.bond.ecmp_bfd_ms} ms;
    min tx interval {bird.bond.ecmp_bfd_ms} ms;
    multiplier {bird.bond.ecmp_bfd_mult};
  }};
}}
protocol static {{
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


def asked(place: Path, question: str) -> str:
    """BIRD's answer at its control socket, as `birdc` asks. Errors: OSError if it does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_DEADLINE_S)
        sock.connect(str(place))
        _answer(sock)  # its greeting
        sock.sendall(f"{question}\n".encode())
        return _answer(sock)


def _answer(sock: socket.socket) -> str:
    found = ""
    while not (_END.search(found) and found.endswith("\n")):
        more = sock.recv(_ANSWER_BYTES)
        if not more:
            raise OSError("the connection was closed")
        found += more.decode()
    return found


def unready(answer: str) -> str:
    """The protocols of `show protocols` that are not up."""
    found = {name: state for name, _, state in _PROTOCOL.findall(answer) if name != "Name"}
    down = [f"{name} is {state}" for name, state in found.items() if state != "up"]
    return ", ".join(down) if found else "its protocols"
