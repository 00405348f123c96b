"""What an end of a cable drops, or how it delays frames: tc(8) over rtnetlink, undone exactly.

A filter is on the interface's egress hook (clsact), before its queue: what waits in the queue still goes out. Loss,
delay and a lower rate are in a netem queue that replaces the innermost queue, includes its delay, and is replaced by
it afterwards. What waits there at both instants is lost.
"""

from __future__ import annotations

import contextlib
import ipaddress
import struct
from collections.abc import Iterator, Sequence

from testbed.emulation.clsact import DROPPING, EGRESS
from testbed.inject import rtnetlink
from testbed.inject.context import InjectionContext
from testbed.inject.impairment import Impairment, Queue, netem
from testbed.inject.rtnetlink import CREATE, EXCLUSIVE, REPLACE, Rtnetlink, attribute, attributes

# linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h
NEW_QDISC, DEL_QDISC, GET_QDISC = 36, 37, 38
NEW_FILTER = 44
ROOT, CLSACT = 0xFFFF_FFFF, 0xFFFF_FFF1
KIND, OPTIONS = 1, 2
_MATCHALL_ACT, _U32_SEL, _U32_ACT, _GACT_PARMS, _STOLEN = 2, 5, 7, 2, 4

EVERY_PROTOCOL = 0x0003  # linux/if_ether.h: ETH_P_ALL
SLOW_PROTOCOLS = 0x8809  # IEEE 802.3, annex 57A: LACP among them
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD
_VRRP, _ADVERTISEMENT = 112, 136
_WORD = 0xFFFF_FFFF
_LOOPBACK_INDEX = 1  # net/core/dev.c: the first interface of every namespace
#: struct tcmsg: family, index, handle, parent, info.
MESSAGE = struct.Struct("=BxxxiIII")
_QUEUE = 0x30000  # handle 3:


def message(index: int, handle: int, parent: int, info: int = 0) -> bytes:
    """The fixed part of a message about an interface's queues or filters."""
    return MESSAGE.pack(0, index, handle, parent, info)


def _named(kind: str) -> bytes:
    return attribute(KIND, kind.encode() + b"\0")


def _drop(actions: int) -> bytes:
    """The list of actions that drops a packet without a word (tc-generic(8)), as the attribute ``actions`` of a filter.

    Of a packet that is shot (TC_ACT_SHOT) the kernel tells who sent it by a packet socket, as teamd does, that there
    was no room for it (ENOBUFS), and TCP that the host itself is congested. A cable that loses a frame tells nobody.
    """
    parameters = attribute(_GACT_PARMS, struct.pack("=IIiii", 0, 0, _STOLEN, 0, 0))
    return attribute(actions, attribute(1, _named("gact") + attribute(OPTIONS, parameters)))


@contextlib.contextmanager
def dropping(context: InjectionContext, interface: str, protocol: int = EVERY_PROTOCOL) -> Iterator[None]:
    """What the kernel would send out of the interface, or only frames of that EtherType, is dropped."""
    node, index = context.network.topology.owner(interface), context.network.index(interface)
    with _filter(context, node, index, protocol, "matchall", _drop(_MATCHALL_ACT)):
        yield


@contextlib.contextmanager
def cut_off(context: InjectionContext, address: str, port: int) -> Iterator[None]:
    """Segments from and to the TCP port at that loopback address of the switches' namespace are dropped."""
    node = context.network.topology.switches[0].name  # all switches share the controller's namespace
    number = int(ipaddress.IPv4Address(address))
    # Octets of an IPv4 header without options: source 12, destination 16; TCP's ports follow at 20.
    directions = (
        ((16, number, 0xFFFF_FFFF), (20, port, 0xFFFF)),  # to the port
        ((12, number, 0xFFFF_FFFF), (20, port << 16, 0xFFFF_0000)),  # from the port
    )
    with contextlib.ExitStack() as stack:
        for matches in directions:
            stack.enter_context(_filter(context, node, _LOOPBACK_INDEX, _IPV4, "u32", _u32(matches)))
        yield


@contextlib.contextmanager
def dropping_vrrp(context: InjectionContext, machine: str, interface: str) -> Iterator[None]:
    """VRRP's packets (RFC 5798, 5.1.1.4: IP protocol 112) that a machine would send by an interface are dropped.

    The interface may be one on top of a link's: a bond, or a VLAN on it.
    """
    (index,) = context.network.netlink(machine).link_lookup(ifname=interface)
    # IPv4's protocol is octet 9 of its header, IPv6's next header octet 6.
    places = ((_IPV4, (8, _VRRP << 16, 0x00FF_0000)), (_IPV6, (4, _VRRP << 8, 0x0000_FF00)))
    with contextlib.ExitStack() as stack:
        for protocol, match in places:
            stack.enter_context(_filter(context, machine, int(index), protocol, "u32", _u32([match])))
        yield


