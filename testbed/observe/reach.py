"""Which hosts reach each other now: a few datagrams between them, on several ports, so that all members are used."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence

from testbed.observe.hosts import Hosts

#: Flow n goes from this port + 2n to this port: layer3+4 puts n flows on n members, as it drops the lowest bit of the
#: two ports' difference (bonding.rst, "xmit_hash_policy").
_FIRST_PORT = 4096
Pair = tuple[str, str]


class Reach:
    """Open sockets at every host. Each of them is a flow to every other host."""

    def __init__(self, network: Hosts, hosts: Sequence[str], flows: int, stack: contextlib.ExitStack) -> None:
        self._ip = {host.name: host.ip for host in network.topology.hosts}
        self._sockets: dict[str, list[socket.socket]] = {}
        for host in hosts:
            own = self._sockets[host] = []
            for number in range(flows):
                sock = stack.enter_context(network.socket(host))
                sock.bind(("", _FIRST_PORT + 2 * number))
                sock.setblocking(False)
                own.append(sock)

    def lost(self, pairs: Sequence[Pair], *, wait_s: float = 0.1) -> dict[Pair, int]:
        """Send a datagram on every flow, both ways between these hosts; the number not received after ``wait_s``."""
        directed = [way for a, b in pairs for way in ((a, b), (b, a))]
        self._drain()
        for a, b in directed:
            for number, sock in enumerate(self._sockets[a]):
                with contextlib.suppress(OSError):  # what the host cannot send is lost
                    sock.sendto(f"{a} {number}".encode(), (self._ip[b], _FIRST_PORT))
        time.sleep(wait_s)
        arrived = self._drain()
        return {
            (a, b): sum((a, b, n) not in arrived for n in range(len(self._sockets[a])))
            + sum((b, a, n) not in arrived for n in range(len(self._sockets[b])))
            for a, b in pairs
        }

    def _drain(self) -> set[tuple[str, str, int]]:
        """The datagrams received since the last call: sender, receiver, flow."""
        arrived = set()
        for host, sockets in self._sockets.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    sender, number = sockets[0].recv(64).decode().split()
                    arrived.add((sender, host, int(number)))
        return arrived


@contextlib.contextmanager
def reaching(network: Hosts, hosts: Sequence[str], flows: int) -> Iterator[Reach]:
    """Sockets for ``flows`` flows between any two of these hosts, open while the block runs."""
    with contextlib.ExitStack() as stack:
        yield Reach(network, hosts, flows, stack)
