"""What crosses interfaces: sockets that see every frame, each with its direction and its time (packet(7))."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from testbed.emulation.namespace import inside

_ETH_P_ALL = 3  # linux/if_ether.h
_PACKET_OUTGOING = 4  # linux/if_packet.h
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_ROOM_BYTES = 4 << 20


class Seen(NamedTuple):
    """A frame at an interface; ``at_s`` is the time of day."""

    interface: str
    outgoing: bool
    at_s: float
    frame: bytes


class Taps:
    """Open sockets by the interface that each is on."""

    def __init__(self, sockets: Mapping[str, socket.socket]) -> None:
        self._sockets = sockets

    def drain(self) -> list[Seen]:
        """All frames since the last call, in order."""
        found = [seen for interface, sock in self._sockets.items() for seen in _drained(interface, sock)]
        return sorted(found, key=lambda seen: seen.at_s)


@contextlib.contextmanager
def open_taps(interfaces: Mapping[str, int]) -> Iterator[Taps]:
    """Taps on interfaces while the block runs; each is given with a process in its network namespace."""
    with contextlib.ExitStack() as stack:
        sockets = {}
        for interface, pid in interfaces.items():
            with inside(pid):
                sock = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
            sock.bind((interface, _ETH_P_ALL))
            sock.setblocking(False)
            sockets[interface] = sock
        yield Taps(sockets)


def _drained(interface: str, sock: socket.socket) -> Iterator[Seen]:
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, ((_, _, stamp),), _, address = sock.recvmsg(2048, 64)
            seconds, nanoseconds = struct.unpack("qq", stamp[:16])
            yield Seen(interface, address[2] == _PACKET_OUTGOING, seconds + nanoseconds * 1e-9, frame)
