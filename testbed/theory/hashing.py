"""Which member carries a flow: the transmit hash of the bonding driver. Pure."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass
from typing import Literal

from testbed.errors import unknown
from testbed.spec import XMIT_HASH_POLICIES, Bond

#: Modes in which the transmit hash alone decides the member (the driver: bond_xmit_3ad_xor_slave_get).
HASH_MODES = ("balance-xor", "802.3ad")
#: Policies that take the ports in.
WITH_PORTS = ("layer3+4", "encap3+4")


@dataclass(frozen=True)
class Tuple5:
    """One direction of a TCP or UDP conversation as the sending bond sees it, with its MAC addresses.

    ``vlan`` is the VLAN that its frames are tagged with, ``priority`` that tag's priority code point (IEEE 802.1Q-2018,
    9.6), from 0 to 7. ``connected``: a connected socket sends it, as TCP's always do.
    """

    source_mac: str
    target_mac: str
    source_ip: str
    target_ip: str
    source_port: int
    target_port: int
    vlan: int | None = None
    connected: bool = True
    priority: int = 0

    @property
    def tag(self) -> int:
        """The tag control information: priority in the upper 3 bits, VLAN in the lower 12; 0 without a tag."""
        return 0 if self.vlan is None else self.priority << 13 | self.vlan

    @property
    def hashed_by_chance(self) -> bool:
        """Whether the sending host's kernel gave its packets a hash of layer 4 (skb->l4_hash) that chance decides.

        A connected socket draws one (sk_set_txhash). A packet of IPv6 gets one with its flow label, which is made from
        the addresses and ports and a key that is drawn at boot (ip6_make_flowlabel, skb_get_hash_flowi6, hashrnd in
        net/core/flow_dissector.c; net.ipv6.auto_flowlabels is 1 by default). A datagram of IPv4 from a socket that is
        not connected gets none.
        """
        return self.connected or ":" in self.source_ip


ByteOrder = Literal["little", "big"]


def _folded(packed: bytes, byteorder: ByteOrder) -> int:
    """The exclusive or of the 32-bit words of an address as they lie in memory (ipv6_addr_hash for IPv6)."""
    word = 0
    for offset in range(0, len(packed), 4):
        word ^= int.from_bytes(packed[offset : offset + 4], byteorder)
    return word


def xmit_hash(policy: str, flow: Tuple5, byteorder: ByteOrder = sys.byteorder, *, keep_lowest_bit: bool = False) -> int:
    """The transmit hash of the flow's unfragmented packets (bonding.rst, "xmit_hash_policy"; bond_xmit_hash).

    The driver takes ports and addresses as they lie in memory, in network order, so the machine's byte order
    matters. layer3+4 and encap3+4 drop the lowest bit, because TCP clients get even ports only from the kernel
    (`inet_hash_connect`); ``keep_lowest_bit`` is what drivers before Linux 4.15 made of the same packet.

    The encap policies look into tunnels; of what is in no tunnel they make the same as the others.
    """
    if policy not in XMIT_HASH_POLICIES:
        raise unknown("xmit_hash_policy", policy, XMIT_HASH_POLICIES)
    if policy == "vlan+srcmac":
        octets = bytes.fromhex(flow.source_mac.replace(":", ""))
        vendor, device = int.from_bytes(octets[:3], "big"), int.from_bytes(octets[3:], "big")
        return vendor ^ device ^ flow.tag  # all of it, not the VLAN alone (bond_vlan_srcmac_hash)
    source, target = ipaddress.ip_address(flow.source_ip), ipaddress.ip_address(flow.target_ip)
    packet_type = 0x0800 if source.version == 4 else 0x86DD
    value = int(flow.source_mac[-2:], 16) ^ int(flow.target_mac[-2:], 16) ^ packet_type
    if policy == "layer2":
        return value
    with_ports = policy in WITH_PORTS
    if with_ports:
        ports = flow.source_port.to_bytes(2, "big") + flow.target_port.to_bytes(2, "big")
        value = int.from_bytes(ports, byteorder)
    value ^= _folded(source.packed, byteorder) ^ _folded(target.packed, byteorder)
    value ^= value >> 16
    value ^= value >> 8
    return value >> 1 if with_ports and not keep_lowest_bit else value


def member_of_flow(bond: Bond, flow: Tuple5, byteorder: ByteOrder = sys.byteorder) -> int | None:
    """The place, from 0, of the member that ``bond`` sends the flow through; None: nothing known beforehand decides.

    All members are taken to be usable. The driver numbers them in the order in which they joined the bond. With
    encap3+4 it takes a packet's own hash of layer 4, where it has one (bond_xmit_hash). The team driver has a hash of
    its own.
    """
    if bond.driver == "team" or bond.mode not in HASH_MODES:
        return None
    if bond.xmit_hash_policy == "encap3+4" and flow.hashed_by_chance:
        return None
    return xmit_hash(bond.xmit_hash_policy, flow, byteorder) % len(bond.members)
