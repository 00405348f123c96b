"""Taps: a packet socket at one end of each link records the frames that cross the link, and when.

    host ====== member interface <-- packet socket, with a filter ====== switch port
                both directions: a frame sent when it is sent, a frame received when it is received (packet(7))

Recorded are LACPDUs, the frames that announce the place of an address to switches (gratuitous ARPs, unsolicited
neighbour advertisements, bonding's learning packets), and the runs of probe packets on each link. No packet wakes a
process: the kernel timestamps and queues it, and the queues are read ten times a second.
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

from testbed.background import in_background
from testbed.observe import bpf
from testbed.observe.recvmmsg import PACKET_TYPE, Batches, timestamped

if TYPE_CHECKING:
    from testbed.emulation.network import Network

_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # linux/if_packet.h
_STATISTICS = struct.Struct("@II")  # struct tpacket_stats: packets, drops
#: asm-generic/socket.h; Python has no name for it.
_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 0x0003  # only a socket for all protocols sees frames that are sent
#: Room for the frames of a period: about 5,000.
_QUEUE_BYTES = 4 << 20
_PERIOD_S = 0.1
#: If the numbers of two packets of a flow on one link differ by this, they are in two runs: others went elsewhere, or
#: were lost.
_APART = 10
_PROBE = struct.Struct("!IQ")  # testbed.observe.probe.PACKET


@dataclass
class Run:
    """Consecutive packets of one probe flow that crossed one link in one direction."""

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
    """A recorded frame; ``kind`` is lacpdu, arp, neighbour or learning."""

    at: float
    interface: str
    direction: str
    kind: str
    octets: bytes


class Tap:
    """The packet socket of one interface."""

    def __init__(self, interface: str, sock: socket.socket) -> None:
        self.interface = interface
        self._dropped = 0
        self._socket = sock
        program = bpf.program()
        code = ctypes.create_string_buffer(program)
        count = len(program) // bpf.INSTRUCTION.size
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(code)))
        timestamped(sock, _QUEUE_BYTES)  # dropped frames are counted
        sock.bind((interface, _ETH_P_ALL))

    def drain(self, batches: Batches) -> Iterator[tuple[float, str, bytes]]:
        """The frames since the last call, in order: time of day, direction and octets of each."""
        for at, address, octets in batches.drain(self._socket):
            yield at, "out" if address[PACKET_TYPE] == socket.PACKET_OUTGOING else "in", octets

    @property
    def dropped(self) -> int:
        """The frames that found no room in the queue, so far or until the tap was closed."""
        if self._socket.fileno() >= 0:
            self._count()
        return self._dropped

    def _count(self) -> None:
        # Reading the kernel's statistics sets them to zero (packet(7)).
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        self._dropped += _STATISTICS.unpack(statistics)[1]

    def close(self) -> None:
        """Close the socket."""
        self._count()
        self._socket.close()


class Recording:
    """The frames and the runs of probe packets that crossed the links."""

    def __init__(self, taps: Sequence[Tap]) -> None:
        self.frames: list[Frame] = []
        self.runs: list[Run] = []
        self._taps = taps
        self._batches = Batches()
        self._open: dict[tuple[int, str, str], Run] = {}

    @property
    def dropped(self) -> dict[str, int]:
        """For each interface the frames that have found no room so far, if there are any."""
        return {tap.interface: count for tap in self._taps if (count := tap.dropped)}

    def collect(self, ended: threading.Event) -> None:
        """Read the taps ten times a second until ``ended`` is set, and once more then."""
        while not ended.wait(_PERIOD_S):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        for tap in self._taps:
            for at, direction, whole in tap.drain(self._batches):
                octets = bpf.inner(whole)
                kind = bpf.kind(octets)
                if kind == "probe":
                    self._extend_run(at, tap.interface, direction, octets)
                elif kind:
                    self.frames.append(Frame(at, tap.interface, direction, kind, octets))

    def _extend_run(self, at: float, interface: str, direction: str, octets: bytes) -> None:
        addresses, payload = bpf.datagram(octets)
        if len(payload) < _PROBE.size:  # a datagram of an experiment to a port of probes
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


def tapped(network: Network) -> tuple[str, ...]:
    """The tapped end of each link: the host's, or the first end of a link between two switches."""
    hosts = {machine.name for machine in network.topology.machines()}
    return tuple(
        link.b_interface if link.b in hosts and link.a not in hosts else link.a_interface
        for link in network.topology.links
    )


@contextlib.contextmanager
def tapping(network: Network) -> Iterator[Recording]:
    """Record the frames on every link of the network while the block runs."""
    with contextlib.ExitStack() as stack:
        taps = []
        for interface in tapped(network):
            sock = network.socket(network.topology.owner(interface), socket.AF_PACKET, socket.SOCK_RAW)
            taps.append(Tap(interface, sock))
            stack.callback(taps[-1].close)
        recording = Recording(taps)
        stack.enter_context(in_background("taps", recording.collect))
        yield recording


def write(recording: Recording, raw: Path, origin_s: float) -> None:
    """Write the raw files wire.csv and paths.csv (results/README.md)."""
    with (raw / "wire.csv").open("w") as file:
        file.write("t_s,interface,direction,kind,frame\n")
        for frame in sorted(recording.frames, key=lambda frame: frame.at):
            place = f"{frame.at - origin_s:.9f},{frame.interface},{frame.direction},{frame.kind}"
            file.write(f"{place},{frame.octets.hex()}\n")
    with (raw / "paths.csv").open("w") as file:
        file.write("number,source_ip,target_ip,interface,direction,first_s,first_seq,last_s,last_seq,packets\n")
        for run in sorted(recording.runs, key=lambda run: (run.first_s, run.number, run.interface)):
            ends = f"{run.first_s - origin_s:.9f},{run.first},{run.last_s - origin_s:.9f},{run.last}"
            flow = f"{run.number},{run.source_ip},{run.target_ip},{run.interface},{run.direction}"
            file.write(f"{flow},{ends},{run.packets}\n")
