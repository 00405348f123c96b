"""Taps of this machine's own loopback, where that is allowed: runs of probe packets, and frames lost in the queue."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from testbed.observe import probe, tap_events, taps
from topologies.unprotected import unprotected

FLOW = 5


@contextlib.contextmanager
def open_tap() -> Iterator[tuple[taps.Tap, taps.Recording]]:
    """A tap of the loopback interface, with its recording."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    except PermissionError:
        pytest.skip("a packet socket needs CAP_NET_RAW (packet(7))")
    tap = taps.Tap("lo", sock)
    try:
        yield tap, taps.Recording([tap])
    finally:
        tap.close()


def send(count: int) -> None:
    """Probe packets over loopback."""
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for sequence in range(count):
            sender.sendto(probe.PACKET.pack(FLOW, sequence), ("127.0.0.1", probe.PORTS[-1]))


def runs(recording: taps.Recording) -> list[taps.Run]:
    """The runs of our packets, when all that the tap has queued is read."""
    ended = threading.Event()
    ended.set()
    recording.collect(ended)
    return [run for run in recording.runs if run.number == FLOW]


def test_consecutive_packets_are_one_run_in_each_direction() -> None:
    with open_tap() as (tap, recording):
        send(20)
        found = runs(recording)
        assert sorted(run.direction for run in found) == ["in", "out"]
        for run in found:
            assert (run.source_ip, run.target_ip) == ("127.0.0.1", "127.0.0.1")
            assert (run.first, run.last, run.packets) == (0, 19, 20)
            assert run.first_s < run.last_s
        assert tap.dropped == 0


def test_frames_lost_in_the_queue_are_known_before_and_after_the_tap_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taps, "_QUEUE_BYTES", 1)  # the kernel sets its minimum (socket(7))
    with open_tap() as (tap, recording):
        send(200)
        # Loopback shows each frame twice: as it leaves and as it arrives.
        lost = 2 * 200 - sum(run.packets for run in runs(recording))
        dropped = tap.dropped
        assert dropped >= lost > 0  # frames of other programs may be among them
        for _ in range(2):  # reading the kernel's counter does not reset ours
            events = tap_events.events(recording, unprotected(), 0.0)
            ((interface, frames),) = [(e["interface"], e["frames"]) for e in events if e["event"] == "unseen"]
            assert interface == "lo" and frames >= dropped
    assert recording.dropped["lo"] >= dropped
