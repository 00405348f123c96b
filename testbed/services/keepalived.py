"""keepalived on the machines of a VRRP group (RFC 5798): one instance for each subnet; keepalived.conf(5).

On balancers of layer 4 it also fills the kernel's table of servers (IPVS) with those that pass their health checks, and
has the master tell the others of its connections. On those of layer 7 a script asks whether HAProxy answers.

Its parser wants every keyword on a line of its own: of several on one line it takes the first and drops the others
without a word (seen with 2.2.7).
"""

from __future__ import annotations

import ipaddress
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from testbed.services import notify_program
from testbed.services.haproxy import ALIVE, ALIVE_PORT, real_servers
from testbed.services.service import Service
from testbed.spec import Balancer, Topology, Vrrp
from testbed.spec.balancer import ALIVE_S, ALIVE_WAITS_S
from testbed.spec.server import HEALTH
from testbed.spec.vrrp import BFD_ADVERT_MS

#: How long after its start-up delay keepalived is asked for its state, in seconds.
_LISTENED_S = 0.5
#: A line of the log about an instance; they are named by their interface.
_STATE = re.compile(r"^(?P<time>.*?): \((?P<instance>[\w.-]+)\) Entering (?P<state>MASTER|BACKUP|FAULT) STATE", re.M)
#: What it says when it starts; its instances are in no state then, whatever the log says of their last ones.
_STARTS = "Starting Keepalived"
#: A line of the log of notify_program: when, and what keepalived says of a server.
_SERVER = re.compile(r"^(?P<time>[\d.]+) RS \[(?P<address>[^\]]+)\]:tcp:\d+ \S+ (?P<state>UP|DOWN)$", re.M)


@dataclass(frozen=True)
class Part:
    """A VRRP group as a machine of it has it: ``sides`` are its interfaces, each with the virtual address and
    identifier there. ``best``: its priority is the highest. ``vrf``: that of the interfaces, which keepalived is not
    told: each instance is bound to its interface (keepalived.conf(5), vrf, is for unicast without one)."""

    sides: tuple[tuple[str, str, int], ...]
    priority: int
    best: bool
    group: Vrrp
    vrf: str = ""


@dataclass(frozen=True)
class Keepalived(Service):
    """The keepalived of a machine: ``parts`` are the VRRP groups that it is in.

    ``balancer`` is the group of balancers that the machine is in, with the ``servers`` that it balances to: name,
    address and port of each. ``watched`` are the other routers that it has a BFD session with: the name of each, its
    address and our own.
    """

    name: ClassVar[str] = "keepalived"
    program: ClassVar[str] = "keepalived"

    parts: tuple[Part, ...]
    balancer: Balancer | None = None
    servers: tuple[tuple[str, str, int], ...] = ()
    watched: tuple[tuple[str, str, str], ...] = ()

    @property
    def best(self) -> bool:
        """Whether it is the best router of its first group: with BFD, of the only one (testbed.spec.routing)."""
        return self.parts[0].best

    @property
    def group(self) -> Vrrp:
        """Its first group; what the daemon has once is the same in all (testbed.spec.routing)."""
        return self.parts[0].group

    @property
    def sides(self) -> tuple[tuple[str, str, int], ...]:
        """The sides of all its groups."""
        return tuple(side for part in self.parts for side in part.sides)

    @property
    def period_s(self) -> float:
        return max(part.group.advert_ms for part in self.parts) / 1e3

    @property
    def slow_s(self) -> float:
        """It listens first, and waits for three advertisements and the skew, which is less than a fourth; with BFD a
        session begins with four packets, which are a second or more apart."""
        watch_s = 4 * max(1.0, self.group.bfd_ms / 1e3) if self.watched else 0.0
        return _startup_delay_s(self) + 4 * self.group.advert_ms / 1e3 + watch_s

    def files(self, directory: Path) -> Mapping[str, str]:
        found = {"keepalived.conf": configuration(self, directory)}
        if self.balancer is not None and self.balancer.layer == 7:
            found["keepalived.script"] = _ASKS
        return found

    def settings(self) -> Mapping[str, str]:
        """Of IPVS (ipvs-sysctl.rst): a packet of a connection whose server was taken out is refused, not dropped; a
        connection from a port that was used before is a new one, though the end of the last one was seen by half."""
        return {"ipv4/vs/expire_nodest_conn": "1", "ipv4/vs/conn_reuse_mode": "3"} if self._four else {}

    @property
    def _four(self) -> bool:
        return self.balancer is not None and self.balancer.layer == 4

    def command(self, directory: Path) -> Sequence[str]:
        own = {"--use-file": "keepalived.conf", "--pid": "keepalived.pid", "--vrrp_pid": "keepalived_vrrp.pid"}
        own |= {"--checkers_pid": "keepalived_checkers.pid"} if self._four else {}
        own |= {"--bfd_pid": "keepalived_bfd.pid"} if self.watched else {}
        places = [f"{flag}={directory / name}" for flag, name in own.items()]
        # Without a word of it all parts run that have something to do.
        alone = [] if self._four or self.watched else ["--vrrp"]
        return [self.program, "--dont-fork", *alone, "--log-console", "--log-detail", "--no-syslog", *places]

    def missing(self, directory: Path) -> str:
        """By its log: every instance is master, of the router with the best priority, or backup; and it has listened
        for its start-up delay.

        Once started again the best one is a backup at first, and stays one unless it takes the address back.
        """
        pid, delay_s = directory / "keepalived.pid", _startup_delay_s(self)
        if delay_s and pid.exists() and time.time() < pid.stat().st_mtime + delay_s + _LISTENED_S:
            return f"the end of its start-up delay of {delay_s:g} s"
        log = directory / "keepalived.out"
        text = log.read_text(errors="replace") if log.exists() else ""
        *earlier, own = text.split(_STARTS)
        states = _states(own)
        return ", ".join(
            f"{interface} is {states.get(interface, 'not there')}"
            for part in self.parts
            for interface, _, _ in part.sides
            if states.get(interface)
            not in (("MASTER",) if part.best and len(earlier) < 2 else ("MASTER", "BACKUP", *self._stands_back))
        )

    @property
    def _stands_back(self) -> tuple[str, ...]:
        """The state of an instance while BFD hears a better router: keepalived calls it a fault."""
        return ("FAULT",) if self.watched and not self.best else ()

    def unsettled(self, log: str, now: float) -> str:
        """With BFD: a router that hears a better one stands back."""
        del now
        states = _states(log.split(_STARTS)[-1])
        waiting = [each for each, _, _ in self.sides if self._stands_back and states.get(each) != "FAULT"]
        return f"BFD hears no better router on {', '.join(waiting)}" if waiting else ""

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        """Of servers that its checks put in or take out."""
        names = {address: name for name, address, _ in self.servers}
        for found in _SERVER.finditer(log):
            yield {
                "time": float(found["time"]),
                "source": "balancer",
                "event": "server",
                "server": names.get(found["address"], found["address"]),
                "state": found["state"].lower(),
            }


