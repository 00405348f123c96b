"""What theory predicts, to be drawn beside what was measured. Pure; every formula names its source.

bonding.rst is the kernel's Documentation/networking/bonding.rst; "the driver" is its drivers/net/bonding.
IEEE 802.1AX is the 2014 edition. Rates are in 10^6 bit/s, times in seconds unless a name says otherwise.
"""

from __future__ import annotations

import ipaddress
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from testbed.errors import SpecError, unknown
from testbed.spec import MODES, Bond

#: Octets around an IP packet on the wire: header 14, FCS 4, preamble and start delimiter 8 (IEEE 802.3-2018,
#: 3.1.1), inter-packet gap 12 (4.4.2). The kernel counts the header; a shaper is told of the other 24.
ETHERNET_HEADER_BYTES = 14
ETHERNET_OVERHEAD_BYTES = 4 + 8 + 12
#: IPv4 header (RFC 791, 3.1), TCP header (RFC 9293, 3.1), padded timestamps option (RFC 7323, appendix A).
IPV4_TCP_HEADER_BYTES = 20 + 20 + 12

#: Modes that give one pair of hosts one member's rate, however many there are (bonding.rst, "mode"): one is
#: active; all carry the same; all is received by the current member; receiving is balanced by peer.
ONE_MEMBER_MODES = ("active-backup", "broadcast", "balance-tlb", "balance-alb")
#: Modes in which the transmit hash alone decides the member (the driver: bond_xmit_3ad_xor_slave_get).
HASH_MODES = ("balance-xor", "802.3ad")


def tcp_goodput_fraction(mtu: int = 1500, overhead_bytes: int = ETHERNET_OVERHEAD_BYTES) -> float:
    """The part of a line rate that TCP over IPv4 with timestamps delivers: 1448/1538 at MTU 1500.

    ``overhead_bytes`` is what the line (or the shaper) counts beyond the 14 octets of the Ethernet header.
    """
    if mtu <= IPV4_TCP_HEADER_BYTES:
        raise SpecError(f"mtu is {mtu}; wanted more than the {IPV4_TCP_HEADER_BYTES} octets of IPv4 and TCP headers")
    return (mtu - IPV4_TCP_HEADER_BYTES) / (mtu + ETHERNET_HEADER_BYTES + overhead_bytes)


def ideal_mbps(mode: str, members: int, rate_mbps: float, mtu: int = 1500) -> float:
    """The most that TCP flows between one pair of bonded hosts receive together, in Mbit/s of payload."""
    if mode not in MODES:
        raise unknown("bonding mode", mode, MODES)
    used = 1 if mode in ONE_MEMBER_MODES else members
    return used * rate_mbps * tcp_goodput_fraction(mtu)


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


@dataclass(frozen=True)
class Tuple5:
    """One direction of a TCP or UDP conversation as the sending bond sees it, with its MAC addresses."""

    source_mac: str
    target_mac: str
    source_ip: str
    target_ip: str
    source_port: int
    target_port: int


ByteOrder = Literal["little", "big"]


def _folded(packed: bytes, byteorder: ByteOrder) -> int:
    """The exclusive or of the 32-bit words of an address as they lie in memory (ipv6_addr_hash for IPv6)."""
    word = 0
    for offset in range(0, len(packed), 4):
        word ^= int.from_bytes(packed[offset : offset + 4], byteorder)
    return word


def xmit_hash(policy: str, flow: Tuple5, byteorder: ByteOrder = sys.byteorder) -> int:
    """The transmit hash of the flow's unfragmented packets (bonding.rst, "xmit_hash_policy").

    The driver takes ports and addresses as they lie in memory, in network order, so the machine's byte order
    matters. Only layer3+4 drops the lowest bit, because TCP clients tend to take even ports.
    """
    source, target = ipaddress.ip_address(flow.source_ip), ipaddress.ip_address(flow.target_ip)
    packet_type = 0x0800 if source.version == 4 else 0x86DD
    layer2 = int(flow.source_mac[-2:], 16) ^ int(flow.target_mac[-2:], 16) ^ packet_type
    if policy == "layer2":
        return layer2
    if policy == "layer2+3":
        value = layer2
    elif policy == "layer3+4":
        ports = flow.source_port.to_bytes(2, "big") + flow.target_port.to_bytes(2, "big")
        value = int.from_bytes(ports, byteorder)
    else:
        raise unknown("xmit_hash_policy with a prediction", policy, ("layer2", "layer2+3", "layer3+4"))
    value ^= _folded(source.packed, byteorder) ^ _folded(target.packed, byteorder)
    value ^= value >> 16
    value ^= value >> 8
    return value >> 1 if policy == "layer3+4" else value


def member_of_flow(bond: Bond, flow: Tuple5, byteorder: ByteOrder = sys.byteorder) -> int | None:
    """The place, from 0, of the member that ``bond`` sends the flow through; None: no hash decides.

    All members are taken to be usable. The driver numbers them in the order in which they joined the bond.
    """
    if bond.mode not in HASH_MODES:
        return None
    return xmit_hash(bond.xmit_hash_policy, flow, byteorder) % len(bond.members)


