"""keepalived on the routers of a VRRP group (RFC 5798): one instance for each subnet; keepalived.conf(5).

Its parser wants every keyword on a line of its own: of several on one line it takes the first and drops the others
without a word (seen with 2.2.7).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from testbed.services.service import Service
from testbed.spec import Topology, Vrrp

#: A line of the log about an instance; they are named by their interface.
_STATE = re.compile(r"^(?P<time>.*?): \((?P<instance>[\w.-]+)\) Entering (?P<state>MASTER|BACKUP|FAULT) STATE", re.M)


@dataclass(frozen=True)
class Keepalived(Service):
    """The keepalived of a router: ``sides`` are its interfaces, each with the virtual address and identifier there."""

    name: ClassVar[str] = "keepalived"
    program: ClassVar[str] = "keepalived"

    sides: tuple[tuple[str, str, int], ...]
    priority: int
    best: bool
    group: Vrrp

    @property
    def period_s(self) -> float:
        return self.group.advert_ms / 1e3

    def files(self, directory: Path) -> Mapping[str, str]:
        return {"keepalived.conf": configuration(self)}

    def command(self, directory: Path) -> Sequence[str]:
        own = {"--use-file": "keepalived.conf", "--pid": "keepalived.pid", "--vrrp_pid": "vrrp.pid"}
        places = [f"{flag}={directory / name}" for flag, name in own.items()]
        return [self.program, "--dont-fork", "--vrrp", "--log-console", "--log-detail", "--no-syslog", *places]

    def missing(self, directory: Path) -> str:
        """By its log: every instance is master, of the router with the best priority, or backup."""
        log = directory / "keepalived.out"
        states = _states(log.read_text(errors="replace") if log.exists() else "")
        wanted = ("MASTER",) if self.best else ("MASTER", "BACKUP")
        return ", ".join(
            f"{interface} is {states.get(interface, 'not there')}"
            for interface, _, _ in self.sides
            if states.get(interface) not in wanted
        )


def _states(log: str) -> dict[str, str]:
    """The last state of each instance by the log."""
    return {found["instance"]: found["state"] for found in _STATE.finditer(log)}


def of(topology: Topology) -> list[Keepalived]:
    """The keepalived of every router that is in a VRRP group."""
    return [
        Keepalived(name, _sides(topology, group, name), priority, priority == max(group.priorities), group)
        for group in topology.vrrp
        for name, priority in zip(group.routers, group.priorities, strict=True)
    ]


def _sides(topology: Topology, group: Vrrp, name: str) -> tuple[tuple[str, str, int], ...]:
    """Each interface of a router in a subnet of the group, with the virtual address and identifier there."""
    found = []
    for attachment in topology.attachments(name):
        for address, ip, identifier in zip(group.addresses, group.ips, group.identifiers, strict=True):
            if group.address_in(attachment.subnet) == ip:
                found.append((attachment.interface, address, identifier))
    return tuple(found)


def configuration(service: Keepalived) -> str:
    """The text of keepalived.conf."""
    group = service.group
    lines = [
        *("global_defs {", f"  router_id {service.node}", "  vrrp_version 3"),
        # A master announces its addresses when it becomes master (RFC 5798, 6.4.1), and keepalived 5 s later again; not
        # every minute, as it would by default.
        *("  vrrp_garp_master_refresh 0", "}"),
    ]
    for interface, address, identifier in service.sides:
        lines += [
            f"vrrp_instance {interface} {{",
            *("  state BACKUP", f"  interface {interface}", f"  virtual_router_id {identifier}"),
            *(f"  priority {service.priority}", f"  advert_int {group.advert_ms / 1e3:g}"),
        ]
        if not group.preempt:
            lines.append("  nopreempt")
        if group.preempt_delay_s:
            lines.append(f"  preempt_delay {group.preempt_delay_s:g}")
        lines += ["  virtual_ipaddress {", f"    {address} dev {interface}", "  }"]
        if group.follow == "track":
            lines += ["  track_interface {", *(f"    {each}" for each, _, _ in service.sides), "  }"]
        lines.append("}")
    if group.follow == "group":
        lines += ["vrrp_sync_group all {", "  group {", *(f"    {each}" for each, _, _ in service.sides), "  }", "}"]
    return "\n".join(lines) + "\n"