def _states(log: str) -> dict[str, str]:
    """The last state of each instance by the log."""
    return {found["instance"]: found["state"] for found in _STATE.finditer(log)}


def of(topology: Topology) -> list[Keepalived]:
    """The keepalived of every machine that is in a VRRP group, the best first: without preemption no other gives it the
    address."""
    found = []
    for name in dict.fromkeys(name for group in topology.vrrp for name in group.ranked):
        balancer = next((each for each in topology.balancers if name in each.machines), None)
        servers = real_servers(topology, balancer) if balancer is not None else ()
        own = [group for group in topology.vrrp if name in group.routers]
        watched = tuple(_watched(topology, own[0], name)) if own[0].bfd_ms else ()
        parts = tuple(_part(topology, group, name) for group in own)
        found.append(Keepalived(name, parts, balancer, servers, watched))
    return found


def _part(topology: Topology, group: Vrrp, name: str) -> Part:
    priority = group.priorities[group.routers.index(name)]
    sides = _sides(topology, group, name)
    vrfs = {each.vrf for each in topology.attachments(name) if each.interface == sides[0][0]}
    return Part(sides, priority, priority == max(group.priorities), group, *vrfs)


def _watched(topology: Topology, group: Vrrp, name: str) -> Iterator[tuple[str, str, str]]:
    """Every other router, with the two addresses of the BFD session between them.

    One session is for all subnets: the better router's address is that in the first subnet, the other's in the last
    one. So packets of one direction cross one subnet and those of the other direction the other subnet, and the session
    ends when either router has lost either.
    """
    for other in group.routers:
        if other != name:
            first, last = group.addresses[0], group.addresses[-1]
            own, its = (last, first) if other in group.better(name) else (first, last)
            yield other, _own_address(topology, other, its), _own_address(topology, name, own)


def _own_address(topology: Topology, name: str, virtual: str) -> str:
    """The address of a router in the subnet of a virtual one."""
    subnet = str(ipaddress.ip_interface(virtual).network)
    return topology.attachment(name, subnet).ip


def _sides(topology: Topology, group: Vrrp, name: str) -> tuple[tuple[str, str, int], ...]:
    """Each interface of a router in a subnet of the group, with the virtual address and identifier there."""
    found = []
    for attachment in topology.attachments(name):
        for address, ip, identifier in zip(group.addresses, group.ips, group.identifiers, strict=True):
            if group.address_in(attachment.subnet) == ip:
                found.append((attachment.interface, address, identifier))
    return tuple(found)


#: The script that asks HAProxy whether it lives: bash(1) connects by itself, and waits no longer than it may.
_ASKS = f"""\
exec 3<>/dev/tcp/127.0.0.1/{ALIVE_PORT} || exit 1
printf 'GET {ALIVE} HTTP/1.0\\r\\n\\r\\n' >&3
read -r -t {ALIVE_WAITS_S} answer <&3 && [[ $answer == *" 200 "* ]]
"""


