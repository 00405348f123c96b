"""Links of a network as values: what a cable carries, and what is known of each of its ends."""

from __future__ import annotations

import re
from dataclasses import dataclass

from testbed.errors import SpecError
from testbed.spec import validation
from testbed.spec.lag import Lag

#: What a link's rate may be, in Mbit/s: 1 Mbit/s to 100 Gbit/s.
RATE_RANGE_MBPS = (1.0, 100_000.0)
#: The longest delay of a link and the longest queue. With both, and at the highest rate, the packets that netem has to
#: hold are still a number of 32 bits (struct tc_netem_qopt, linux/pkt_sched.h).
MOST_DELAY_MS, MOST_QUEUE_PACKETS = 10_000.0, 1_000_000_000
_LATE = "no host would hear another within the time that a trial waits for it"
_COUNTED = "the kernel counts the packets of a queue with 32 bits"

#: How the queue in front of a link may be kept (tc(8)).
QDISCS = ("pfifo", "fq_codel", "fq")


@dataclass(frozen=True, kw_only=True)
class Cable:
    """What the links of a topology have in common; :class:`Link` says what each field means."""

    rate_mbps: float = 1000.0
    delay_ms: float = 0.0
    queue_packets: int = 1000
    qdisc: str = QDISCS[0]

    def between(self, a: str, a_interface: str, b: str, b_interface: str) -> Link:
        """Such a link between two interfaces."""
        return Link(a, a_interface, b, b_interface, self.rate_mbps, self.delay_ms, self.queue_packets, self.qdisc)


@dataclass(frozen=True)
class Link:
    """A full-duplex cable between two named interfaces.

    ``rate_mbps`` is the line rate of each direction in 10^6 bit/s of Ethernet as on the wire (preamble, FCS and
    inter-frame gap included), ``delay_ms`` the propagation delay of each direction, ``queue_packets`` the length
    of the queue in front of each direction, ``qdisc`` how it is kept: pfifo, first in, first out; fq, a queue for each
    flow; fq_codel, with CoDel as well. With a delay it is first in, first out. ``a_mac`` and ``b_mac`` are the MAC
    addresses of the two interfaces; empty: from the address plan (testbed.spec.addressing).
    """

    a: str
    a_interface: str
    b: str
    b_interface: str
    rate_mbps: float | None = 1000.0
    delay_ms: float = 0.0
    queue_packets: int = 1000
    qdisc: str = QDISCS[0]
    a_mac: str = ""
    b_mac: str = ""

    def __post_init__(self) -> None:
        for mac in (self.a_mac, self.b_mac):
            if mac and not re.fullmatch(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", mac):
                raise SpecError(f"{mac!r} of link {self.name} is not the MAC address of an interface")
        for interface in (self.a_interface, self.b_interface):
            validation.name("interface", interface)
        if self.rate_mbps is not None:
            low, high = RATE_RANGE_MBPS
            if not low <= self.rate_mbps <= high:
                raise SpecError(f"rate {self.rate_mbps:g} Mbit/s of link {self.name} is outside {low:g} to {high:g}")
        validation.at_least(f"delay_ms of link {self.name}", self.delay_ms, 0)
        validation.at_most(f"delay_ms of link {self.name}", self.delay_ms, MOST_DELAY_MS, _LATE)
        validation.choice(f"qdisc of link {self.name}", self.qdisc, QDISCS)
        if self.qdisc != QDISCS[0] and (self.delay_ms > 0 or self.rate_mbps is None):
            raise SpecError(
                f"qdisc {self.qdisc} of link {self.name} needs a rate, and no delay_ms: a delay has its own queue",
                f"Use --set delay_ms=0, or --set qdisc={QDISCS[0]}.",
            )
        validation.at_least(f"queue_packets of link {self.name}", self.queue_packets, 1)
        validation.at_most(f"queue_packets of link {self.name}", self.queue_packets, MOST_QUEUE_PACKETS, _COUNTED)

    @property
    def name(self) -> str:
        """The link's name: its two interfaces."""
        return f"{self.a_interface}--{self.b_interface}"

    @property
    def ends(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Node and interface of each end."""
        return (self.a, self.a_interface), (self.b, self.b_interface)

    @property
    def elements(self) -> frozenset[str]:
        """Its name and those of its nodes and interfaces: it is out when one of these has failed."""
        return frozenset((self.name, self.a, self.b, self.a_interface, self.b_interface))

    def beyond(self, node: str) -> str:
        """The node at the far end, seen from ``node``."""
        return self.b if self.a == node else self.a

    def end(self, node: str) -> str:
        """The interface of this link on ``node``."""
        return self.a_interface if node == self.a else self.b_interface

    def other(self, interface: str) -> tuple[str, str]:
        """The node and interface at the far end of ``interface``."""
        if interface == self.a_interface:
            return self.b, self.b_interface
        return self.a, self.a_interface


@dataclass(frozen=True)
class Port:
    """One end of a link, with all that the topology says of it.

    ``number`` is its place among its node's links, from 1: on a switch the OpenFlow port number. ``lag`` is the LAG
    of the switch side that it is in, if any. ``far`` is the interface at the other end of the link.
    """

    interface: str
    node: str
    number: int
    mac: str
    link: Link
    far: str
    lag: Lag | None
