"""A balancer of Linux Virtual Server on a host: a service address whose packets go to one of several servers.

    h1: socket ---> 10.0.0.9:5201 --IPVS, scheduler mh--> 10.0.0.5:5201   a packet's address is rewritten (NAT)
                                                          10.0.0.6:5201

One-packet scheduling: every packet is placed by the table alone, as by a balancer that has never seen the flow.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pyroute2 import IPVS, IPVSDest, IPVSService
from pyroute2.netlink.exceptions import NetlinkError

from testbed.emulation.namespace import inside
from testbed.errors import TrialError

if TYPE_CHECKING:
    from testbed.emulation.network import Network

#: linux/ip_vs.h: one-packet scheduling; and of the scheduler mh: hash the port as well.
_ONE_PACKET, _WITH_PORT = 0x0004, 0x0010
_MASQUERADED = 0  # IP_VS_CONN_F_MASQ: the address is rewritten


class Balancer:
    """The live service; ``servers`` are addresses that take the service's port."""

    def __init__(self, netlink: IPVS, address: str, port: int, servers: Sequence[str]) -> None:
        self._netlink, self._port, self.servers = netlink, port, tuple(servers)
        flags = {"flags": _ONE_PACKET | _WITH_PORT, "mask": 0xFFFF_FFFF}
        self._service = IPVSService(
            addr=address, port=port, protocol=socket.IPPROTO_UDP, sched_name="mh", flags=flags, timeout=0
        )
        self._tell("service", "add", service=self._service)
        for server in self.servers:
            self.add(server)

    def add(self, server: str) -> None:
        """The service has a server more, before all others in its list."""
        self._tell("dest", "add", service=self._service, dest=self._dest(server))

    def remove(self, server: str) -> None:
        """The service has that server no more, as when a check of its health fails."""
        self._tell("dest", "del", service=self._service, dest=self._dest(server))

    def _dest(self, server: str) -> IPVSDest:
        return IPVSDest(addr=server, port=self._port, weight=1, fwd_method=_MASQUERADED)

    def _tell(self, what: str, command: str, **words: object) -> None:
        try:
            getattr(self._netlink, what)(command, **words)
        except NetlinkError as error:
            raise TrialError(f"IPVS refuses to {command} a {what} of the service: {error.args[-1]}") from None


@contextlib.contextmanager
def balanced(network: Network, host: str, address: str, port: int, servers: Sequence[str]) -> Iterator[Balancer]:
    """A balancer on ``host`` for what the host itself sends to ``address`` and ``port``, by Maglev hashing."""
    with inside(network.pid(host)):
        netlink = IPVS()
    try:
        yield Balancer(netlink, address, port, servers)
    finally:
        netlink.close()
