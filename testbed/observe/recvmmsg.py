"""Receiving many packets with one system call (recvmmsg(2)): in a guest, system calls are the cost of packets."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from collections.abc import Iterator

#: asm-generic/socket.h; Python has no name for it. With this option the kernel gives the time at which it received each
#: packet.
SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
#: The place of sll_pkttype in struct sockaddr_ll, the address of a packet socket (packet(7)).
PACKET_TYPE = 10

_COUNT = 128
_NAME, _OCTETS, _CONTROL = 32, 128, 64
_TIME = struct.Struct("@16xqq")  # behind the header of the control message (cmsg(3)): struct timespec
_libc = ctypes.CDLL(None, use_errno=True)


def timestamped(sock: socket.socket, room: int = 0) -> None:
    """Let the kernel note when each packet came; ``room`` octets for the queue (0: as it is), if that is allowed."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    if room:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


class Batches:
    """Buffers for the batches of any socket that is `timestamped`."""

    def __init__(self) -> None:
        self._names = ctypes.create_string_buffer(_COUNT * _NAME)
        self._octets = ctypes.create_string_buffer(_COUNT * _OCTETS)
        self._control = ctypes.create_string_buffer(_COUNT * _CONTROL)
        names, octets, control = (ctypes.addressof(each) for each in (self._names, self._octets, self._control))
        self._vectors = (_Vector * _COUNT)(*(_Vector(octets + place * _OCTETS, _OCTETS) for place in range(_COUNT)))
        vectors, step = ctypes.addressof(self._vectors), ctypes.sizeof(_Vector)
        self._messages = (_Message * _COUNT)()
        for place, message in enumerate(self._messages):
            message.header = _Header(
                names + place * _NAME, _NAME, vectors + place * step, 1, control + place * _CONTROL, _CONTROL, 0
            )
        self._fresh = bytes(self._messages)

    def drain(self, sock: socket.socket) -> Iterator[tuple[float, bytes, bytes]]:
        """All packets in the socket's queue: time of day in seconds, raw address of the sender, up to 128 octets."""
        while True:
            ctypes.memmove(self._messages, self._fresh, len(self._fresh))
            found = _libc.recvmmsg(sock.fileno(), self._messages, _COUNT, socket.MSG_DONTWAIT, None)
            if found <= 0:  # nothing is left, or the interface is gone
                return
            names, octets, control = self._names.raw, self._octets.raw, self._control.raw
            for place in range(found):
                seconds, nanoseconds = _TIME.unpack_from(control, place * _CONTROL)
                begin = place * _OCTETS
                yield (
                    seconds + nanoseconds * 1e-9,
                    names[place * _NAME : (place + 1) * _NAME],
                    octets[begin : begin + self._messages[place].length],
                )
            if found < _COUNT:
                return
