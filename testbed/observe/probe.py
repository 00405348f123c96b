"""A constant-rate UDP probe between emulated hosts: every packet's sequence number, send and receive time.

    one sender process, all flows             one receiver process, all flows
    absolute schedule, wakes once an    --->  kernel timestamps (SO_TIMESTAMPNS), drained in batches
    interval and sends one packet a flow

Receive times are the kernel's: a receiver that wakes late does not make an outage. Send times are read right before the
packets leave: a late sender shows. Both are on the trial's clock. probe.json has the evidence of the tool's own errors:
when each packet was due, and how many packets the receiver's queues had no room for.

The cost of a probe in a guest is waking up and calling the kernel. So one process sends all flows (docs/measuring.md).
"""

from __future__ import annotations

import contextlib
import csv
import ipaddress
import json
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.emulation.clocks import Clocks
from testbed.observe import child
from testbed.observe.hosts import Hosts
from testbed.observe.recvmmsg import Batches, timestamped

#: The ports that probes are sent to. Taps recognise probe packets by them (testbed.observe.bpf).
PORTS = range(7000, 8000)
#: Octets of a probe's payload: flow number, sequence number, padding to a small packet's usual size.
PACKET = struct.Struct("!IQ52x")
#: asm-generic/socket.h; Python has no name for it.
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("@9I")
_DROPS = 8  # linux/sock_diag.h: SK_MEMINFO_DROPS
_BATCH_S = 0.05
#: The most octets of a socket's queue that a packet takes up, with the kernel's own data about it.
_QUEUED_BYTES = 1280
_TAIL_S = 0.2
COLUMNS = ("flow", "seq", "sent_s", "received_s")


@dataclass(frozen=True)
class Flow:
    """One direction between two hosts: an open socket at each end, and the address to send to.

    Where several hosts have that address, each has a socket: ``others`` are those beside ``receiver``.
    """

    name: str
    sender: socket.socket
    receiver: socket.socket
    destination: tuple[str, int]
    others: tuple[socket.socket, ...] = ()

    @property
    def receivers(self) -> tuple[socket.socket, ...]:
        """All sockets at which its packets may arrive."""
        return (self.receiver, *self.others)


