"""rtnetlink(7) as octets: queues, filters, addresses and routes that the kernel reported can be made again.

A message from a dump is sent back as it came, attribute by attribute. So nothing is lost in a library that knows fewer
attributes than the kernel.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

from testbed.emulation.network import Network

_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400  # linux/netlink.h: NLM_F_...
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_LONGEST = 1 << 18


class Rtnetlink:
    """A socket to the kernel's rtnetlink in one network namespace. Payloads are what follows the message's header."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sequence = 0

    def dump(self, kind: int, payload: bytes) -> list[bytes]:
        """The payloads of all answers to a request for a table. Errors: OSError with what the kernel reports."""
        self._send(kind, _DUMP, payload)
        return [answer for number, answer in self._answers() if number not in (_ERROR, _DONE)]

    def change(self, kind: int, flags: int, payload: bytes) -> None:
        """Request a change. Errors: OSError with what the kernel reports."""
        self._send(kind, _ACK | flags, payload)
        for _ in self._answers():
            pass

    def _send(self, kind: int, flags: int, payload: bytes) -> None:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(payload), kind, _REQUEST | flags, self._sequence, 0)
        self._sock.send(header + payload)

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Every answer up to the one that ends it: an error, an acknowledgement, or the end of a dump."""
        while True:
            datagram, offset = self._sock.recv(_LONGEST), 0
            while offset < len(datagram):
                length, kind, _, sequence, _ = _HEADER.unpack_from(datagram, offset)
                answer = datagram[offset + _HEADER.size : offset + length]
                offset += (length + 3) & ~3
                if sequence != self._sequence:
                    continue
                if kind in (_ERROR, _DONE):
                    (number,) = struct.unpack_from("=i", answer)
                    if number:
                        raise OSError(-number, os.strerror(-number))
                    return
                yield kind, answer


@contextlib.contextmanager
def opened(network: Network, node: str) -> Iterator[Rtnetlink]:
    """A socket in the network namespace of ``node``."""
    with network.socket(node, socket.AF_NETLINK, socket.SOCK_RAW) as sock:
        sock.bind((0, 0))
        yield Rtnetlink(sock)


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded (struct nlattr)."""
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def attributes(payload: bytes, offset: int) -> dict[int, bytes]:
    """The attributes of a payload from ``offset`` on, by their kind."""
    found = {}
    while offset + 4 <= len(payload):
        length, kind = struct.unpack_from("=HH", payload, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = payload[offset + 4 : offset + length]  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
        offset += (length + 3) & ~3
    return found