#: On top of a carrier bound: the gap is seen at the probe's resolution (1 ms), the new member is announced by
#: gratuitous ARP, packets take the path's delay, and the monitor's timer is as fine as the kernel's tick.
TOLERANCE_S = 0.010
#: How far LACP's timers may be off (IEEE 802.1AX, 6.4.10).
LACP_TOLERANCE_S = 0.250
#: IEEE 802.1AX, 6.4.4: Fast_ and Slow_Periodic_Time, Short_ and Long_Timeout_Time.
LACP_PERIOD_S = {"fast": 1.0, "slow": 30.0}
LACP_TIMEOUT_S = {"fast": 3.0, "slow": 90.0}

#: Modes that may leave a dead member before the monitor looks. The driver asks for the carrier with every
#: packet (balance-rr, balance-tlb, balance-alb: bond_slave_can_tx), or rebuilds the array of usable members
#: on the carrier event (balance-xor, 802.3ad: bond_slave_netdev_event).
AT_ONCE_MODES = ("balance-rr", "balance-xor", "802.3ad", "balance-tlb", "balance-alb")
#: Modes whose members are one LAG to the switch, which must notice by itself (bonding.rst, section 5).
LAG_MODES = ("balance-rr", "balance-xor", "802.3ad")
FAULTS = ("none", "carrier_loss", "silent_loss")


@dataclass(frozen=True)
class OutageBound:
    """What theory says of an outage: from ``low_s`` to ``bound_s``, evenly spread if ``uniform``."""

    low_s: float
    bound_s: float
    label: str
    uniform: bool = False
    tolerance_s: float = TOLERANCE_S

    @property
    def limit_s(self) -> float:
        """The longest outage that agrees with theory."""
        return self.bound_s + self.tolerance_s

    @property
    def expected_s(self) -> float | None:
        """The mean outage, where theory gives its distribution."""
        return (self.low_s + self.bound_s) / 2 if self.uniform else None


def mii_bound(miimon_ms: int, downdelay_ms: int = 0, *, at_once: bool = False) -> OutageBound:
    """Carrier loss seen by the MII monitor: uniform in (d, m + d], d being downdelay as a multiple of m.

    bonding.rst, "miimon" and "downdelay" (rounded down). ``at_once``: the mode may leave the dead member
    before the monitor looks, so that only the upper bound holds.
    """
    delay_s = downdelay_ms // miimon_ms * miimon_ms / 1e3
    label = f"miimon {miimon_ms} ms" + (f" + downdelay {delay_s * 1e3:.0f} ms" if delay_s else "")
    return OutageBound(0.0 if at_once else delay_s, miimon_ms / 1e3 + delay_s, label, uniform=not at_once)


def lacp_bound(rate: str) -> OutageBound:
    """A partner that falls silent: its last LACPDU is up to a period old, and the timeout is three periods.

    IEEE 802.1AX, 6.4.12: current_while is set to the timeout by each LACPDU. Uniform in (2, 3] s with rate
    fast, in (60, 90] s with rate slow.
    """
    timeout_s = LACP_TIMEOUT_S[rate]
    low_s = timeout_s - LACP_PERIOD_S[rate]
    return OutageBound(low_s, timeout_s, f"LACP timeout {timeout_s:.0f} s", True, LACP_TOLERANCE_S)


def arp_bound(arp_interval_ms: int, arp_missed_max: int = 2) -> OutageBound:
    """The ARP monitor with interval a and n checks that must fail: from n a to (n + 1) a.

    bonding.rst, "arp_interval" and "arp_missed_max".
    """
    interval_s = arp_interval_ms / 1e3
    label = f"ARP monitor {arp_missed_max} x {arp_interval_ms} ms"
    return OutageBound(arp_missed_max * interval_s, (arp_missed_max + 1) * interval_s, label, uniform=True)


def failover_bound(
    bond: Bond, fault: str, side: Literal["host", "switch", "both"] = "both", *, lacp: bool = True
) -> OutageBound | None:
    """The outage to expect when a member of ``bond`` suffers ``fault``; None: it cannot recover by itself.

    ``side`` is who must notice: the bonded ``host`` for what it sends, the ``switch`` for what it sends to
    that host; ``both`` is the longer of the two. ``lacp`` is whether anybody answers the bond's LACP.

    - ``carrier_loss``, host: the MII monitor is the bound. Modes of ``AT_ONCE_MODES`` may beat it; a
      broadcast bond still sends every packet on the other members.
    - ``carrier_loss``, switch: a LAG leaves a port that is down at once. Without a LAG the switch learns
      where the host is from the host's own frames, so the host's bound holds.
    - ``silent_loss`` (frames vanish, carrier stays): LACP's timeout notices, the MII monitor never does. A
      broadcast bond need not notice, but a switch sends each frame by one member only.
    """
    if fault not in FAULTS:
        raise unknown("fault", fault, FAULTS)
    if fault == "none":
        return OutageBound(0.0, 0.0, "no fault", tolerance_s=0.0)
    if bond.mode == "broadcast" and (fault == "carrier_loss" or side == "host"):
        return OutageBound(0.0, 0.0, "every member sends all")
    if fault == "silent_loss":
        return lacp_bound(bond.lacp_rate) if bond.mode == "802.3ad" and lacp else None
    if side == "switch" and bond.mode in LAG_MODES:
        return OutageBound(0.0, 0.0, "port down")
    return mii_bound(bond.miimon_ms, bond.downdelay_ms, at_once=bond.mode in AT_ONCE_MODES)
