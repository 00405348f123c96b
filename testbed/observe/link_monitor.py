"""The kernel's reports about the network's interfaces, and when they came: netlink messages, for the timeline.

The frames on the links (taps) are recorded with them. Both are collected while a trial runs, and evaluated at its end.
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

from testbed.background import in_background
from testbed.emulation.netlink import link_messages, monitor_socket
from testbed.emulation.network import Network
from testbed.observe import tap_events, taps

_MESSAGE_BYTES = 1 << 16


class LinkMonitor:
    """Collects every RTM_NEWLINK message of hosts and switches, with the time of its arrival."""

    def __init__(self, network: Network, recording: taps.Recording) -> None:
        self._topology = network.topology
        self._recording = recording
        self._received: list[tuple[float, str, bytes]] = []
        self._sockets: dict[int, tuple[str, socket.socket]] = {}
        self._wake, self._stop = os.pipe()
        # Switches share one namespace: a socket of the first one receives the messages about the ports of all.
        first = [switch.name for switch in network.topology.switches[:1]]
        for node in [machine.name for machine in network.topology.machines()] + first:
            sock = monitor_socket(network.pid(node))
            self._sockets[sock.fileno()] = (node, sock)

    def collect(self, _ended: threading.Event) -> None:
        """Collect messages until `stop` is called."""
        poller = select.poll()
        for descriptor in (*self._sockets, self._wake):
            poller.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poller.poll():
                if descriptor == self._wake:
                    return
                node, sock = self._sockets[descriptor]
                with contextlib.suppress(OSError):  # ENOBUFS: messages were lost; the next ones still come
                    self._received.append((time.time(), node, sock.recv(_MESSAGE_BYTES)))

    def stop(self) -> None:
        """End `collect`, which may be waiting for a message."""
        os.write(self._stop, b".")

    def close(self) -> None:
        """Close the sockets."""
        for _, sock in self._sockets.values():
            sock.close()
        os.close(self._wake)
        os.close(self._stop)

    def events(self, origin_s: float) -> list[dict[str, Any]]:
        """Changes of carrier, MII status, role and active member, and the events of the links' frames.

        Their times are seconds since ``origin_s``.
        """
        return [*self._changes(origin_s), *tap_events.events(self._recording, self._topology, origin_s)]

    def write(self, raw: Path, origin_s: float) -> None:
        """Write the raw files of the links' frames."""
        taps.write(self._recording, raw, origin_s)

    def _changes(self, origin_s: float) -> Iterator[dict[str, Any]]:
        known: dict[tuple[str, str, str], Any] = {}
        names: dict[tuple[str, int], str] = {}
        hosts = {machine.name for machine in self._topology.machines()}
        owners = {i: switch.name for switch in self._topology.switches for i in self._topology.interfaces(switch.name)}
        for at, space, datagram in list(self._received):
            for message in link_messages(datagram):
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


def _facts(message: Any) -> Iterator[tuple[str, str, Any]]:
    """The source, event and value of each fact in a message."""
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
def monitoring(network: Network) -> Iterator[LinkMonitor]:
    """A monitor that collects while the block runs; its events may be read afterwards."""
    with taps.tapping(network) as recording:
        monitor = LinkMonitor(network, recording)
        try:
            with in_background("link-monitor", monitor.collect):
                try:
                    yield monitor
                finally:
                    monitor.stop()
        finally:
            monitor.close()
