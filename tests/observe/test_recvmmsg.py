"""Many packets with one call, over this machine's own loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from testbed.observe.probe import _dropped
from testbed.observe.recvmmsg import SO_TIMESTAMPNS, Batches


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket that sends to the other."""
    with socket.socket(type=socket.SOCK_DGRAM) as sender, socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiver.bind(("127.0.0.1", 0))
        sender.connect(receiver.getsockname())
        yield sender, receiver


def test_all_packets_come_in_order_with_their_octets_and_times(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair
    began = time.time()
    sent = [bytes([number]) * (1 + number % 100) for number in range(150)]  # more than one batch holds
    for packet in sent:
        sender.send(packet)
    batches = Batches()
    found = list(batches.drain(receiver))
    assert [octets for _, _, octets in found] == sent
    times = [at for at, _, _ in found]
    assert times == sorted(times)
    assert began - 1e-3 <= times[0]
    assert times[-1] <= time.time() + 1e-3
    port = int.from_bytes(found[0][1][2:4], "big")  # struct sockaddr_in (ip(7)): family, port in network order
    assert port == sender.getsockname()[1]
    assert list(batches.drain(receiver)) == []


def test_a_packet_that_is_too_long_is_cut_and_does_not_affect_the_next(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    sender.send(b"a" * 1000)
    sender.send(b"b" * 10)
    batches = Batches()
    assert [octets for _, _, octets in batches.drain(receiver)] == [b"a" * 128, b"b" * 10]


def test_packets_that_find_the_queue_full_are_counted(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    assert _dropped(receiver) == 0
    for _ in range(100):
        sender.send(b"x" * 64)
    came = len(list(Batches().drain(receiver)))
    assert 0 < came < 100
    assert _dropped(receiver) == 100 - came
