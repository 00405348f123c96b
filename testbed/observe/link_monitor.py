"""What the kernel said of the network's interfaces, and when: netlink messages, kept for the timeline.

With what crossed the links meanwhile (wire): both are collected while a trial runs, and read when it has ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from testbed.emulation.network import Network
from testbed.observe import tap_events, taps

_RTMGRP_LINK = 1  # linux/rtnetlink.h
_RTM_NEWLINK = 16
_HEADER = 16


class LinkWatch:
    """Collects every RTM_NEWLINK message of hosts and switches, with the time of its arrival."""

    def __init__(self, network: Network, tap: taps.Wire) -> None:
        self._topology = network.topology
        self._tap = tap
        self._seen: list[tuple[float, str, bytes]] = []
        self._sockets: dict[int, tuple[str, socket.socket]] = {}
        self._wake, self._stop = os.pipe()
        # Switches share one namespace: a socket of the first hears of the ports of all.
        first = [switch.name for switch in network.topology.switches[:1]]
        for node in [host.name for host in network.topology.hosts] + first:
            sock = network.socket(node, socket.AF_NETLINK, socket.SOCK_RAW)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.bind((0, _RTMGRP_LINK))
            self._sockets[sock.fileno()] = (node, sock)
        self._thread = threading.Thread(target=self._collect, name="link-watch", daemon=True)

    def _collect(self) -> None:
        poller = select.poll()
        for descriptor in (*self._sockets, self._wake):
            poller.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poller.poll():
                if descriptor == self._wake:
                    return
                node, sock = self._sockets[descriptor]
                with contextlib.suppress(OSError):  # ENOBUFS: messages were lost; the next ones still come
                    self._seen.append((time.time(), node, sock.recv(1 << 16)))

    def events(self, origin_s: float) -> list[dict[str, Any]]:
        """In seconds since ``origin_s``: changes of carrier, MII status, role and active member; what the wire told."""
        return [*self._changes(origin_s), *tap_events.events(self._tap, self._topology, origin_s)]

    def write(self, raw: Path, origin_s: float) -> None:
        """What crossed the links, as raw files."""
        taps.write(self._tap, raw, origin_s)

    def _changes(self, origin_s: float) -> Iterator[dict[str, Any]]:
        known: dict[tuple[str, str, str], Any] = {}
        names: dict[tuple[str, int], str] = {}
        hosts = {host.name for host in self._topology.hosts}
        owners = {i: switch.name for switch in self._topology.switches for i in self._topology.interfaces(switch.name)}
        for at, space, datagram in list(self._seen):
            for message in _messages(datagram):
                name = str(message.get_attr("IFLA_IFNAME"))
                node = space if space in hosts else owners.get(name)
                if node is None:  # not a port of the topology
                    continue
                names[node, int(message["index"])] = name
                for source, event, value in _facts(message):
                    if event == "active_member":
                        value = names.get((node, value), "")
                    old = known.get((node, name, event))
                    known[node, name, event] = value
                    if value != old:
                        yield {
                            "t_s": round(at - origin_s, 9),
                            "source": source,
                            "event": event,
                            "host" if node in hosts else "switch": node,
                            "interface": name,
                            "old": old,
                            "new": value,
                        }


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
    with taps.tapping(network) as tap:
        watch = LinkWatch(network, tap)
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
