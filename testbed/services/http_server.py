"""The web servers of a network: a small program of ours on each (testbed.services.http_program).

Behind a balancer of layer 4 that routes directly, a server has the service's address on its loopback interface, and
neither answers ARP for it nor asks from it: that is for the balancer (networking/ip-sysctl.rst, arp_ignore and
arp_announce).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from testbed.services import http_program
from testbed.services.service import Service
from testbed.spec import Topology


@dataclass(frozen=True)
class HttpServer(Service):
    """The web server of a host; ``addresses`` are those of services that it has on its loopback interface."""

    name: ClassVar[str] = "http"
    program: ClassVar[str] = "ip"

    port: int
    addresses: tuple[str, ...]

    @property
    def period_s(self) -> float:
        return 0.0

    def files(self, directory: Path) -> Mapping[str, str]:
        lines = "".join(f"address add {each}/32 dev lo\n" for each in self.addresses)
        return {"http.addresses": lines} if lines else {}

    def settings(self) -> Mapping[str, str]:
        if not self.addresses:
            return {}
        return {f"ipv4/conf/all/{name}": value for name, value in (("arp_ignore", "1"), ("arp_announce", "2"))}

    def once(self, directory: Path) -> Sequence[str]:
        return [self.program, "-batch", str(directory / "http.addresses")] if self.addresses else ()

    def command(self, directory: Path) -> Sequence[str]:
        place = str(Path(http_program.__file__))
        return [sys.executable, "-I", place, self.node, str(self.port), str(directory / "http.ctl")]

    def missing(self, directory: Path) -> str:
        return "" if (directory / "http.ctl").exists() else "it does not listen yet"


def of(topology: Topology) -> list[HttpServer]:
    """The web server of every host that has one."""
    routed = [group for group in topology.balancers if group.kind == "dr"]
    return [
        HttpServer(each.host, each.port, tuple(group.address for group in routed if each.host in group.servers))
        for each in topology.servers
    ]
