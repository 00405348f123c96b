"""What is put back when others have taken it away: queues that Open vSwitch resets, addresses and routes that an
interface loses while it is down.
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
from testbed.inject.context import Site
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
_IFF_UP = 0x1
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True)
class _Queueing:
    """Messages that make an interface's queues, classes and filters again, in order."""

    made: tuple[tuple[int, bytes], ...]


@contextlib.contextmanager
def queueing(site: Site, interfaces: Sequence[str]) -> Iterator[None]:
    """However the block treats the queues of these interfaces, they are as before when it is left."""
    found = {}
    for name in interfaces:
        with rtnetlink.opened(site.network, site.network.topology.owner(name)) as kernel:
            found[name] = _queueing(kernel, site.network.index(name))
    try:
        yield
    finally:
        for name in interfaces:
            index = site.network.index(name)
            with rtnetlink.opened(site.network, site.network.topology.owner(name)) as kernel:
                if _queueing(kernel, index) != found[name]:
                    _clear(kernel, index)
                    for kind, payload in found[name].made:
                        kernel.tell(kind, CREATE | EXCLUSIVE, payload)


def _queueing(kernel: Rtnetlink, index: int) -> _Queueing:
    found = [(queue, payload) for queue, payload in tc.queues(kernel, index) if queue.handle]
    parents = sorted({queue.handle for queue, _ in found if queue.parent != tc.CLSACT})
    if any(queue.parent == tc.CLSACT for queue, _ in found):
        parents += [EGRESS, INGRESS]
    waiting = [(tc.NEW_QDISC, payload) for _, payload in found]
    # Classes and filters without options are those that others bring along by themselves.
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
    """The handle and the parent of what a message is about."""
    _, _, handle, parent, _ = tc.MESSAGE.unpack_from(payload)
    return handle, parent


def _bare(payload: bytes) -> bytes:
    """A message with what makes it, and without what it counted meanwhile."""
    told = attributes(payload, tc.MESSAGE.size)
    if told[tc.KIND] == b"htb\0" and (options := attributes(told[tc.OPTIONS], 0)).keys() & {_HTB_INIT}:
        # sch_htb.c shows its whole version and takes the upper half; struct tc_htb_glob ends with what it counted.
        version, *settings, _ = struct.unpack("=5I", options[_HTB_INIT])
        options[_HTB_INIT] = struct.pack("=5I", version >> 16, *settings, 0)
        told[tc.OPTIONS] = b"".join(attribute(kind, value) for kind, value in options.items())
    if (flags := _FLAGS.get(told[tc.KIND])) is not None:  # they tell what hardware does, and may not be asked for
        options = attributes(told[tc.OPTIONS], 0)
        told[tc.OPTIONS] = b"".join(attribute(kind, value) for kind, value in options.items() if kind != flags)
    return payload[: tc.MESSAGE.size] + b"".join(
        attribute(kind, told[kind]) for kind in (tc.KIND, tc.OPTIONS) if kind in told
    )


def _clear(kernel: Rtnetlink, index: int) -> None:
    for queue, _ in tc.queues(kernel, index):
        if queue.handle and queue.parent in (tc.ROOT, tc.CLSACT):
            kernel.tell(tc.DEL_QDISC, 0, tc.message(index, queue.handle, queue.parent))


@contextlib.contextmanager
def addressing(site: Site, host: str) -> Iterator[None]:
    """The host's addresses and routes are as before when the block is left; what is there anyway stays."""
    with rtnetlink.opened(site.network, host) as kernel:
        addresses = [a for family in _FAMILIES for a in kernel.dump(_GET_ADDRESS, struct.pack("=B7x", family))]
        routes = [r for family in _FAMILIES for r in kernel.dump(_GET_ROUTE, struct.pack("=B11x", family))]
    try:
        yield
    finally:
        with rtnetlink.opened(site.network, host) as kernel:
            for payload in addresses:
                _again(kernel, _NEW_ADDRESS, payload)
            for payload in routes:
                (flags,) = struct.unpack_from("=I", payload, _ROUTE_FLAGS)
                if not flags & _CLONED:
                    asked = struct.pack("=I", flags & _ROUTE_ASKED)
                    _again(kernel, _NEW_ROUTE, payload[:_ROUTE_FLAGS] + asked + payload[_ROUTE_FLAGS + 4 :])


def _again(kernel: Rtnetlink, kind: int, payload: bytes) -> None:
    """Make it unless it is there; what is on an interface that another fault holds down, that one brings back."""
    try:
        kernel.tell(kind, CREATE | EXCLUSIVE, payload)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENETDOWN, errno.ENETUNREACH):
            raise


@contextlib.contextmanager
def down(site: Site, node: str, interface: str) -> Iterator[None]:
    """The interface of that node, which may be a bond, is administratively down while any block asks for it."""
    with site.shared(("down", node, interface), lambda: _down(site, node, interface)):
        yield


@contextlib.contextmanager
def _down(site: Site, node: str, interface: str) -> Iterator[None]:
    netlink = site.network.netlink(node)
    index = int(netlink.link_lookup(ifname=interface)[0])
    (message,) = netlink.get_links(index)
    was_up = bool(message["flags"] & _IFF_UP)
    is_host = any(host.name == node for host in site.network.topology.hosts)
    with addressing(site, node) if is_host else contextlib.nullcontext():
        netlink.link("set", index=index, state="down")
        try:
            yield
        finally:
            netlink.link("set", index=index, state="up" if was_up else "down")
