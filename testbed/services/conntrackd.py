"""conntrackd on firewalls: each tells the others of every change of a connection (conntrackd.conf(5), mode FTFW).

What it hears goes into its own kernel's table at once (DisableExternalCache), so nothing has to be done when it becomes
master.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from testbed.services.service import Service
from testbed.spec import Firewall, Topology

_PORT = 3780
#: How many connections there may be, and places to find them by.
_MOST, _PLACES = 131_072, 32_768


@dataclass(frozen=True)
class Conntrackd(Service):
    """The conntrackd of a firewall: ``interface`` and ``own`` address are where it reaches the ``other`` one.

    ``ignored`` are the addresses of the firewall itself: what it says to others is no matter of theirs.
    """

    name: ClassVar[str] = "conntrackd"
    program: ClassVar[str] = "conntrackd"

    interface: str
    own: str
    other: str
    ignored: tuple[str, ...]

    @property
    def period_s(self) -> float:
        return 1.0

    def files(self, directory: Path) -> Mapping[str, str]:
        return {"conntrackd.conf": configuration(self, directory)}

    def command(self, directory: Path) -> Sequence[str]:
        return [self.program, "-C", str(directory / "conntrackd.conf")]

    def missing(self, directory: Path) -> str:
        """It answers at its control socket."""
        if not (directory / "conntrackd.ctl").exists():
            return "its control socket"
        asked = [self.program, "-C", str(directory / "conntrackd.conf"), "-s"]
        done = subprocess.run(asked, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return "" if done.returncode == 0 else "an answer at its control socket"


def of(topology: Topology) -> list[Conntrackd]:
    """The conntrackd of every firewall that shares what it knows."""
    found = []
    for group in topology.firewalls:
        for name, other in zip(group.routers, group.routers[::-1], strict=True):
            if group.sync != "none":
                found.append(_of(topology, name, other, group))
    return found


def _of(topology: Topology, name: str, other: str, group: Firewall) -> Conntrackd:
    own = topology.attachments(name)
    here, there = (topology.attachment(one, group.apart) for one in (name, other))
    return Conntrackd(name, here.interface, here.ip, there.ip, tuple(each.ip for each in own))


def configuration(service: Conntrackd, directory: Path) -> str:
    """The text of conntrackd.conf."""
    ignored = "\n".join(f"      IPv4_address {each}" for each in ("127.0.0.1", *service.ignored))
    return f"""\
Sync {{
  Mode FTFW {{
    DisableExternalCache On
  }}
  UDP {{
    IPv4_address {service.own}
    IPv4_Destination_Address {service.other}
    Port {_PORT}
    Interface {service.interface}
    Checksum on
  }}
}}
General {{
  HashSize {_PLACES}
  HashLimit {_MOST}
  LogFile {directory}/conntrackd.log
  LockFile {directory}/conntrackd.lock
  UNIX {{
    Path {directory}/conntrackd.ctl
  }}
  Filter From Userspace {{
    Protocol Accept {{
      TCP
      UDP
    }}
    Address Ignore {{
{ignored}
    }}
  }}
}}
"""
