"""Which frames cross which interface: captured with packet sockets and counted by flow.

bond0 --hash--> h1-eth0  <-- packet socket: sees each frame as it leaves or arrives (packet(7))
                h1-eth1  <-- packet socket
"""

from __future__ import annotations

import contextlib
import csv
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.observe import bpf

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_ETH_P_ALL = 0x0003  # linux/if_ether.h: only a socket for all protocols sees what leaves
_ETHERNET, _VLAN_TAG = 14, 4
_TYPES = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp"}
COLUMNS = ("interface", "direction", "protocol", "source_ip", "source_port", "target_ip", "target_port", "packets")

Key = tuple[str, str, str, str, int, str, int]


def flow_of(frame: bytes) -> tuple[str, str, int, str, int] | None:
    """Protocol, source and target of an unfragmented TCP or UDP packet in an Ethernet frame; None for other frames."""
    frame, at = bpf.inner(frame), _ETHERNET
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x8100:
        kind = int.from_bytes(frame[16:18], "big")
        at += _VLAN_TAG
    if kind == 0x0800 and len(frame) >= at + 20:
        protocol, family = frame[at + 9], socket.AF_INET
        addresses, ports = frame[at + 12 : at + 20], at + 4 * (frame[at] & 0x0F)
    elif kind == 0x86DD and len(frame) >= at + 40:
        protocol, family = frame[at + 6], socket.AF_INET6
        addresses, ports = frame[at + 8 : at + 40], at + 40
    else:
        return None
    if protocol not in _TYPES or len(frame) < ports + 4:
        return None
    half = len(addresses) // 2
    source, target = (socket.inet_ntop(family, part) for part in (addresses[:half], addresses[half:]))
    source_port, target_port = struct.unpack_from("!HH", frame, ports)
    return _TYPES[protocol], source, source_port, target, target_port


class Capture:
    """Frames that crossed the interfaces since the capture began, counted by interface, direction and flow."""

    def __init__(self, sockets: Sequence[tuple[str, socket.socket]]) -> None:
        self._sockets = sockets
        self._packets: Counter[Key] = Counter()

    def drain(self) -> None:
        """Count the frames that the sockets have received; call it before their buffers are full."""
        for interface, sock in self._sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, (_, _, kind, *_) = sock.recvfrom(128, socket.MSG_DONTWAIT)
                    if found := flow_of(frame):
                        direction = "out" if kind == socket.PACKET_OUTGOING else "in"
                        self._packets[interface, direction, *found] += 1

    def write(self, path: Path) -> None:
        """All counts as CSV, a line for each interface, direction and flow, in order."""
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            rows.writerows((*key, packets) for key, packets in sorted(self._packets.items()))


@contextlib.contextmanager
def capturing(network: Network, interfaces: Sequence[str]) -> Iterator[Capture]:
    """Capture on these interfaces while the block runs."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for interface in interfaces:
            node = network.topology.owner(interface)
            sock = stack.enter_context(network.socket(node, socket.AF_PACKET, socket.SOCK_RAW))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind((interface, _ETH_P_ALL))
            sockets.append((interface, sock))
        yield Capture(sockets)
