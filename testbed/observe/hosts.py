"""What probes need of a network."""

from __future__ import annotations

import socket as sockets
from typing import Protocol

from testbed.spec import Topology

#: Where kernels take ports for senders that name none (net.ipv4.ip_local_port_range), but for the last ones.
EPHEMERAL_PORTS = range(32_768, 61_000)


class Hosts(Protocol):
    """Hosts at which sockets can be opened: a `Network`, or the `Lab` that has one."""

    @property
    def topology(self) -> Topology:
        """The specification of the network."""

    def socket(self, host: str, /, family: int | None = None) -> sockets.socket:
        """A UDP socket at a host; unless a family is given, of the family of the host's address."""
