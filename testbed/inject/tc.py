"""What a cable's end drops, or does to its queue: tc(8) over rtnetlink, taken away without a trace.

A filter is on the interface's egress hook (clsact), before its queue: what waits there already still goes out. Loss,
delay and a lower rate take the place of the innermost queue, whose own delay goes into theirs, and give it back
afterwards: what waits there at both instants is lost.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from testbed.emulation.clsact import DROPPING, EGRESS
from testbed.emulation.shaping import ETHERNET_OVERHEAD
from testbed.inject import rtnetlink
from testbed.inject.context import Site
from testbed.inject.rtnetlink import CREATE, EXCLUSIVE, REPLACE, Rtnetlink, attribute, attributes
from testbed.spec import Link

# linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h
NEW_QDISC, DEL_QDISC, GET_QDISC = 36, 37, 38
NEW_FILTER = 44
ROOT, CLSACT = 0xFFFF_FFFF, 0xFFFF_FFF1
KIND, OPTIONS = 1, 2
_MATCHALL_ACT, _U32_SEL, _U32_ACT, _GACT_PARMS, _SHOT = 2, 5, 7, 2, 2
_NETEM_RATE, _NETEM_LATENCY, _NETEM_SEED = 6, 10, 14

EVERY_PROTOCOL = 0x0003  # linux/if_ether.h: ETH_P_ALL
SLOW_PROTOCOLS = 0x8809  # IEEE 802.3, annex 57A: LACP among them
_IPV4 = 0x0800
_LOOPBACK_INDEX = 1  # net/core/dev.c: the first interface of every namespace
#: struct tcmsg: family, index, handle, parent, info.
MESSAGE = struct.Struct("=BxxxiIII")
_QUEUE = 0x30000  # handle 3:
_FRAME_BITS = 1538 * 8
#: struct tc_netem_qopt: latency (in ticks), limit, loss, gap, duplicate, jitter; a probability is a part of _ALWAYS.
_NETEM, _ALWAYS = struct.Struct("=IIIIII"), 0xFFFF_FFFF


def message(index: int, handle: int, parent: int, info: int = 0) -> bytes:
    """The fixed part of a message about an interface's queues or filters."""
    return MESSAGE.pack(0, index, handle, parent, info)


def _named(kind: str) -> bytes:
    return attribute(KIND, kind.encode() + b"\0")


def _dropped(actions: int) -> bytes:
    """The list of actions, of that kind, that drops a packet (tc-generic(8))."""
    parameters = attribute(_GACT_PARMS, struct.pack("=IIiii", 0, 0, _SHOT, 0, 0))
    return attribute(actions, attribute(1, _named("gact") + attribute(OPTIONS, parameters)))


@contextlib.contextmanager
def dropping(site: Site, interface: str, protocol: int = EVERY_PROTOCOL) -> Iterator[None]:
    """Whatever the kernel would send out of the interface, or only frames of that EtherType, is dropped."""
    node, index = site.network.topology.owner(interface), site.network.index(interface)
    options = _dropped(_MATCHALL_ACT)
    with _filter(site, node, index, protocol, "matchall", options):
        yield


@contextlib.contextmanager
def cut_off(site: Site, address: str, port: int) -> Iterator[None]:
    """Segments between the TCP port and that loopback address of ours, both ways, are dropped."""
    node = site.network.topology.switches[0].name  # all switches are where the controller is
    number = int(ipaddress.IPv4Address(address))
    # Octets of an IPv4 header without options: source 12, destination 16; TCP's ports follow at 20.
    ways = (
        ((16, number, 0xFFFF_FFFF), (20, port, 0xFFFF)),  # to it
        ((12, number, 0xFFFF_FFFF), (20, port << 16, 0xFFFF_0000)),  # from it
    )
    with contextlib.ExitStack() as stack:
        for matches in ways:
            stack.enter_context(_filter(site, node, _LOOPBACK_INDEX, _IPV4, "u32", _u32(matches)))
        yield


def _u32(matches: Sequence[tuple[int, int, int]]) -> bytes:
    """The options of a u32 filter that drops packets with these (place from IP's header on, value, mask)."""
    selected = struct.pack(">BBBxHHHHI", 1, 0, len(matches), 0, 0, 0, 0, 0)  # struct tc_u32_sel
    keys = [struct.pack(">II", mask, value) + struct.pack("=ii", place, 0) for place, value, mask in matches]
    return attribute(_U32_SEL, selected + b"".join(keys)) + _dropped(_U32_ACT)


@contextlib.contextmanager
def _filter(site: Site, node: str, index: int, protocol: int, kind: str, options: bytes) -> Iterator[None]:
    """A filter on the egress hook of an interface, before all that count there."""
    with site.network.clsact.priorities(node, index, EGRESS, DROPPING) as (priority,):
        info = priority << 16 | (protocol & 0xFF) << 8 | protocol >> 8  # the EtherType in the network's order
        with rtnetlink.opened(site.network, node) as kernel:
            head = message(index, 0, EGRESS, info) + _named(kind)
            kernel.tell(NEW_FILTER, CREATE | EXCLUSIVE, head + attribute(OPTIONS, options))
        yield


