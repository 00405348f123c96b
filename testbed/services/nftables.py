"""The rules of stateful firewalls: nft(8), loaded into the router's kernel when it boots.

inside                forward                              postrouting
a new connection ---> accept: its first segment (SYN) ---> source: the outside virtual address
known ones, back <--- accept: established, related
anything else         dropped
outside, a published service: a new connection ---> prerouting, destination: the service's own address ---> accept
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from testbed.services.service import Service
from testbed.spec import Firewall, Topology

_SYN = "tcp flags & (fin | syn | rst | ack) == syn "


@dataclass(frozen=True)
class Rules(Service):
    """The rules of a firewall: ``inside`` and ``outside`` are its interfaces, ``translated`` the address of NAT."""

    name: ClassVar[str] = "nftables"
    program: ClassVar[str] = "nft"

    inside: str
    outside: str
    translated: str
    group: Firewall

    @property
    def period_s(self) -> float:
        return 0.0

    def files(self, directory: Path) -> Mapping[str, str]:
        return {"rules.nft": rules(self)}

    def settings(self) -> Mapping[str, str]:
        return {"netfilter/nf_conntrack_tcp_loose": str(int(self.group.loose))}

    def once(self, directory: Path) -> Sequence[str]:
        return [self.program, "-f", str(directory / "rules.nft")]

    def command(self, directory: Path) -> Sequence[str]:
        return ()

    def missing(self, directory: Path) -> str:
        return ""


def of(topology: Topology) -> list[Rules]:
    """The rules of every firewall."""
    found = []
    for group in topology.firewalls:
        virtual = next((v.address_in(group.outside) for v in topology.vrrp if set(v.routers) == set(group.routers)), "")
        for name in group.routers:
            by_subnet = {each.subnet: each.interface for each in topology.attachments(name)}
            found.append(Rules(name, by_subnet[group.inside], by_subnet[group.outside], virtual, group))
    return found


def rules(service: Rules) -> str:
    """The text of rules.nft. Only the first segment begins a connection, unless the middle of one may."""
    first = "" if service.group.loose else _SYN
    lines = [
        "table inet firewall {",
        *("  chain forward {", "    type filter hook forward priority 0; policy drop;"),
        *("    ct state established,related accept", "    ct state invalid counter drop"),
        f'    iifname "{service.inside}" meta l4proto tcp {first}ct state new accept',
        f'    iifname "{service.inside}" meta l4proto {{ udp, icmp }} ct state new accept',
        *(
            f'    iifname "{service.outside}" ip daddr {each.target} tcp dport {each.port} {first}ct state new accept'
            for each in service.group.publishes
        ),
        *("    counter", "  }"),
    ]
    moved = [each for each in service.group.publishes if each.translated]
    if moved:
        lines += ["  chain arrive {", "    type nat hook prerouting priority -100;"]
        lines += [f"    ip daddr {each.address} tcp dport {each.port} dnat ip to {each.target}" for each in moved]
        lines.append("  }")
    if service.group.nat:
        lines += [
            *("  chain leave {", "    type nat hook postrouting priority 100;"),
            f'    oifname "{service.outside}" ip saddr {service.group.inside} snat ip to {service.translated}',
            "  }",
        ]
    return "\n".join([*lines, "}"]) + "\n"
