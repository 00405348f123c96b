"""What crosses each link, and when: a packet socket at one end of it.

    host ====== member interface <-- packet socket, with a filter ====== switch port
                both directions: what leaves is seen when it leaves, what arrives when it arrives (packet(7))

Kept are LACPDUs, what tells switches where an address is now (gratuitous ARPs, unsolicited neighbour
advertisements, bonding's learning packets), and of probes the runs of packets on each link. Nobody is woken by a
packet: the kernel notes the time of each and queues it, and ten times a second the queues are emptied.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.observe import bpf
from testbed.observe.recvmmsg import SO_TIMESTAMPNS, Batches

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # linux/if_packet.h
#: asm-generic/socket.h; Python does not name them.
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_ETH_P_ALL = 0x0003  # only a socket for all protocols sees what leaves
_PACKET_TYPE = 10  # where struct sockaddr_ll has sll_pkttype
#: Room for what comes in a period: some 5,000 frames.
_QUEUE_BYTES = 4 << 20
_PERIOD_S = 0.1
#: Packets of a flow that are this many numbers apart on one link are two runs: others were elsewhere, or lost.
_APART = 10
_PROBE = struct.Struct("!IQ")  # testbed.observe.probe.PACKET


@dataclass
class Run:
    """Packets of one probe flow that crossed one link in one direction, one after the other."""

    number: int
    source_ip: str
    target_ip: str
    interface: str
    direction: str
    first_s: float
    first: int
    last_s: float
    last: int
    packets: int = 1


@dataclass(frozen=True)
class Frame:
    """A frame that says something: ``kind`` is lacpdu, arp, neighbour or learning."""

    at: float
    interface: str
    direction: str
    kind: str
    octets: bytes


class Tap:
    """The packet socket of one interface."""

    def __init__(self, interface: str, sock: socket.socket) -> None:
        self.interface = interface
        self.dropped = 0
        self._socket = sock
        program = bpf.program()
        code = ctypes.create_string_buffer(program)
        count = len(program) // bpf.INSTRUCTION.size
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(code)))
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        with contextlib.suppress(OSError):  # only where it is allowed; what is dropped is told
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _QUEUE_BYTES)
        sock.bind((interface, _ETH_P_ALL))

    def drain(self, batches: Batches) -> Iterator[tuple[float, str, bytes]]:
        """What has come since: time of day, direction and octets of each frame, in order."""
        for at, address, octets in batches.drain(self._socket):
            yield at, "out" if address[_PACKET_TYPE] == socket.PACKET_OUTGOING else "in", octets

    def close(self) -> None:
        """Count what found no room."""
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self.dropped += struct.unpack("@II", statistics)[1]
        self._socket.close()


class Wire:
    """Collects what crosses the links until it is closed."""

    def __init__(self, taps: Sequence[Tap]) -> None:
        self.frames: list[Frame] = []
        self.runs: list[Run] = []
        self._taps = taps
        self._batches = Batches()
        self._open: dict[tuple[int, str, str], Run] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="wire", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> dict[str, int]:
        """Frames that found no room, for each interface that had some."""
        return {tap.interface: tap.dropped for tap in self._taps if tap.dropped}

    def _collect(self) -> None:
        while not self._ended.wait(_PERIOD_S):
            self._drain()

    def _drain(self) -> None:
        for tap in self._taps:
            for at, direction, octets in tap.drain(self._batches):
                kind = bpf.kind(octets)
                if kind == "probe":
                    self._carry_on(at, tap.interface, direction, octets)
                elif kind:
                    self.frames.append(Frame(at, tap.interface, direction, kind, octets))

    def _carry_on(self, at: float, interface: str, direction: str, octets: bytes) -> None:
        addresses, payload = bpf.datagram(octets)
        if len(payload) < _PROBE.size:  # an experiment's own datagram to a port of probes
            return
        number, sequence = _PROBE.unpack_from(payload)
        run = self._open.get((number, interface, direction))
        if run is not None and -_APART < sequence - run.last < _APART:
            run.last_s, run.last, run.packets = at, max(run.last, sequence), run.packets + 1
            return
        half = len(addresses) // 2
        source, target = (str(ipaddress.ip_address(part)) for part in (addresses[:half], addresses[half:]))
        run = Run(number, source, target, interface, direction, at, sequence, at, sequence)
        self._open[number, interface, direction] = run
        self.runs.append(run)

    def close(self) -> None:
        """Take in what has come, and end."""
        self._ended.set()
        self._thread.join()
        self._drain()
        for tap in self._taps:
            tap.close()


def tapped(network: Network) -> tuple[str, ...]:
    """The end of each link where it is listened to: the host's, or its first between two switches."""
    hosts = {host.name for host in network.topology.hosts}
    return tuple(
        link.b_interface if link.b in hosts and link.a not in hosts else link.a_interface
        for link in network.topology.links
    )


@contextlib.contextmanager
def tapping(network: Network) -> Iterator[Wire]:
    """Listen to every link of the network while the block runs; what was heard can be read afterwards."""
    interfaces = tapped(network)
    taps = []
    for interface in interfaces:
        sock = network.socket(network.topology.owner(interface), socket.AF_PACKET, socket.SOCK_RAW)
        taps.append(Tap(interface, sock))
    wire = Wire(taps)
    try:
        yield wire
    finally:
        wire.close()


def write(wire: Wire, raw: Path, origin_s: float) -> None:
    """The raw files wire.csv and paths.csv (results/README.md)."""
    with (raw / "wire.csv").open("w") as file:
        file.write("t_s,interface,direction,kind,frame\n")
        for frame in sorted(wire.frames, key=lambda frame: frame.at):
            place = f"{frame.at - origin_s:.9f},{frame.interface},{frame.direction},{frame.kind}"
            file.write(f"{place},{frame.octets.hex()}\n")
    with (raw / "paths.csv").open("w") as file:
        file.write("number,source_ip,target_ip,interface,direction,first_s,first_seq,last_s,last_seq,packets\n")
        for run in sorted(wire.runs, key=lambda run: (run.first_s, run.number, run.interface)):
            ends = f"{run.first_s - origin_s:.9f},{run.first},{run.last_s - origin_s:.9f},{run.last}"
            who = f"{run.number},{run.source_ip},{run.target_ip},{run.interface},{run.direction}"
            file.write(f"{who},{ends},{run.packets}\n")
