"""Who reaches whom, now: a handful of datagrams between hosts, by several ports, so that every member has its turn."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: Flow n goes from this port + 2n to this port: layer3+4 puts n flows on n members, as it drops the lowest bit of the
#: two ports' difference (bonding.rst, "xmit_hash_policy").
_FIRST_PORT = 4096
Pair = tuple[str, str]


class Reach:
    """Sockets at every host, kept open; each is a flow of its own to every other host."""

    def __init__(self, lab: Lab, hosts: Sequence[str], flows: int, stack: contextlib.ExitStack) -> None:
        self._ip = {host.name: host.ip for host in lab.topology.hosts}
        self._sockets: dict[str, list[socket.socket]] = {}
        for host in hosts:
            own = self._sockets[host] = []
            for number in range(flows):
                sock = stack.enter_context(lab.network.socket(host))
                sock.bind(("", _FIRST_PORT + 2 * number))
                sock.setblocking(False)
                own.append(sock)

    def lost(self, pairs: Sequence[Pair], *, wait_s: float = 0.1) -> dict[Pair, int]:
        """Send a datagram by every flow both ways between these hosts; how many have not arrived ``wait_s`` later."""
        directed = [way for a, b in pairs for way in ((a, b), (b, a))]
        self._drain()
        for a, b in directed:
            for number, sock in enumerate(self._sockets[a]):
                with contextlib.suppress(OSError):  # what the host itself cannot send is lost
                    sock.sendto(f"{a} {number}".encode(), (self._ip[b], _FIRST_PORT))
        time.sleep(wait_s)
        arrived = self._drain()
        return {
            (a, b): sum((a, b, n) not in arrived for n in range(len(self._sockets[a])))
            + sum((b, a, n) not in arrived for n in range(len(self._sockets[b])))
            for a, b in pairs
        }

    def _drain(self) -> set[tuple[str, str, int]]:
        """What has arrived since this was last asked: sender, receiver, flow."""
        arrived = set()
        for host, sockets in self._sockets.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    sender, number = sockets[0].recv(64).decode().split()
                    arrived.add((sender, host, int(number)))
        return arrived


@contextlib.contextmanager
def reaching(lab: Lab, hosts: Sequence[str], flows: int) -> Iterator[Reach]:
    """Sockets for ``flows`` flows between any two of these hosts, open while the block runs."""
    with contextlib.ExitStack() as stack:
        yield Reach(lab, hosts, flows, stack)
