"""Restoring what a fault removes on the side: queues that Open vSwitch resets, addresses and routes that an interface
loses while it is down.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from testbed.emulation.clsact import EGRESS, INGRESS
from testbed.inject import rtnetlink, tc
from testbed.inject.context import InjectionContext
from testbed.inject.rtnetlink import CREATE, EXCLUSIVE, Rtnetlink, attribute, attributes

_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_NEW_ROUTE, _GET_ROUTE = 24, 26
_NEW_CLASS, _GET_CLASS = 40, 42
_GET_FILTER = 46
_HTB_INIT = 2  # linux/pkt_sched.h: TCA_HTB_INIT
#: linux/pkt_cls.h: TCA_MATCHALL_FLAGS, TCA_U32_FLAGS, TCA_FLOWER_FLAGS.
_FLAGS = {b"matchall\0": 3, b"u32\0": 11, b"flower\0": 22}
_CLONED = 0x200  # linux/rtnetlink.h: RTM_F_CLONED
#: Where struct rtmsg has its flags, and which of them one may ask for: RTNH_F_PERVASIVE and RTNH_F_ONLINK.
_ROUTE_FLAGS, _ROUTE_ASKED = 8, 0x2 | 0x4
#: linux/rtnetlink.h: sizeof(struct rtmsg), RTA_NH_ID.
_ROUTE_BYTES, _NEXT_HOP_ID = 12, 30
#: linux/if_addr.h: sizeof(struct ifaddrmsg), IFA_LOCAL. linux/rtnetlink.h: RTA_DST, RTA_PREFSRC, where struct rtmsg has
#: its protocol, and RTPROT_STATIC: that of daemons is higher.
_ADDRESS_BYTES, _LOCAL = 8, 2
_TO, _PREFERRED, _PROTOCOL, _STATIC = 1, 7, 5, 4
_IFF_UP = 0x1
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True)
class _Queueing:
    """Messages that make an interface's queues, classes and filters again, in order."""

    made: tuple[tuple[int, bytes], ...]


@contextlib.contextmanager
def queueing(context: InjectionContext, interfaces: Sequence[str]) -> Iterator[None]:
    """The queues of these interfaces are as before when the block is left, whatever it does to them."""
    found = {}
    for name in interfaces:
        with rtnetlink.opened(context.network, context.network.topology.owner(name)) as kernel:
            found[name] = _queueing(kernel, context.network.index(name))
    try:
        yield
    finally:
        for name in interfaces:
            index = context.network.index(name)
            with rtnetlink.opened(context.network, context.network.topology.owner(name)) as kernel:
                if _queueing(kernel, index) != found[name]:
                    _clear(kernel, index)
                    for kind, payload in found[name].made:
                        kernel.change(kind, CREATE | EXCLUSIVE, payload)


def _queueing(kernel: Rtnetlink, index: int) -> _Queueing:
    found = [(queue, payload) for queue, payload in tc.queues(kernel, index) if queue.handle]
    parents = sorted({queue.handle for queue, _ in found if queue.parent != tc.CLSACT})
    if any(queue.parent == tc.CLSACT for queue, _ in found):
        parents += [EGRESS, INGRESS]
    waiting = [(tc.NEW_QDISC, payload) for _, payload in found]
    # Classes and filters without options are made by the kernel together with others.
    waiting += [(_NEW_CLASS, p) for p in kernel.dump(_GET_CLASS, tc.message(index, 0, 0)) if _has_options(p)]
    filters = [p for each in parents for p in kernel.dump(_GET_FILTER, tc.message(index, 0, each)) if _has_options(p)]
    ordered, made = [], {tc.ROOT, tc.CLSACT}
    while waiting:
        ready = [(kind, payload) for kind, payload in waiting if _place(payload)[1] in made]
        if not ready:
            raise ValueError(f"queues without parent: {[_place(payload) for _, payload in waiting]}")
        ordered += ready
        made |= {_place(payload)[0] for _, payload in ready}
        waiting = [each for each in waiting if each not in ready]
    ordered += [(tc.NEW_FILTER, payload) for payload in filters]
    return _Queueing(tuple((kind, _bare(payload)) for kind, payload in ordered))


def _has_options(payload: bytes) -> bool:
    return tc.OPTIONS in attributes(payload, tc.MESSAGE.size)


def _place(payload: bytes) -> tuple[int, int]:
    """The handle and the parent of the queue, class or filter in a message."""
    _, _, handle, parent, _ = tc.MESSAGE.unpack_from(payload)
    return handle, parent


