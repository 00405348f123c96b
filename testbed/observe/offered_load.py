"""What a network carries of an offered load: UDP packets of many flows, sent at a constant rate for a short time.

a UDP socket for each flow, paced ---> network ---> one UDP socket, with the kernel's times of arrival

Many flows, so that hashes use every way. A load above what the ways carry shows what they carry; a small one, with the
octets that all links have sent meanwhile, shows what a packet costs on the wire. A short load fills no long queue: what
keeps the ways up (BFD, LACP) gets through.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from testbed.observe.hosts import EPHEMERAL_PORTS
from testbed.observe.recvmmsg import Batches, timestamped
from testbed.theory.loads import FULL_FLOWS

if TYPE_CHECKING:
    from testbed.emulation.network import Network

#: Octets of a packet's payload; with all headers it fits into the MTU of any technique here.
PAYLOAD_BYTES = 1400
_PORT = 5301
_FLOWS = FULL_FLOWS
_NUMBER = struct.Struct("!I")
_CHUNK = bytes(1 << 16)
_PADDING = bytes(PAYLOAD_BYTES - _NUMBER.size)
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h
_TICK_S = 0.001
#: The part of the time in which the queues begin to fill; it does not count.
_SETTLING = 0.1
#: How long the last packets may take: those of a full queue.
_TAIL_S = 0.15
#: How long a connection may take to deliver what it took.
_DRAINED_S = 2.0


def offer(
    network: Network, source: str, target: str, *, mbps: float, seconds: float, chance: random.Random
) -> dict[str, Any]:
    """Send ``mbps`` of payload for ``seconds`` from one host to another; ``chance`` draws the flows' ports.

    Returns how large the packets' payloads were; how many were ``sent``; how many of them were ``received`` in
    ``window_s``, which ends ``seconds`` after the first arrival; how many were ``delivered`` at all, and how many
    copies of these came besides (``duplicated``).
    """
    ports = chance.sample(EPHEMERAL_PORTS, _FLOWS)
    address = network.topology.host(target).ip
    count = max(1, round(mbps * 1e6 * seconds / (8 * PAYLOAD_BYTES)))
    arrivals: list[tuple[float, int]] = []
    room = 4 * count * PAYLOAD_BYTES + (1 << 20)
    with contextlib.ExitStack() as stack:
        receiver = stack.enter_context(network.socket(target))
        timestamped(receiver, room)
        receiver.bind(("", _PORT))
        senders = [stack.enter_context(network.socket(source, receiver.family)) for _ in ports]
        for sender, port in zip(senders, ports, strict=True):
            sender.bind(("", port))
            with contextlib.suppress(OSError):  # else a full queue would hold a flow's packets back
                sender.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, room)
        batches = Batches()

        def receive() -> None:
            arrivals.extend((at, _NUMBER.unpack_from(octets)[0]) for at, _, octets in batches.drain(receiver))

        _paced(count, seconds, lambda number: _send(senders[number % _FLOWS], address, number), receive)
        time.sleep(_TAIL_S)
        receive()
    first = {number: at for at, number in sorted(arrivals, reverse=True)}
    begin_s, settled_s = min(first.values(), default=0.0), _SETTLING * seconds
    return {
        "payload_bytes": PAYLOAD_BYTES,
        "sent": count,
        "window_s": round(seconds - settled_s, 9),
        "received": sum(settled_s <= at - begin_s < seconds for at in first.values()),
        "delivered": len(first),
        "duplicated": len(arrivals) - len(first),
    }


def stream(
    sender: socket.socket, receiver: socket.socket, *, seconds: float, octets: int | None = None
) -> dict[str, Any]:
    """Send over an open connection for ``seconds`` as much as it takes, or ``octets``; as `offer` counts packets.

    What is received in the second half of the time counts: TCP needs some to find out what it may send.
    """
    sender.setblocking(False)
    receiver.setblocking(False)
    begin_s, given, counted, received, took_s = time.monotonic(), 0, 0, 0, 0.0
    while (since_s := time.monotonic() - begin_s) < seconds + _DRAINED_S:
        with contextlib.suppress(OSError):  # it takes no more now, or for good
            while since_s < seconds and (octets is None or given < octets):
                given += sender.send(_CHUNK[: None if octets is None else octets - given])
        with contextlib.suppress(OSError):
            while got := len(receiver.recv(len(_CHUNK))):
                received += got
                took_s = time.monotonic() - begin_s
                counted += got if seconds / 2 <= since_s < seconds else 0
        if since_s >= seconds and received >= given:
            break
        time.sleep(_TICK_S)
    return {
        "payload_bytes": PAYLOAD_BYTES,
        "sent": max(1, given // PAYLOAD_BYTES),
        "window_s": seconds / 2,
        "received": counted // PAYLOAD_BYTES,
        "delivered": received // PAYLOAD_BYTES,
        "duplicated": 0,
        "took_s": round(took_s, 9),
    }


def _paced(count: int, seconds: float, send: Callable[[int], None], receive: Callable[[], None]) -> None:
    """Send packets 0 to ``count`` - 1 evenly over the time, those of a tick together."""
    begin_s, number = time.monotonic(), 0
    while number < count:
        due = min(count, int((time.monotonic() - begin_s) / seconds * count) + 1)
        while number < due:
            send(number)
            number += 1
        receive()
        time.sleep(_TICK_S)


def _send(sender: socket.socket, address: str, number: int) -> None:
    with contextlib.suppress(OSError):  # a packet that the host cannot send is a lost packet
        sender.sendto(_NUMBER.pack(number) + _PADDING, (address, _PORT))
