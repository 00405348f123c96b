"""A constant-rate UDP probe between emulated hosts: every packet's sequence number, send and receive time.

    one sender process, all flows             one receiver process, all flows
    absolute schedule, wakes once an    --->  kernel timestamps (SO_TIMESTAMPNS), drained in batches
    interval and sends one packet a flow

Receive times are the kernel's, so that a receiver that wakes late does not invent an outage; send times are read
right before the packets leave, so that a late sender shows. Both are on the trial's clock. What the tool itself may
have spoilt is told in probe.json: when each packet was due, and what the receiver's queues had no room for.

Waking up and calling the kernel are what a probe costs a guest, so one process sends all flows (docs/measuring.md).
"""

from __future__ import annotations

import contextlib
import csv
import ipaddress
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.observe.recvmmsg import SO_TIMESTAMPNS, Batches

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: The ports that probes are sent to: what is on the wire can be told by them (testbed.observe.taps).
PORTS = range(7000, 8000)
#: Octets of a probe's payload: flow number, sequence number, padding to a small packet's usual size.
PACKET = struct.Struct("!IQ52x")
#: asm-generic/socket.h; Python does not name them.
_SO_RCVBUFFORCE, _SO_MEMINFO = 33, 55
_MEMINFO = struct.Struct("@9I")
_DROPS = 8  # linux/sock_diag.h: SK_MEMINFO_DROPS
_BATCH_S = 0.05
#: Octets that a socket's queue takes up for each packet, at most: the packet and the kernel's own about it.
_QUEUED_BYTES = 1280
_TAIL_S = 0.2


@dataclass(frozen=True)
class Flow:
    """One direction between two hosts: an open socket at each end, and the address to send to."""

    name: str
    sender: socket.socket
    receiver: socket.socket
    destination: tuple[str, int]


@contextlib.contextmanager
def flows(
    lab: Lab, pairs: Sequence[tuple[str, str]], *, source_ports: Sequence[int] | None = None
) -> Iterator[list[Flow]]:
    """A flow from each pair's first host to its second, over IPv4 or IPv6 as the second's address is.

    Flow n goes to port ``PORTS[n]``. ``source_ports`` pins the ports that the flows come from, and with them the
    members that a hash chooses; otherwise the kernel chooses them. A pair that occurs twice has its flows numbered.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for number, (source, target) in enumerate(pairs):
            address = lab.topology.host(target).ip
            family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
            sender, receiver = (stack.enter_context(lab.network.socket(host, family)) for host in (source, target))
            sender.bind(("", source_ports[number] if source_ports else 0))
            receiver.bind(("", PORTS[number]))
            again = pairs[:number].count((source, target))
            name = f"{source}>{target}" + (f"#{again + 1}" if again else "")
            found.append(Flow(name, sender, receiver, (address, PORTS[number])))
        yield found


@contextlib.contextmanager
def probing(
    flows: Sequence[Flow], interval_s: float, path: Path, *, origin_s: float, tail_s: float = _TAIL_S
) -> Iterator[None]:
    """Probe every flow while the block runs, then wait ``tail_s`` for the last packets and write ``path``.

    ``path`` becomes a CSV file with the columns flow, seq, sent_s, received_s; beside it, with the same name and
    the ending .json, what is to be known of the tool itself (results/README.md).
    """
    sent, arrivals = path.with_name(".sent"), path.with_name(".received")
    room = round(len(flows) * _QUEUED_BYTES * 4 * _BATCH_S / interval_s)
    for flow in flows:
        flow.receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        with contextlib.suppress(OSError):  # only where it is allowed; what is dropped is told below
            flow.receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, max(4 << 20, room))
    receiver = _fork(lambda: _receive(flows, arrivals))
    sender = _fork(lambda: _send(flows, interval_s, sent))
    try:
        yield
    finally:
        ended_s = time.time()
        _end(sender)
        time.sleep(tail_s)
        _end(receiver)
        about = {
            "interval_s": interval_s,
            "ended_s": round(ended_s - origin_s, 9),
            "flows": [
                {
                    "flow": flow.name,
                    "source_port": flow.sender.getsockname()[1],
                    "destination": flow.destination[0],
                    "port": flow.destination[1],
                    "receiver_dropped": _dropped(flow.receiver),
                }
                for flow in flows
            ],
        }
        _merge(flows, sent, arrivals, path, about, origin_s)


def _send(flows: Sequence[Flow], interval_s: float, path: Path) -> None:
    """Send until terminated, on an absolute schedule; then write when it began, and when each round was sent.

    A round whose own sending took longer than an interval is noted with its end: then its packets are not later
    than noted, and no gap is taken for the network's that the sender made between the clock and the call.
    """
    sent: list[float] = []
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    _no_timer_slack()
    for flow in flows:
        flow.sender.setblocking(False)
    ways = [(number, flow.sender.sendto, flow.destination) for number, flow in enumerate(flows)]
    now = begin = due = time.time()
    while not ended:
        if due > now:
            time.sleep(due - now)
            now = time.time()
        at, sequence = now, len(sent)
        for number, send, destination in ways:
            with contextlib.suppress(OSError):  # a packet that the host itself cannot send is a lost packet
                send(PACKET.pack(number, sequence), destination)
        now = time.time()
        sent.append(at if now - at <= interval_s else now)
        due = begin + len(sent) * interval_s
    path.write_text("".join(f"{at:.9f}\n" for at in (begin, *sent)))


def _receive(flows: Sequence[Flow], path: Path) -> None:
    """Receive until terminated; then take what is still queued and write everything."""
    received: list[tuple[int, int, float]] = []
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    batches = Batches()
    while True:
        last = ended
        for flow in flows:
            for at, _, octets in batches.drain(flow.receiver):
                if len(octets) == PACKET.size:
                    received.append((*PACKET.unpack(octets), at))
        if last:
            break
        time.sleep(_BATCH_S)  # the times are the kernel's: waking rarely costs nothing but a longer queue
    path.write_text("".join(f"{flow} {sequence} {at:.9f}\n" for flow, sequence, at in received))


def _dropped(sock: socket.socket) -> int:
    """Packets that arrived and found the socket's queue full (sock_diag(7), SK_MEMINFO_DROPS)."""
    return int(_MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[_DROPS])


def _no_timer_slack() -> None:
    """Wake when asked, not up to 50 us later (prctl(2), PR_SET_TIMERSLACK)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")


def _fork(work: Callable[[], None]) -> int:
    """A child process that does the work and ends; returns its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def _end(child: int) -> None:
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)


def _merge(
    flows: Sequence[Flow], rounds: Path, arrivals: Path, path: Path, about: dict[str, Any], origin_s: float
) -> None:
    """One row for each packet sent, and one more for each duplicate, by flow, sequence and receive time."""
    received: dict[tuple[int, int], list[float]] = {}
    for line in arrivals.read_text().splitlines():
        place, order, at = line.split()
        received.setdefault((int(place), int(order)), []).append(float(at) - origin_s)
    begin, *sent = rounds.read_text().splitlines()
    about["due_s"] = round(float(begin) - origin_s, 9)
    path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("flow", "seq", "sent_s", "received_s"))
        for number, flow in enumerate(flows):
            for sequence, line in enumerate(sent):
                at = f"{float(line) - origin_s:.9f}"
                for text in [f"{each:.9f}" for each in sorted(received.get((number, sequence), []))] or [""]:
                    rows.writerow((flow.name, sequence, at, text))
    rounds.unlink()
    arrivals.unlink()
