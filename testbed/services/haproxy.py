"""HAProxy on the balancers of layer 7: it ends the client's connection, and places each request; HAProxy's manual, 2.6.

Both of a group run all the time, each with its own view of the servers' health. VRRP moves the address; a script of
keepalived's asks the HAProxy beside it every second whether it still answers.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from testbed.services.service import Service
from testbed.spec import Balancer, Topology
from testbed.spec.server import HEALTH

#: A port of the loopback interface, and its page, where it says that it lives.
ALIVE_PORT, ALIVE = 8404, "/alive"
#: How long a client, or a server with a request, may say nothing, in seconds: the client of a trial waits less.
_SILENT_S = 30
#: How often a request is tried again where its server cannot be connected to, each time at another one.
_RETRIES = 3
#: How HAProxy calls our schedulers (its manual, 4.2, balance).
_BALANCE = {"rr": "roundrobin", "wlc": "leastconn", "sh": "source"}
_HEALTH = re.compile(r"^<\d>(\S+) (?:Server|Health check for server) web/(\S+) is (UP|DOWN)\b", re.MULTILINE)
#: Where the balancers of a group tell each other of their clients' servers; how many clients one may know, for how long
#: (its manual, 3.5, peers, and 4.2, stick-table).
_PEERS_PORT, _MOST_CLIENTS, _KEPT_MINUTES = 10_000, 100_000, 30
#: A line of `show peers`: another balancer, and how far the connection to it is (management guide, 9.3).
_PEER = re.compile(r"id=(\S+?)\(remote,\w*\).*? last_status=(\w+)")
_ANSWER_BYTES, _DEADLINE_S = 1 << 16, 10.0


@dataclass(frozen=True)
class Haproxy(Service):
    """The HAProxy of a balancer; ``servers`` are names, each with address and port; ``peers`` are the balancers of the
    group that tell each other of their clients, itself among them, each with its address."""

    name: ClassVar[str] = "haproxy"
    program: ClassVar[str] = "haproxy"

    servers: tuple[tuple[str, str, int], ...]
    group: Balancer
    peers: tuple[tuple[str, str], ...] = ()

    @property
    def period_s(self) -> float:
        return self.group.check_ms / 1e3

    @property
    def slow_s(self) -> float:
        """A server that did not listen yet is in after so many checks."""
        return self.group.rise * (self.group.check_ms + self.group.timeout_ms) / 1e3

    def files(self, directory: Path) -> Mapping[str, str]:
        return {"haproxy.cfg": configuration(self, directory)}

    def settings(self) -> Mapping[str, str]:
        """It listens at the service's address before VRRP gives it to the machine."""
        return {"ipv4/ip_nonlocal_bind": "1"}

    def command(self, directory: Path) -> Sequence[str]:
        own = ["-L", self.node] if self.peers else []
        return [self.program, "-db", *own, "-f", str(directory / "haproxy.cfg")]

    def missing(self, directory: Path) -> str:
        """By its own statistics: every server is up."""
        try:
            return unready(asked(directory / "haproxy.ctl", "show stat"))
        except OSError as error:
            return f"an answer at its control socket: {error}"

    def unjoined(self, directory: Path) -> str:
        """By its own statistics: every other balancer is connected to it."""
        if not self.peers:
            return ""
        try:
            found = dict(_PEER.findall(asked(directory / "haproxy.ctl", "show peers")))
        except OSError as error:
            return f"an answer at its control socket: {error}"
        waiting = [name for name, _ in self.peers if name != self.node and found.get(name) != "ESTA"]
        return f"no connection to {' and '.join(waiting)}" if waiting else ""

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        for at, server, state in _HEALTH.findall(log):
            yield {
                "time": datetime.fromisoformat(at).timestamp(),
                "source": "balancer",
                "event": "server",
                "server": server,
                "state": state.lower(),
            }


def of(topology: Topology) -> list[Haproxy]:
    """The HAProxy of every balancer of layer 7."""
    return [
        Haproxy(name, real_servers(topology, group), group, _peers(topology, group))
        for group in topology.balancers
        if group.layer == 7
        for name in group.machines
    ]


def _peers(topology: Topology, group: Balancer) -> tuple[tuple[str, str], ...]:
    """The balancers of a group that tell each other of their clients, each with its address."""
    if not group.peers:
        return ()
    return tuple((name, topology.attachment(name, topology.host(name).subnet).ip) for name in group.machines)


def real_servers(topology: Topology, group: Balancer) -> tuple[tuple[str, str, int], ...]:
    """Each server of a group: its host, its address, its port."""
    ports = {each.host: each.port for each in topology.servers}
    return tuple((name, topology.host(name).ip, ports[name]) for name in group.servers)


def configuration(service: Haproxy, directory: Path) -> str:
    """The text of haproxy.cfg."""
    group = service.group
    again = [f"  retries {_RETRIES}", "  option redispatch 1"] if group.redispatch else ["  retries 0"]
    fast = f" fastinter {group.fastinter_ms}ms" if group.fastinter_ms else ""
    shared = " peers balancers" if service.peers else ""
    sticks = (f"  stick-table type ip size {_MOST_CLIENTS} expire {_KEPT_MINUTES}m{shared}", "  stick on src")
    lines = [
        *("global", "  log stdout format timed local0 info", f"  stats socket {directory}/haproxy.ctl mode 600"),
        *("defaults", "  mode http", "  log global"),
        *(f"  timeout connect {group.timeout_ms}ms", f"  timeout check {group.timeout_ms}ms"),
        *(f"  timeout client {_SILENT_S}s", f"  timeout server {_SILENT_S}s"),
        *again,
        *(["peers balancers"] if service.peers else []),
        *(f"  peer {name} {address}:{_PEERS_PORT}" for name, address in service.peers),
        *("frontend service", f"  bind {group.address}:{group.port}", "  default_backend web"),
        *("frontend alive", f"  bind 127.0.0.1:{ALIVE_PORT}", f"  monitor-uri {ALIVE}"),
        *("backend web", f"  balance {_BALANCE[group.scheduler]}", f"  option httpchk GET {HEALTH}"),
        f"  default-server inter {group.check_ms}ms{fast} fall {group.fall} rise {group.rise}",
        *(sticks if group.stick else ()),
        *(f"  server {name} {address}:{port} check" for name, address, port in service.servers),
    ]
    return "\n".join(lines) + "\n"


def asked(place: Path, question: str) -> str:
    """HAProxy's answer at its control socket (management guide, 9.3). Errors: OSError if it does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_DEADLINE_S)
        sock.connect(str(place))
        sock.sendall(f"{question}\n".encode())
        found = b""
        while more := sock.recv(_ANSWER_BYTES):
            found += more
        return found.decode()


def unready(statistics: str) -> str:
    """The servers that are not up, by `show stat`: a CSV table (management guide, 9.1)."""
    head, *rows = statistics.removeprefix("# ").splitlines()
    names = head.split(",")
    found = [dict(zip(names, row.split(","), strict=False)) for row in rows if row]
    servers = {
        row["svname"]: row["status"] for row in found if row.get("pxname") == "web" and row["svname"] != "BACKEND"
    }
    down = [f"{name} is {status}" for name, status in servers.items() if not status.startswith("UP")]
    return ", ".join(down) if servers else "its servers"
