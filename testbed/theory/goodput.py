"""What links can carry: goodput of TCP, shares of flows that a hash places, fairness. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from testbed.errors import SpecError, unknown
from testbed.spec import MODES

#: Octets around an IP packet on the wire: header 14, FCS 4, preamble and start delimiter 8 (IEEE 802.3-2018,
#: 3.1.1), inter-packet gap 12 (4.4.2). The kernel counts the header; a shaper is configured with the other 24.
ETHERNET_HEADER_BYTES = 14
ETHERNET_OVERHEAD_BYTES = 4 + 8 + 12
#: IPv4 header (RFC 791, 3.1), TCP header (RFC 9293, 3.1), padded timestamps option (RFC 7323, appendix A).
IPV4_TCP_HEADER_BYTES = 20 + 20 + 12
#: IPv4 header, UDP header (RFC 768).
IPV4_UDP_HEADER_BYTES = 20 + 8

#: Modes that give one pair of hosts one member's rate, however many there are (bonding.rst, "mode"): one is
#: active; all carry the same; all is received by the current member; receiving is balanced by peer.
ONE_MEMBER_MODES = ("active-backup", "broadcast", "balance-tlb", "balance-alb")


def tcp_goodput_fraction(mtu: int = 1500, overhead_bytes: int = ETHERNET_OVERHEAD_BYTES) -> float:
    """The part of a line rate that TCP over IPv4 with timestamps delivers: 1448/1538 at MTU 1500.

    ``overhead_bytes`` is what the line (or the shaper) counts beyond the 14 octets of the Ethernet header.
    """
    if mtu <= IPV4_TCP_HEADER_BYTES:
        raise SpecError(f"mtu is {mtu}; wanted more than the {IPV4_TCP_HEADER_BYTES} octets of IPv4 and TCP headers")
    return (mtu - IPV4_TCP_HEADER_BYTES) / (mtu + ETHERNET_HEADER_BYTES + overhead_bytes)


def udp_payload_bytes(mtu: int = 1500) -> int:
    """The longest payload of a UDP datagram over IPv4 that is not fragmented."""
    if mtu <= IPV4_UDP_HEADER_BYTES:
        raise SpecError(f"mtu is {mtu}; wanted more than the {IPV4_UDP_HEADER_BYTES} octets of IPv4 and UDP headers")
    return mtu - IPV4_UDP_HEADER_BYTES


def udp_goodput_fraction(mtu: int = 1500, overhead_bytes: int = ETHERNET_OVERHEAD_BYTES) -> float:
    """The part of a line rate that full UDP datagrams over IPv4 deliver: 1472/1538 at MTU 1500."""
    return udp_payload_bytes(mtu) / (mtu + ETHERNET_HEADER_BYTES + overhead_bytes)


def ideal_mbps(mode: str, members: int, rate_mbps: float, mtu: int = 1500, protocol: str = "tcp") -> float:
    """The most that flows between one pair of bonded hosts receive together, in Mbit/s of payload."""
    if mode not in MODES:
        raise unknown("bonding mode", mode, MODES)
    fractions = {"tcp": tcp_goodput_fraction, "udp": udp_goodput_fraction}
    if protocol not in fractions:
        raise unknown("protocol", protocol, fractions)
    used = 1 if mode in ONE_MEMBER_MODES else members
    return used * rate_mbps * fractions[protocol](mtu)


def queue_s(rate_mbps: float, queue_packets: int, mtu: int = 1500) -> float:
    """How long a link takes for a full queue of full frames in front of it, in seconds."""
    return queue_packets * (mtu + ETHERNET_HEADER_BYTES + ETHERNET_OVERHEAD_BYTES) * 8 / (rate_mbps * 1e6)


def expected_links_used(flows: int, links: int) -> float:
    """How many of ``links`` carry at least one of ``flows`` that are placed independently and evenly.

    k (1 - (1 - 1/k)^n), the expected number of occupied cells when n balls fall into k (W. Feller, An
    Introduction to Probability Theory and Its Applications, volume 1, chapter IV).
    """
    if links < 1 or flows < 0:
        raise SpecError(f"{flows} flows on {links} links; wanted 0 flows or more on 1 link or more")
    return links * (1 - (1 - 1 / links) ** flows)


def random_hash_expectation_mbps(flows: int, members: int, rate_mbps: float, mtu: int = 1500) -> float:
    """The goodput to expect of greedy flows that a random hash places: every member that is used is full."""
    return expected_links_used(flows, members) * rate_mbps * tcp_goodput_fraction(mtu)


def jain_index(shares: Sequence[float]) -> float:
    """Jain's fairness index (sum x)^2 / (n sum x^2): 1 is equal, 1/n is all to one, 0 is all to none.

    R. Jain, D. Chiu, W. Hawe, "A quantitative measure of fairness and discrimination", DEC-TR-301, 1984.
    """
    squares = math.fsum(share * share for share in shares)
    return math.fsum(shares) ** 2 / (len(shares) * squares) if squares else 0.0