def configuration(service: Keepalived, directory: Path) -> str:
    """The text of keepalived.conf."""
    group, balancer = service.group, service.balancer
    lines = [
        *("global_defs {", f"  router_id {service.node}", "  vrrp_version 3"),
        # A master announces its addresses when it becomes master (RFC 5798, 6.4.1), and keepalived 5 s later again.
        f"  vrrp_garp_master_refresh {group.refresh_s}",
        *([f"  vrrp_startup_delay {delay_s:g}"] if (delay_s := _startup_delay_s(service)) else []),
        *(_globals(service, balancer, directory) if balancer is not None else ()),
        "}",
    ]
    if balancer is not None and balancer.layer == 7:
        lines += [
            *("vrrp_script alive {", f'  script "/bin/bash {directory}/keepalived.script"', f"  interval {ALIVE_S}"),
            *(f"  timeout {ALIVE_S}", "  fall 1", "  rise 1", "}"),
        ]
    for name, address, own in service.watched:
        lines += [
            *(f"bfd_instance {name} {{", f"  neighbor_ip {address}", f"  source_ip {own}"),
            *(f"  min_rx {group.bfd_ms}", f"  min_tx {group.bfd_ms}", f"  multiplier {group.bfd_mult}"),
            # RFC 5881, 5: 255, so that who is not on the link cannot send them.
            *("  hoplimit 255" if ":" in address else "  ttl 255", "}"),
        ]
    for part in service.parts:
        lines += _instances(service, part)
    if balancer is not None and balancer.layer == 4:
        lines += _virtual_server(balancer, service.servers)
    return "\n".join(lines) + "\n"


def _instances(service: Keepalived, part: Part) -> list[str]:
    """The instances of a group, one for each subnet."""
    group, lines = part.group, list[str]()
    advert_ms = group.advert_ms if part.best or not group.bfd_ms else BFD_ADVERT_MS
    for interface, address, identifier in part.sides:
        lines += [
            f"vrrp_instance {interface} {{",
            *("  state BACKUP", f"  interface {interface}", f"  virtual_router_id {identifier}"),
            *(f"  priority {part.priority}", f"  advert_int {advert_ms / 1e3:g}"),
        ]
        if not group.preempt:
            lines.append("  nopreempt")
        if group.preempt_delay_s:
            lines.append(f"  preempt_delay {group.preempt_delay_s:g}")
        lines += ["  virtual_ipaddress {", f"    {address} dev {interface}", "  }"]
        if group.follow == "track":
            lines += ["  track_interface {", *(f"    {each}" for each, _, _ in part.sides), "  }"]
        if service.balancer is not None and service.balancer.layer == 7:
            lines += ["  track_script {", "    alive", "  }"]
        if group.bfd_ms and not part.best:
            # Reversed: it is out of service while a session with a better router is up.
            better = (f"    {name} weight 0 reverse" for name in group.better(service.node))
            lines += ["  track_bfd {", *better, "  }"]
        lines.append("}")
    if group.follow == "group":
        name = part.vrf or "all"
        lines += [f"vrrp_sync_group {name} {{", "  group {", *(f"    {each}" for each, _, _ in part.sides), "  }", "}"]
    return lines


def _startup_delay_s(service: Keepalived) -> float:
    """For how long it listens when it starts. With BFD all but the best router do: until a session is up it takes one
    of their packets, then one of the other's, and before that they are a second or more apart (RFC 5880, 6.8.3)."""
    if service.watched and not service.best:
        return 2 * max(1.0, service.group.bfd_ms / 1e3)
    return service.group.startup_delay_s


def _globals(service: Keepalived, balancer: Balancer, directory: Path) -> list[str]:
    """What keepalived does for balancers beside VRRP."""
    if balancer.layer == 7:
        return ["  script_user root"]
    command = " ".join([sys.executable, "-I", str(Path(notify_program.__file__)), str(directory / "keepalived.log")])
    found = [
        *("  script_user root", "  lvs_flush"),
        *(f"  lvs_notify_fifo {directory}/keepalived.fifo", f'  lvs_notify_fifo_script "{command}"'),
    ]
    if balancer.sync:
        # The daemons of a group know each other by an identifier, and others in the subnet from them: VRRP's will do.
        front, identifier = next((i, own) for i, at, own in service.sides if at.startswith(f"{balancer.address}/"))
        found.append(f"  lvs_sync_daemon {front} {front} id {identifier}")
    return found


def _virtual_server(balancer: Balancer, servers: Sequence[tuple[str, str, int]]) -> list[str]:
    """The service, and each server with its check: the first failure is followed by others before it counts."""
    lines = [
        f"virtual_server {balancer.address} {balancer.port} {{",
        *(f"  delay_loop {balancer.check_ms / 1e3:g}", f"  lb_algo {balancer.scheduler}"),
        *(f"  lb_kind {balancer.kind.upper()}", "  protocol TCP"),
    ]
    for _, address, port in servers:
        lines += [
            *(f"  real_server {address} {port} {{", "    weight 1", "    HTTP_GET {"),
            *("      url {", f"        path {HEALTH}", "        status_code 200", "      }"),
            *(f"      connect_timeout {balancer.timeout_ms / 1e3:g}", f"      retry {balancer.fall - 1}"),
            *(f"      delay_before_retry {balancer.check_ms / 1e3:g}", "    }", "  }"),
        ]
    return [*lines, "}"]