def _bare(payload: bytes) -> bytes:
    """A message with the settings of a queue, class or filter, and without its counters."""
    given = attributes(payload, tc.MESSAGE.size)
    if given[tc.KIND] == b"htb\0" and (options := attributes(given[tc.OPTIONS], 0)).keys() & {_HTB_INIT}:
        # sch_htb.c shows its whole version and takes the upper half; struct tc_htb_glob ends with what it counted.
        version, *settings, _ = struct.unpack("=5I", options[_HTB_INIT])
        options[_HTB_INIT] = struct.pack("=5I", version >> 16, *settings, 0)
        given[tc.OPTIONS] = b"".join(attribute(kind, value) for kind, value in options.items())
    if (
        flags := _FLAGS.get(given[tc.KIND])
    ) is not None:  # they report what hardware does; the kernel refuses them in a request
        options = attributes(given[tc.OPTIONS], 0)
        given[tc.OPTIONS] = b"".join(attribute(kind, value) for kind, value in options.items() if kind != flags)
    return payload[: tc.MESSAGE.size] + b"".join(
        attribute(kind, given[kind]) for kind in (tc.KIND, tc.OPTIONS) if kind in given
    )


def _clear(kernel: Rtnetlink, index: int) -> None:
    for queue, _ in tc.queues(kernel, index):
        if queue.handle and queue.parent in (tc.ROOT, tc.CLSACT):
            kernel.change(tc.DEL_QDISC, 0, tc.message(index, queue.handle, queue.parent))


@dataclass(frozen=True)
class Boot:
    """A machine boots when it is restored: addresses ``without`` which it does so, as daemons give it them, and routes
    that daemons made, are gone."""

    without: frozenset[str]

    def lacks_address(self, payload: bytes) -> bool:
        """Whether it has not the address in a message."""
        found = attributes(payload, _ADDRESS_BYTES).get(_LOCAL, b"")
        return bool(found) and socket.inet_ntop(_family(payload), found) in self.without

    def lacks_route(self, payload: bytes) -> bool:
        """Whether it has not the route in a message."""
        own = attributes(payload, _ROUTE_BYTES)
        ends = [socket.inet_ntop(_family(payload), own[kind]) for kind in (_TO, _PREFERRED) if kind in own]
        return payload[_PROTOCOL] > _STATIC or not self.without.isdisjoint(ends)


def _family(payload: bytes) -> int:
    return payload[0]


@contextlib.contextmanager
def addressing(context: InjectionContext, host: str, boot: Boot | None = None) -> Iterator[None]:
    """The host's addresses and routes are as before when the block is left; those that were kept stay.

    Routes by next-hop objects are left to whoever made these objects, which the kernel deletes with the carrier.
    """
    with rtnetlink.opened(context.network, host) as kernel:
        addresses = [a for family in _FAMILIES for a in kernel.dump(_GET_ADDRESS, struct.pack("=B7x", family))]
        routes = [r for family in _FAMILIES for r in kernel.dump(_GET_ROUTE, struct.pack("=B11x", family))]
    if boot is not None:
        addresses = [each for each in addresses if not boot.lacks_address(each)]
        routes = [each for each in routes if not boot.lacks_route(each)]
    try:
        yield
    finally:
        with rtnetlink.opened(context.network, host) as kernel:
            for payload in addresses:
                _again(kernel, _NEW_ADDRESS, payload)
            for payload in routes:
                (flags,) = struct.unpack_from("=I", payload, _ROUTE_FLAGS)
                if not flags & _CLONED and _NEXT_HOP_ID not in attributes(payload, _ROUTE_BYTES):
                    asked = struct.pack("=I", flags & _ROUTE_ASKED)
                    _again(kernel, _NEW_ROUTE, payload[:_ROUTE_FLAGS] + asked + payload[_ROUTE_FLAGS + 4 :])


def _again(kernel: Rtnetlink, kind: int, payload: bytes) -> None:
    """Make an address or route unless it is there. On an interface that is down for another fault, that one does it."""
    try:
        kernel.change(kind, CREATE | EXCLUSIVE, payload)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENETDOWN, errno.ENETUNREACH):
            raise


@contextlib.contextmanager
def down(context: InjectionContext, node: str, interface: str, boot: Boot | None = None) -> Iterator[None]:
    """The interface of that node, which may be a bond, is administratively down while any block needs it down."""
    with context.shared(("down", node, interface), lambda: _down(context, node, interface, boot)):
        yield


@contextlib.contextmanager
def _down(context: InjectionContext, node: str, interface: str, boot: Boot | None) -> Iterator[None]:
    netlink = context.network.netlink(node)
    index = int(netlink.link_lookup(ifname=interface)[0])
    (message,) = netlink.get_links(index)
    was_up = bool(message["flags"] & _IFF_UP)
    is_machine = any(machine.name == node for machine in context.network.topology.machines())
    with addressing(context, node, boot) if is_machine else contextlib.nullcontext():
        netlink.link("set", index=index, state="down")
        try:
            yield
        finally:
            netlink.link("set", index=index, state="up" if was_up else "down")
