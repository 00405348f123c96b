"""The bonding driver's transmit hash, written anew from its source, to be compared with testbed.theory and a kernel.

drivers/net/bonding/bond_main.c: bond_xmit_hash, bond_eth_hash, bond_ip_hash, bond_vlan_srcmac_hash; of a frame's octets
as they lie in memory, on a machine of little endian. include/net/ipv6.h: ipv6_addr_hash.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import struct
from dataclasses import dataclass

POLICIES = ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac")


@dataclass(frozen=True)
class Flow:
    """A packet's addresses; ``tci`` is the tag of its VLAN, or None."""

    source_mac: bytes
    target_mac: bytes
    source: str
    target: str
    source_port: int
    target_port: int
    protocol: str
    tci: int | None

    @property
    def six(self) -> bool:
        """Whether it is of IPv6."""
        return ":" in self.source


def drawn(chance: random.Random, vlans: list[int]) -> Flow:
    """Any flow: addresses of every kind, ports of the whole range, of TCP or UDP, in one of the VLANs (0: none)."""

    def mac() -> bytes:
        return bytes([0x02, *(chance.randrange(256) for _ in range(5))])

    if chance.random() < 0.5:
        source, target = (str(ipaddress.IPv6Address(chance.getrandbits(125) | 0x2 << 124)) for _ in range(2))
    else:
        source, target = (str(ipaddress.IPv4Address(0x0A000000 | chance.getrandbits(24))) for _ in range(2))
    vlan = chance.choice(vlans)
    tci = None if vlan == 0 else chance.randrange(8) << 13 | vlan
    ports = chance.randrange(1, 65536), chance.randrange(1, 65536)
    return Flow(mac(), mac(), source, target, *ports, chance.choice(("tcp", "udp")), tci)


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def frame(flow: Flow, payload: bytes) -> bytes:
    """The flow's packet behind an Ethernet header without the tag."""
    ports = struct.pack("!HH", flow.source_port, flow.target_port)
    if flow.protocol == "tcp":
        inner = ports + struct.pack("!IIBBHHH", 1, 1, 5 << 4, 0x10, 512, 0, 0) + payload
    else:
        inner = ports + struct.pack("!HH", 8 + len(payload), 0) + payload
    number = socket.IPPROTO_TCP if flow.protocol == "tcp" else socket.IPPROTO_UDP
    source, target = _packed(flow.source), _packed(flow.target)
    if flow.six:
        packet = struct.pack("!IHBB", 6 << 28, len(inner), number, 64) + source + target + inner
    else:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 0, 0, 64, number, 0) + source + target
        words = sum(struct.unpack("!10H", head))
        check = ~(words + (words >> 16)) & 0xFFFF
        packet = head[:10] + struct.pack("!H", check) + head[12:] + inner
    return flow.target_mac + flow.source_mac + (b"\x86\xdd" if flow.six else b"\x08\x00") + packet


def kernel_hash(policy: str, flow: Flow) -> int:
    """The hash by which the driver picks a member, modulo their number."""
    if policy == "vlan+srcmac":
        vendor, device = (int.from_bytes(flow.source_mac[half : half + 3], "big") for half in (0, 3))
        return (flow.tci or 0) ^ vendor ^ device
    ethernet = flow.target_mac[5] ^ flow.source_mac[5] ^ (0x86DD if flow.six else 0x0800)
    if policy == "layer2":
        return ethernet
    if policy in ("layer2+3", "encap2+3"):
        value = ethernet
    else:
        (value,) = struct.unpack("<I", struct.pack("!HH", flow.source_port, flow.target_port))
    for address in (flow.target, flow.source):
        for (word,) in struct.iter_unpack("<I", _packed(address)):
            value ^= word
    value ^= value >> 16
    value ^= value >> 8
    return value >> 1 if policy in ("layer3+4", "encap3+4") else value
