"""Links with a rate, a delay and a queue: what each direction's egress does to the packets.

The rate is enforced packet by packet by HTB, configured with the 24 octets of preamble, frame check sequence and
inter-frame gap that a cable carries and a veth does not, so that goodput is that of real Ethernet. Segmentation
offload is off: what crosses a link are frames of the link's MTU, which bonds and switches place one by one. A host
may take them in by batches, as a network card does.
"""

from __future__ import annotations

import array
import fcntl
import math
import socket
import struct
from pathlib import Path

from pyroute2 import IPRoute

from testbed.emulation import qdiscs
from testbed.spec import Link

#: Octets that Ethernet puts on the wire around the 1514 that the kernel counts: preamble 8, FCS 4, gap 12.
ETHERNET_OVERHEAD = 24
VLAN_TAG = 4
_FRAME = 1538
_BURST_US = 4
_ROOT, _LEAF = 0x10000, 0x20000  # qdisc handles 1: and 2:

#: The kernel's unit of time in queueing (include/net/pkt_sched.h, PSCHED_SHIFT: 64 ns).
_TICK_US = 0.064

_SIOCETHTOOL = 0x8946  # linux/sockios.h
#: linux/ethtool.h: the switches of what makes one packet of many, or many of one, below the protocol.
_STSO, _SGSO, _SGRO = 0x1F, 0x24, 0x2C


def set_offloads(sock: socket.socket, interface: str, *, receive: bool) -> None:
    """Switch TSO and GSO off and GRO as asked, on an interface of the namespace that ``sock`` was opened in."""
    for command, wanted in ((_STSO, 0), (_SGSO, 0), (_SGRO, int(receive))):
        value = array.array("B", struct.pack("II", command, wanted))
        address, _ = value.buffer_info()
        fcntl.ioctl(sock, _SIOCETHTOOL, struct.pack("16sP", interface.encode(), address))


def coalesce(pid: int, interface: str, rx_coalesce_us: int) -> None:
    """Let frames wait up to this long at a host's interface, to be handed up together (networking/napi.rst).

    What a network card does with its interrupts: without it a host would be woken for every single frame, which
    costs a guest most of its time. ``pid`` is a process in the host's namespaces.
    """
    settings = Path(f"/proc/{pid}/root/sys/class/net/{interface}")
    (settings / "gro_flush_timeout").write_text(str(rx_coalesce_us * 1000))
    (settings / "napi_defer_hard_irqs").write_text("1")


def coalesced_us(pid: int, interface: str) -> int:
    """How long frames wait at an interface, as the kernel has it."""
    settings = Path(f"/proc/{pid}/root/sys/class/net/{interface}")
    return int((settings / "gro_flush_timeout").read_text()) // 1000


def shape(netlink: IPRoute, index: int, link: Link, *, tagged: bool = False) -> None:
    """Shape the egress of one end of a link: its rate, propagation delay and queue.

    ``tagged``: its frames carry the tag of a VLAN, which travels beside them in a veth and is not counted.
    """
    parent = _ROOT
    if link.rate_mbps is not None:
        rate = round(link.rate_mbps * 1e6 / 8)
        netlink.tc("add", "htb", index, _ROOT, default=1)
        # One frame's worth of tokens: the link keeps its rate from the first packet on, with no burst above it. The
        # guest's timers are no finer than half a microsecond, so a faster link needs what it carries meanwhile.
        burst = max(_FRAME, rate * _BURST_US // 10**6)
        netlink.tc(
            "add-class",
            "htb",
            index,
            _ROOT + 1,
            parent=_ROOT,
            rate=rate,
            ceil=rate,
            burst=burst,
            cburst=burst,
            quantum=_FRAME - ETHERNET_OVERHEAD,
            overhead=ETHERNET_OVERHEAD + VLAN_TAG * tagged,
        )
        parent = _ROOT + 1
    if link.delay_ms > 0:
        # What is on its way takes no place in the queue: those packets come on top of it.
        limit = link.queue_packets + _flying(link.rate_mbps, link.delay_ms)
        netlink.tc("add", "netem", index, _LEAF, parent=parent, delay=round(link.delay_ms * 1e3), limit=limit)
    elif link.rate_mbps is not None:
        qdiscs.add(netlink, link.qdisc, index, _LEAF, parent, link.queue_packets)


def shaped(netlink: IPRoute, index: int) -> dict[str, float | str | None]:
    """How the egress of an interface is shaped now, by the kernel: what `shape` sets, in the words of a `Link`.

    ``queue_packets`` is None without a queue of its own; with a delay it is the length beyond what is on its way.
    """
    found: dict[str, float | str | None] = {"rate_mbps": None, "delay_ms": 0.0, "queue_packets": None, "qdisc": "pfifo"}
    for message in netlink.get_classes(index):
        if message.get_attr("TCA_KIND") == "htb":
            options = message.get_attr("TCA_OPTIONS")
            octets = options.get_attr("TCA_HTB_RATE64") or options.get_attr("TCA_HTB_PARMS")["rate"]
            found["rate_mbps"] = octets * 8 / 1e6
    for message in netlink.get_qdiscs(index):
        if message["handle"] != _LEAF:
            continue
        kind, options = message.get_attr("TCA_KIND"), message.get_attr("TCA_OPTIONS")
        limit = options["limit"] if kind in ("netem", "pfifo") else options.get_attr(qdiscs.LENGTHS[kind])
        if kind == "netem":
            found["delay_ms"] = options["delay"] * _TICK_US / 1e3
            limit -= _flying(found["rate_mbps"], found["delay_ms"])
        else:
            found["qdisc"] = kind
        found["queue_packets"] = limit
    return found


def _flying(rate_mbps: float | str | None, delay_ms: float | str | None) -> int:
    """How many full packets are on their way on a link with a delay."""
    return math.ceil(float(rate_mbps or 0) * 1e3 * float(delay_ms or 0) / (8 * _FRAME))
