"""What the kernel said of the hosts' interfaces, and when: netlink messages, kept for the timeline."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from testbed.emulation.namespace import inside
from testbed.emulation.network import Network

_RTMGRP_LINK = 1  # linux/rtnetlink.h
_RTM_NEWLINK = 16
_HEADER = 16


class LinkWatch:
    """Collects every RTM_NEWLINK message of every bonded host, with the time of its arrival."""

    def __init__(self, network: Network) -> None:
        self._seen: list[tuple[float, str, bytes]] = []
        self._sockets: dict[int, tuple[str, socket.socket]] = {}
        self._wake, self._stop = os.pipe()
        for host in network.topology.hosts:
            if host.bond is None:
                continue
            with inside(network.pid(host.name)):
                sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.bind((0, _RTMGRP_LINK))
            self._sockets[sock.fileno()] = (host.name, sock)
        self._thread = threading.Thread(target=self._collect, name="link-watch", daemon=True)

    def _collect(self) -> None:
        poller = select.poll()
        for descriptor in (*self._sockets, self._wake):
            poller.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poller.poll():
                if descriptor == self._wake:
                    return
                host, sock = self._sockets[descriptor]
                with contextlib.suppress(OSError):  # ENOBUFS: messages were lost; the next ones still come
                    self._seen.append((time.time(), host, sock.recv(1 << 16)))

    def events(self, origin_s: float) -> list[dict[str, Any]]:
        """Changes of carrier, MII status, role and active member, in order, in seconds since ``origin_s``."""
        events: list[dict[str, Any]] = []
        known: dict[tuple[str, str, str], Any] = {}
        names: dict[tuple[str, int], str] = {}
        for at, host, datagram in list(self._seen):
            for message in _messages(datagram):
                name = str(message.get_attr("IFLA_IFNAME"))
                names[host, int(message["index"])] = name
                for source, event, value in _facts(message):
                    if event == "active_member":
                        value = names.get((host, value), "")
                    old = known.get((host, name, event))
                    known[host, name, event] = value
                    if value != old:
                        events.append(
                            {
                                "t_s": round(at - origin_s, 9),
                                "source": source,
                                "event": event,
                                "host": host,
                                "interface": name,
                                "old": old,
                                "new": value,
                            }
                        )
        return events


def _messages(datagram: bytes) -> Iterator[Any]:
    offset = 0
    while offset + _HEADER <= len(datagram):
        length = int.from_bytes(datagram[offset : offset + 4], "little")
        kind = int.from_bytes(datagram[offset + 4 : offset + 6], "little")
        if length < _HEADER:
            return
        if kind == _RTM_NEWLINK:
            message = ifinfmsg(datagram[offset : offset + length])
            message.decode()
            yield message
        offset += (length + 3) & ~3


def _facts(message: Any) -> Iterator[tuple[str, str, Any]]:
    """What one message says: (source, event, value)."""
    yield "carrier", "carrier", bool(message.get_attr("IFLA_CARRIER"))
    info = message.get_attr("IFLA_LINKINFO")
    if info is None:
        return
    member = info.get_attr("IFLA_INFO_SLAVE_DATA")
    if info.get_attr("IFLA_INFO_SLAVE_KIND") == "bond" and member is not None:
        yield "bond", "role", ("active", "backup")[member.get_attr("IFLA_BOND_SLAVE_STATE")]
        yield (
            "bond",
            "mii_status",
            ("up", "going_down", "down", "going_back")[member.get_attr("IFLA_BOND_SLAVE_MII_STATUS")],
        )
    bond = info.get_attr("IFLA_INFO_DATA")
    if info.get_attr("IFLA_INFO_KIND") == "bond" and bond is not None:
        yield "bond", "active_member", bond.get_attr("IFLA_BOND_ACTIVE_SLAVE") or 0


@contextlib.contextmanager
def watching(network: Network) -> Iterator[LinkWatch]:
    """A watch that collects while the block runs; its events may be read afterwards."""
    watch = LinkWatch(network)
    watch._thread.start()
    try:
        yield watch
    finally:
        os.write(watch._stop, b".")
        watch._thread.join()
        for _, sock in watch._sockets.values():
            sock.close()
        os.close(watch._wake)
        os.close(watch._stop)
