"""The health check of a site: beside a server's BGP speaker, which announces the service's address while it passes.

The check is a program of ours (testbed.services.site_check_program), which asks the server for its health as a balancer
does, and tells BIRD by its control socket. It is due every interval by a fixed grid, whatever the one before took.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from testbed.services import site_check_program
from testbed.services.service import Service
from testbed.spec import Sites, Topology

#: A line of its log: the seconds since the epoch, and what BIRD has been told.
_TOLD = re.compile(r"^([\d.]+) (withdrawn|announced)$", re.MULTILINE)


@dataclass(frozen=True)
class SiteCheck(Service):
    """The check of the server on a machine, at one of its own addresses and a port."""

    name: ClassVar[str] = "site_check"
    program: ClassVar[str] = "bird"

    address: str
    port: int
    group: Sites

    @property
    def period_s(self) -> float:
        return self.group.check_ms / 1e3

    @property
    def slow_s(self) -> float:
        """A server that did not listen yet is announced after so many checks."""
        return self.group.rise * (self.group.check_ms + self.group.timeout_ms) / 1e3

    def files(self, directory: Path) -> Mapping[str, str]:
        return {}

    def command(self, directory: Path) -> Sequence[str]:
        group = self.group
        numbers = (self.port, group.check_ms, group.timeout_ms, group.fall, group.rise)
        words = (self.address, *(str(each) for each in numbers), str(directory))
        return [sys.executable, "-m", site_check_program.__name__, *words]

    def missing(self, directory: Path) -> str:
        return "" if (directory / site_check_program.READY).exists() else "it has not begun"

    def unsettled(self, log: str, now: float) -> str:
        del now
        told = _TOLD.findall(log)
        return "it has withdrawn the service's address" if told and told[-1][1] == "withdrawn" else ""

    def events(self, log: str) -> Iterator[dict[str, Any]]:
        for at, said in _TOLD.findall(log):
            yield {"time": float(at), "source": "site", "event": said}


def of(topology: Topology) -> list[SiteCheck]:
    """The check of every server whose sites share an anycast address."""
    ports = {each.host: each.port for each in topology.servers}
    return [
        SiteCheck(name, topology.attachments(name)[0].ip, ports[name], group)
        for group in topology.sites
        if group.by == "anycast" and not group.by_hand
        for name in group.servers
    ]
