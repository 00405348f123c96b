"""A constant-rate UDP probe between emulated hosts: every packet's sequence number, send and receive time.

    sender process (per flow)                         receiver process (all flows)
    absolute schedule, one packet per interval  --->  kernel timestamps (SO_TIMESTAMPNS), drained in batches

Receive times are the kernel's, so that a receiver that wakes late does not invent an outage; send times are read
right before each send, so that a late sender shows. Both are on the trial's clock.
"""

from __future__ import annotations

import contextlib
import csv
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Octets of a probe's payload: flow number, sequence number, padding to a small packet's usual size.
_PACKET = struct.Struct("!IQ52x")
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python does not name it
_BATCH_S = 0.05
_PR_SET_TIMERSLACK = 29  # linux/prctl.h


@dataclass(frozen=True)
class Flow:
    """One direction between two hosts: an open socket at each end, and the address to send to."""

    name: str
    sender: socket.socket
    receiver: socket.socket
    destination: tuple[str, int]


def _send(flow: Flow, number: int, interval_s: float, path: Path) -> None:
    """Send until terminated, on an absolute schedule; then write what was sent."""
    sent: list[float] = []
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    _no_timer_slack()
    flow.sender.setblocking(False)
    due = time.time()
    while not ended:
        now = time.time()
        if due > now:
            time.sleep(due - now)
            now = time.time()
        packet = _PACKET.pack(number, len(sent))
        sent.append(now)
        with contextlib.suppress(OSError):  # a packet that the host itself cannot send is a lost packet
            flow.sender.sendto(packet, flow.destination)
        due += interval_s
    path.write_text("".join(f"{at:.9f}\n" for at in sent))


def _receive(flows: Sequence[Flow], path: Path) -> None:
    """Receive until terminated; then take what is still queued and write everything."""
    received: list[tuple[int, int, float]] = []
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    poller = select.poll()
    sockets = {flow.receiver.fileno(): flow.receiver for flow in flows}
    for descriptor in sockets:
        poller.register(descriptor, select.POLLIN)
    while True:
        last = ended
        for descriptor, _ in poller.poll(0):
            _drain(sockets[descriptor], received)
        if last:
            break
        time.sleep(_BATCH_S)  # the times are the kernel's: waking rarely costs nothing but a longer queue
    path.write_text("".join(f"{flow} {sequence} {at:.9f}\n" for flow, sequence, at in received))


def _drain(sock: socket.socket, received: list[tuple[int, int, float]]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            data, control, _, _ = sock.recvmsg(128, 64, socket.MSG_DONTWAIT)
            if len(data) != _PACKET.size:
                continue
            flow, sequence = _PACKET.unpack(data)
            for level, kind, value in control:
                if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("qq", value[:16])
                    received.append((flow, sequence, seconds + nanoseconds * 1e-9))


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


@contextlib.contextmanager
def probing(flows: Sequence[Flow], interval_s: float, path: Path, *, origin_s: float, tail_s: float) -> Iterator[None]:
    """Probe every flow while the block runs, then wait ``tail_s`` for the last packets and write ``path``.

    ``path`` becomes a CSV file with the columns flow, seq, sent_s, received_s (results/README.md).
    """
    parts = [path.with_name(f".sent-{number}") for number in range(len(flows))]
    arrivals = path.with_name(".received")
    for flow in flows:
        flow.receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        with contextlib.suppress(OSError):
            flow.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    receiver = _fork(lambda: _receive(flows, arrivals))
    senders = [
        _fork(lambda flow=flow, number=number, part=part: _send(flow, number, interval_s, part))  # type: ignore[misc]
        for number, (flow, part) in enumerate(zip(flows, parts, strict=True))
    ]
    try:
        yield
    finally:
        _end(senders)
        time.sleep(tail_s)
        _end([receiver])
        _merge(flows, parts, arrivals, path, origin_s)


def _end(children: Sequence[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGTERM)
    for child in children:
        os.waitpid(child, 0)


def _merge(flows: Sequence[Flow], parts: Sequence[Path], arrivals: Path, path: Path, origin_s: float) -> None:
    """One row for each packet sent, and one more for each duplicate, by flow, sequence and receive time."""
    received: dict[tuple[int, int], list[float]] = {}
    for line in arrivals.read_text().splitlines():
        place, order, at = line.split()
        received.setdefault((int(place), int(order)), []).append(float(at) - origin_s)
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("flow", "seq", "sent_s", "received_s"))
        for number, (flow, part) in enumerate(zip(flows, parts, strict=True)):
            for sequence, line in enumerate(part.read_text().splitlines()):
                sent = f"{float(line) - origin_s:.9f}"
                arrived = [f"{at:.9f}" for at in sorted(received.get((number, sequence), []))]
                for text in arrived or [""]:
                    rows.writerow((flow.name, sequence, sent, text))
            part.unlink()
    arrivals.unlink()