@contextlib.contextmanager
def dropping_announcements(context: InjectionContext, machine: str, interface: str, address: str) -> Iterator[None]:
    """Announcements of an address that a machine would send by an interface are dropped: gratuitous ARP (RFC 5227, 3),
    which asks for the sender's own address, and neighbor advertisements (RFC 4861, 4.4; ICMPv6's type 136)."""
    (index,) = context.network.netlink(machine).link_lookup(ifname=interface)
    ip = ipaddress.ip_address(address)
    words = [int.from_bytes(ip.packed[place : place + 4]) for place in range(0, len(ip.packed), 4)]
    if ip.version == 4:  # octets of ARP: sender's address 14, which is not a multiple of 4; target's 24
        protocol, matches = _ARP, [(24, words[0], _WORD)]
    else:  # octets of IPv6 and what follows its header: type 40, target 48
        protocol, matches = _IPV6, [(40, _ADVERTISEMENT << 24, 0xFF00_0000)]
        matches += [(48 + 4 * place, word, _WORD) for place, word in enumerate(words)]
    with _filter(context, machine, int(index), protocol, "u32", _u32(matches)):
        yield


def _u32(matches: Sequence[tuple[int, int, int]]) -> bytes:
    """The options of a u32 filter that drops packets with these (place from IP's header on, value, mask)."""
    selected = struct.pack(">BBBxHHHHI", 1, 0, len(matches), 0, 0, 0, 0, 0)  # struct tc_u32_sel
    keys = [struct.pack(">II", mask, value) + struct.pack("=ii", place, 0) for place, value, mask in matches]
    return attribute(_U32_SEL, selected + b"".join(keys)) + _drop(_U32_ACT)


@contextlib.contextmanager
def _filter(
    context: InjectionContext, node: str, index: int, protocol: int, kind: str, options: bytes
) -> Iterator[None]:
    """A filter on the egress hook of an interface, before those that count there."""
    with context.network.clsact.priorities(node, index, EGRESS, DROPPING) as (priority,):
        info = priority << 16 | (protocol & 0xFF) << 8 | protocol >> 8  # the EtherType in the network's order
        with rtnetlink.opened(context.network, node) as kernel:
            head = message(index, 0, EGRESS, info) + _named(kind)
            kernel.change(NEW_FILTER, CREATE | EXCLUSIVE, head + attribute(OPTIONS, options))
        yield


@contextlib.contextmanager
def impaired(context: InjectionContext, interface: str, impairment: Impairment) -> Iterator[None]:
    """The impairment hits what the interface sends, together with those that hit it already."""
    impairments = context.impairments.setdefault(interface, [])
    with context.shared(("queue", interface), lambda: _replaced(context, interface)):
        impairments.append(impairment)
        try:
            _impair(context, interface)
            yield
        finally:
            impairments.remove(impairment)
            if impairments:
                _impair(context, interface)


@contextlib.contextmanager
def _replaced(context: InjectionContext, interface: str) -> Iterator[None]:
    """The innermost queue of the interface may be another one while the block runs."""
    node, index = context.network.topology.owner(interface), context.network.index(interface)
    with rtnetlink.opened(context.network, node) as kernel:
        found = context.found_queues[interface] = _innermost(kernel, index)
    try:
        yield
    finally:
        del context.found_queues[interface]
        with rtnetlink.opened(context.network, node) as kernel:
            if found.handle:
                head = message(index, found.handle, found.parent) + _named(found.kind)
                kernel.change(NEW_QDISC, CREATE | REPLACE, head + attribute(OPTIONS, found.options))
            else:
                kernel.change(DEL_QDISC, 0, message(index, _QUEUE, found.parent))


def _impair(context: InjectionContext, interface: str) -> None:
    found, link = context.found_queues[interface], context.network.topology.link_of(interface)
    with rtnetlink.opened(context.network, context.network.topology.owner(interface)) as kernel:
        head = message(context.network.index(interface), _QUEUE, found.parent) + _named("netem")
        options = netem(found, link, context.impairments[interface])
        kernel.change(NEW_QDISC, CREATE | REPLACE, head + attribute(OPTIONS, options))


def queues(kernel: Rtnetlink, index: int) -> list[tuple[Queue, bytes]]:
    """The queueing disciplines of an interface, each with the kernel's message."""
    found = []
    for payload in kernel.dump(GET_QDISC, message(index, 0, 0)):
        _, owner, handle, parent, _ = MESSAGE.unpack_from(payload)
        if owner == index:
            given = attributes(payload, MESSAGE.size)
            found.append((Queue(given[KIND].rstrip(b"\0").decode(), handle, parent, given.get(OPTIONS, b"")), payload))
    return found


def _innermost(kernel: Rtnetlink, index: int) -> Queue:
    """The queue that has no other below it; of an interface without any, the place for one."""
    found = [queue for queue, _ in queues(kernel, index) if queue.handle and queue.parent != CLSACT]
    parents = {queue.parent >> 16 for queue in found}
    return next((queue for queue in found if queue.handle >> 16 not in parents), Queue("", 0, ROOT))
