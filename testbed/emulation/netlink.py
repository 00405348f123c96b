"""Netlink sockets inside the network namespace of a node, for the packages above: they need no pyroute2 themselves."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from pyroute2 import DiagSocket
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTSocket
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from testbed.emulation.namespace import inside

_RTMGRP_LINK = 1  # linux/rtnetlink.h
_RTM_NEWLINK = 16
_HEADER_BYTES = 16
_QUEUE_BYTES = 1 << 20


def monitor_socket(pid: int) -> socket.socket:
    """A socket that receives a message for each change of an interface in the namespace of process ``pid``."""
    with inside(pid):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _QUEUE_BYTES)
    sock.bind((0, _RTMGRP_LINK))
    return sock


def link_messages(datagram: bytes) -> Iterator[Any]:
    """The RTM_NEWLINK messages in a datagram that a `monitor_socket` received (rtnetlink(7)), decoded by pyroute2."""
    offset = 0
    while offset + _HEADER_BYTES <= len(datagram):
        length = int.from_bytes(datagram[offset : offset + 4], "little")
        kind = int.from_bytes(datagram[offset + 4 : offset + 6], "little")
        if length < _HEADER_BYTES:
            return
        if kind == _RTM_NEWLINK:
            message = ifinfmsg(datagram[offset : offset + length])
            message.decode()
            yield message
        offset += (length + 3) & ~3


def forget_connections(pid: int) -> None:
    """Empty the table of connections in the namespace of process ``pid`` (IPCTNL_MSG_CT_DELETE without a tuple)."""
    with inside(pid), NFCTSocket() as sock:
        sock.flush()


@contextlib.contextmanager
def diag_socket(pid: int) -> Iterator[Any]:
    """pyroute2's socket of sock_diag(7) in the namespace of process ``pid``, for this thread, while the block runs.

    The thread stays in the namespace: pyroute2 opens another socket for each thread that asks, where that thread is.
    """
    with inside(pid), DiagSocket() as sock:
        yield sock
