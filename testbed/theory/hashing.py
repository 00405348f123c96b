"""Which member carries a flow: the transmit hash of the bonding driver. Pure."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass
from typing import Literal

from testbed.errors import unknown
from testbed.spec import Bond

#: Modes in which the transmit hash alone decides the member (the driver: bond_xmit_3ad_xor_slave_get).
HASH_MODES = ("balance-xor", "802.3ad")


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