@dataclass(frozen=True)
class Impairment:
    """What befalls the frames of one direction: the part of them lost, at random by ``seed``; delay and rate."""

    loss: float = 0.0
    seed: int = 0
    delay_ms: float = 0.0
    rate_mbps: float = 0.0


@contextlib.contextmanager
def impaired(site: Site, interface: str, impairment: Impairment) -> Iterator[None]:
    """That befalls what the interface sends, together with whatever else does already."""
    queue = site.queues.setdefault(interface, [])
    with site.shared(("queue", interface), lambda: _replaced(site, interface)):
        queue.append(impairment)
        try:
            _impair(site, interface)
            yield
        finally:
            queue.remove(impairment)
            if queue:
                _impair(site, interface)


@contextlib.contextmanager
def _replaced(site: Site, interface: str) -> Iterator[None]:
    """The innermost queue of the interface may be another while the block runs."""
    node, index = site.network.topology.owner(interface), site.network.index(interface)
    with rtnetlink.opened(site.network, node) as kernel:
        found = site.found_queues[interface] = _innermost(kernel, index)
    try:
        yield
    finally:
        del site.found_queues[interface]
        with rtnetlink.opened(site.network, node) as kernel:
            if found.handle:
                head = message(index, found.handle, found.parent)
                kernel.tell(NEW_QDISC, CREATE | REPLACE, head + _named(found.kind) + attribute(OPTIONS, found.options))
            else:
                kernel.tell(DEL_QDISC, 0, message(index, _QUEUE, found.parent))


def _impair(site: Site, interface: str) -> None:
    found, link = site.found_queues[interface], site.network.topology.link_of(interface)
    with rtnetlink.opened(site.network, site.network.topology.owner(interface)) as kernel:
        head = message(site.network.index(interface), _QUEUE, found.parent) + _named("netem")
        options = netem(found, link, site.queues[interface])
        kernel.tell(NEW_QDISC, CREATE | REPLACE, head + attribute(OPTIONS, options))


@dataclass(frozen=True)
class Queue:
    """A queueing discipline as the kernel tells of it; handle 0: one that the kernel puts there by itself."""

    kind: str
    handle: int
    parent: int
    options: bytes = b""

    @property
    def limit(self) -> int | None:
        """How many packets it holds, if it is one of the two kinds that our links have."""
        place = {"pfifo": 0, "netem": 4}.get(self.kind)
        return None if place is None else int(struct.unpack_from("=I", self.options, place)[0])

    @property
    def delay_ns(self) -> int:
        """How long it delays a packet on purpose."""
        if self.kind != "netem":
            return 0
        return int(struct.unpack("=q", attributes(self.options, _NETEM.size)[_NETEM_LATENCY])[0])


def queues(kernel: Rtnetlink, index: int) -> list[tuple[Queue, bytes]]:
    """The queueing disciplines of an interface, each with the kernel's message."""
    found = []
    for payload in kernel.dump(GET_QDISC, message(index, 0, 0)):
        _, owner, handle, parent, _ = MESSAGE.unpack_from(payload)
        if owner == index:
            told = attributes(payload, MESSAGE.size)
            found.append((Queue(told[KIND].rstrip(b"\0").decode(), handle, parent, told.get(OPTIONS, b"")), payload))
    return found


def _innermost(kernel: Rtnetlink, index: int) -> Queue:
    """The queue that no other is below of; of an interface without any, the place for one."""
    found = [queue for queue, _ in queues(kernel, index) if queue.handle and queue.parent != CLSACT]
    parents = {queue.parent >> 16 for queue in found}
    return next((queue for queue in found if queue.handle >> 16 not in parents), Queue("", 0, ROOT))


def netem(found: Queue, link: Link, impairments: list[Impairment]) -> bytes:
    """The options of the netem queue that does all of that to a direction of the link, besides what was found there."""
    passing = math.prod(1 - each.loss for each in impairments)
    delay_ms = sum(each.delay_ms for each in impairments)
    rates = [each.rate_mbps for each in impairments if each.rate_mbps]
    seeds = [each.seed for each in impairments if each.loss]
    # What is on its way takes no place in the queue: those packets come on top of it.
    flying = math.ceil((link.rate_mbps or 0) * 1e3 * delay_ms / _FRAME_BITS)
    limit = (link.queue_packets if found.limit is None else found.limit) + flying
    before = found.options if found.kind == "netem" else bytes(_NETEM.size)
    latency, _, loss, *others = _NETEM.unpack_from(before)
    told = attributes(before, _NETEM.size)
    told[_NETEM_LATENCY] = struct.pack("=q", found.delay_ns + round(delay_ms * 1e6))
    if rates:
        told[_NETEM_RATE] = struct.pack("=IiIi", round(min(rates) * 1e6 / 8), ETHERNET_OVERHEAD, 0, 0)
    if seeds:
        told[_NETEM_SEED] = struct.pack("=Q", seeds[0])
    passing *= 1 - loss / _ALWAYS
    options = _NETEM.pack(latency, limit, round((1 - passing) * _ALWAYS), *others)
    return options + b"".join(attribute(kind, value) for kind, value in sorted(told.items()))
