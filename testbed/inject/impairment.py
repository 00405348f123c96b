"""Loss, delay and a lower rate as values, and as the options of the netem queue that applies them (tc-netem(8))."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.emulation.shaping import ETHERNET_OVERHEAD
from testbed.inject.rtnetlink import attribute, attributes
from testbed.spec import Link

_FRAME_BITS = 1538 * 8
#: linux/pkt_sched.h: TCA_NETEM_RATE, TCA_NETEM_LATENCY64, TCA_NETEM_PRNG_SEED.
_RATE, _LATENCY, _SEED = 6, 10, 14
#: struct tc_netem_qopt: latency (in ticks), limit, loss, gap, duplicate, jitter; a probability is a part of ALWAYS.
NETEM, ALWAYS = struct.Struct("=IIIIII"), 0xFFFF_FFFF


@dataclass(frozen=True)
class Impairment:
    """What happens to the frames of one direction of a link.

    ``loss`` is the part of them that is lost, at random by ``seed``. ``delay_ms`` is added to the link's delay.
    ``rate_mbps`` is the most that the direction carries; 0: as much as before.
    """

    loss: float = 0.0
    seed: int = 0
    delay_ms: float = 0.0
    rate_mbps: float = 0.0


@dataclass(frozen=True)
class Queue:
    """A queueing discipline as the kernel reports it; handle 0: one that the kernel adds by itself."""

    kind: str
    handle: int
    parent: int
    options: bytes = b""

    @property
    def limit(self) -> int | None:
        """How many packets it holds, if it is of one of the two kinds that our links have."""
        place = {"pfifo": 0, "netem": 4}.get(self.kind)
        return None if place is None else int(struct.unpack_from("=I", self.options, place)[0])

    @property
    def delay_ns(self) -> int:
        """How long it delays a packet on purpose."""
        if self.kind != "netem":
            return 0
        return int(struct.unpack("=q", attributes(self.options, NETEM.size)[_LATENCY])[0])


def netem(found: Queue, link: Link, impairments: Sequence[Impairment]) -> bytes:
    """The options of a netem queue that applies all impairments, and what the queue ``found`` there did already.

    It takes the place of ``found`` in one direction of the link.
    """
    passing = math.prod(1 - each.loss for each in impairments)
    delay_ms = sum(each.delay_ms for each in impairments)
    rates = [each.rate_mbps for each in impairments if each.rate_mbps]
    seeds = [each.seed for each in impairments if each.loss]
    # Packets in flight take no place in the queue: they come on top of it.
    in_flight = math.ceil((link.rate_mbps or 0) * 1e3 * delay_ms / _FRAME_BITS)
    limit = (link.queue_packets if found.limit is None else found.limit) + in_flight
    before = found.options if found.kind == "netem" else bytes(NETEM.size)
    latency, _, loss, *others = NETEM.unpack_from(before)
    options = attributes(before, NETEM.size)
    options[_LATENCY] = struct.pack("=q", found.delay_ns + round(delay_ms * 1e6))
    if rates:
        options[_RATE] = struct.pack("=IiIi", round(min(rates) * 1e6 / 8), ETHERNET_OVERHEAD, 0, 0)
    if seeds:
        options[_SEED] = struct.pack("=Q", seeds[0])
    passing *= 1 - loss / ALWAYS
    fixed = NETEM.pack(latency, limit, round((1 - passing) * ALWAYS), *others)
    return fixed + b"".join(attribute(kind, value) for kind, value in sorted(options.items()))
