"""What links can carry: goodput by the headers that are sent, links that flows use, fairness. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from testbed.errors import SpecError, unknown
from testbed.spec.bond import DRIVER_MODES, EVERY_MODE, TRAILER_BYTES

#: Octets around an IP packet on the wire: header 14, FCS 4, preamble and start delimiter 8 (IEEE 802.3-2018,
#: 3.1.1), inter-packet gap 12 (4.4.2). The kernel counts the header; a shaper is configured with the other 24.
ETHERNET_HEADER_BYTES = 14
ETHERNET_OVERHEAD_BYTES = 4 + 8 + 12
#: The tag of a frame in a VLAN (IEEE 802.1Q-2018, 9.6).
VLAN_TAG_BYTES = 4
#: Octets of the IP header by its version (RFC 791, 3.1; RFC 8200, 3).
IP_HEADER_BYTES = {4: 20, 6: 40}
#: TCP header (RFC 9293, 3.1), padded timestamps option (RFC 7323, appendix A); UDP header (RFC 768).
TCP_HEADER_BYTES, UDP_HEADER_BYTES = 20 + 12, 8

#: Modes that give one pair of hosts one member's rate, however many there are (bonding.rst, "mode"): one is active; all
#: carry the same (broadcast, prp, hsr); all is received by the current member; receiving is balanced by peer.
ONE_MEMBER_MODES = ("active-backup", "broadcast", "balance-tlb", "balance-alb", "prp", "hsr")


def frame_bytes(mtu: int, *, vlan: bool = False, overhead_bytes: int = ETHERNET_OVERHEAD_BYTES) -> int:
    """What a full frame takes of a line, in octets.

    ``overhead_bytes`` is what the line (or the shaper) counts beyond the Ethernet header and the tag of a VLAN.
    """
    return mtu + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES * vlan + overhead_bytes


def payload_bytes(protocol: str, mtu: int = 1500, ip: int = 4) -> int:
    """The most payload of a packet of TCP, with timestamps, or UDP over IP version ``ip`` that is not fragmented.

    Errors: SpecError for an unknown protocol, or an MTU without room for payload.
    """
    headers = {"tcp": TCP_HEADER_BYTES, "udp": UDP_HEADER_BYTES}
    if protocol not in headers:
        raise unknown("protocol", protocol, headers)
    needed = IP_HEADER_BYTES[ip] + headers[protocol]
    if mtu <= needed:
        words = f"IPv{ip} and {protocol.upper()} headers"
        raise SpecError(f"mtu is {mtu}; wanted more than the {needed} octets of {words}")
    return mtu - needed


def goodput_fraction(
    protocol: str, mtu: int = 1500, *, ip: int = 4, vlan: bool = False, trailer_bytes: int = 0
) -> float:
    """The part of a line rate that full packets deliver as payload.

    ``trailer_bytes`` of the MTU are no packet (`Bond.trailer_bytes`).

    At MTU 1500 TCP has 1448/1538 over IPv4, 1428/1538 over IPv6, 1448/1542 in a VLAN, 1442/1538 with PRP or HSR; UDP
    1472/1538 over IPv4.
    """
    return payload_bytes(protocol, mtu - trailer_bytes, ip) / frame_bytes(mtu, vlan=vlan)


def ideal_mbps(
    mode: str,
    members: int,
    rate_mbps: float,
    mtu: int = 1500,
    protocol: str = "tcp",
    *,
    ip: int = 4,
    vlan: bool = False,
) -> float:
    """The most that flows between one pair of bonded hosts receive together, in Mbit/s of payload."""
    if mode not in EVERY_MODE:
        raise unknown("bonding mode", mode, EVERY_MODE)
    used = 1 if mode in ONE_MEMBER_MODES else members
    trailer = TRAILER_BYTES if DRIVER_MODES.get(mode) == "hsr" else 0
    return used * rate_mbps * goodput_fraction(protocol, mtu, ip=ip, vlan=vlan, trailer_bytes=trailer)


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


def jain_index(shares: Sequence[float]) -> float:
    """Jain's fairness index (sum x)^2 / (n sum x^2): 1 is equal, 1/n is all to one, 0 is all to none.

    R. Jain, D. Chiu, W. Hawe, "A quantitative measure of fairness and discrimination", DEC-TR-301, 1984.
    """
    squares = math.fsum(share * share for share in shares)
    return math.fsum(shares) ** 2 / (len(shares) * squares) if squares else 0.0