@contextlib.contextmanager
def flows(
    hosts: Hosts, pairs: Sequence[tuple[str, str]], *, source_ports: Sequence[int] | None = None
) -> Iterator[list[Flow]]:
    """A flow from each pair's first host to its second, over IPv4 or IPv6 by the second's address.

    ``hosts`` is a Network or a Lab. Flow n goes to port ``PORTS[n]``. ``source_ports`` are the ports that the flows
    come from, which determine the members that a hash chooses; without them the kernel chooses ports. If a pair occurs
    more than once, its flows are numbered.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for number, (source, target) in enumerate(pairs):
            address = hosts.topology.host(target).ip
            family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
            sender, receiver = (stack.enter_context(hosts.socket(host, family)) for host in (source, target))
            sender.bind(("", source_ports[number] if source_ports else 0))
            receiver.bind(("", PORTS[number]))
            again = pairs[:number].count((source, target))
            name = f"{source}>{target}" + (f"#{again + 1}" if again else "")
            found.append(Flow(name, sender, receiver, (address, PORTS[number])))
        yield found


@contextlib.contextmanager
def probing(
    flows: Sequence[Flow], interval_s: float, path: Path, *, clocks: Clocks, tail_s: float = _TAIL_S
) -> Iterator[None]:
    """Probe every flow while the block runs, then wait ``tail_s`` for the last packets and write ``path``.

    The first packets are due at an instant drawn over the interval (``clocks``); then the block begins. ``path``
    becomes a CSV file with the ``COLUMNS``; its times are of the trial's clock. A file of the same name
    with the ending .json has the evidence of the tool's own errors (results/README.md).
    """
    origin_s = clocks.origin_s
    sent, arrivals = path.with_name(".sent"), path.with_name(".received")
    room = round(len(flows) * _QUEUED_BYTES * 4 * _BATCH_S / interval_s)
    for sock in (sock for flow in flows for sock in flow.receivers):
        timestamped(sock, max(4 << 20, room))  # dropped packets are counted below
    receiver = child.fork(lambda: _receive(flows, arrivals))
    begin_s = clocks.start("probe", interval_s)
    sender = child.fork(lambda: _send(flows, interval_s, sent, clocks, begin_s))
    try:
        clocks.wait_until(begin_s)
        yield
    finally:
        ended_s = time.time()
        child.end(sender)
        time.sleep(tail_s)
        child.end(receiver)
        about = {
            "interval_s": interval_s,
            "due_s": round(begin_s, 9),
            "ended_s": round(ended_s - origin_s, 9),
            "flows": [
                {
                    "flow": flow.name,
                    "source_port": flow.sender.getsockname()[1],
                    "destination": flow.destination[0],
                    "port": flow.destination[1],
                    "receiver_dropped": sum(map(_dropped, flow.receivers)),
                }
                for flow in flows
            ],
        }
        path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
        write_rows([flow.name for flow in flows], sent, arrivals, path, origin_s)


def _send(flows: Sequence[Flow], interval_s: float, path: Path, clocks: Clocks, begin_s: float) -> None:
    """Send from ``begin_s`` on until terminated, on an absolute schedule; then write when each round was sent.

    A round that took longer than an interval to send is noted with its end. So its packets left no later than noted,
    and a gap that the sender made between reading the clock and sending does not count as an outage.
    """
    sent: list[float] = []
    ended = child.asked_to_end()
    for flow in flows:
        flow.sender.setblocking(False)
    ways = [(number, flow.sender.sendto, flow.destination) for number, flow in enumerate(flows)]
    begin = due = clocks.origin_s + begin_s
    child.no_timer_slack()
    clocks.wait_until(begin_s)
    now = time.time()
    while not ended():
        if due > now:
            time.sleep(due - now)
            now = time.time()
        at, sequence = now, len(sent)
        for number, send, destination in ways:
            with contextlib.suppress(OSError):  # a packet that the host cannot send is a lost packet
                send(PACKET.pack(number, sequence), destination)
        now = time.time()
        sent.append(at if now - at <= interval_s else now)
        due = begin + len(sent) * interval_s
    path.write_text("".join(f"{at:.9f}\n" for at in sent))


def _receive(flows: Sequence[Flow], path: Path) -> None:
    """Receive until terminated; then read what is still queued, and write all."""
    received: list[tuple[int, int, float]] = []
    ended = child.asked_to_end()
    batches = Batches()
    while True:
        last = ended()
        for sock in (sock for flow in flows for sock in flow.receivers):
            for at, _, octets in batches.drain(sock):
                if len(octets) == PACKET.size:
                    received.append((*PACKET.unpack(octets), at))
        if last:
            break
        time.sleep(_BATCH_S)  # the times are the kernel's: waking rarely only makes the queue longer
    path.write_text("".join(f"{flow} {sequence} {at:.9f}\n" for flow, sequence, at in received))


def _dropped(sock: socket.socket) -> int:
    """Packets that arrived and found the socket's queue full (sock_diag(7), SK_MEMINFO_DROPS)."""
    return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[_DROPS])


def write_rows(names: Sequence[str], rounds: Path, arrivals: Path, path: Path, origin_s: float) -> None:
    """Write a row for each packet sent, and one more for each duplicate, by flow, sequence and receive time.

    ``rounds`` has a line for each packet of every flow, when it was sent; ``arrivals`` one for each that was received:
    its flow's place in ``names``, its number, and when. Both are then removed.
    """
    received: dict[tuple[int, int], list[float]] = {}
    for line in arrivals.read_text().splitlines():
        place, order, at = line.split()
        received.setdefault((int(place), int(order)), []).append(float(at) - origin_s)
    sent = rounds.read_text().splitlines()
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for number, name in enumerate(names):
            for sequence, line in enumerate(sent):
                at = f"{float(line) - origin_s:.9f}"
                for text in [f"{each:.9f}" for each in sorted(received.get((number, sequence), []))] or [""]:
                    rows.writerow((name, sequence, at, text))
    rounds.unlink()
    arrivals.unlink()
