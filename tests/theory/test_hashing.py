"""The transmit hashes against the kernel's documents, and against its formula written anew."""

from __future__ import annotations

import itertools
import random
import socket
import struct
from dataclasses import replace

import pytest

from testbed import theory
from testbed.errors import SpecError
from testbed.spec import MODES
from testbed.theory import Tuple5
from tests.emulation.kernel_hash import POLICIES, drawn, kernel_hash
from tests.theory.bonds import bond


def flow(source_port: int = 50001, target_port: int = 5201, *, target_mac: str = "02:00:00:00:02:01") -> Tuple5:
    return Tuple5("02:00:00:00:01:01", target_mac, "10.0.0.1", "10.0.0.2", source_port, target_port)


def kernel_layer34(source: str, target: str, source_port: int, target_port: int, order: str) -> int:
    """bonding.rst, layer3+4, with the header's octets read as the machine's integers."""
    header = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!HH", source_port, target_port)
    a, b, ports = struct.unpack(f"{order}III", header)
    value = ports ^ a ^ b
    value ^= value >> 16
    value ^= value >> 8
    return int(value >> 1)


@pytest.mark.parametrize(("byteorder", "code"), [("little", "<"), ("big", ">")])
def test_layer34_is_the_kernel_documents_formula(byteorder: theory.ByteOrder, code: str) -> None:
    for source_port, target_port in itertools.product(range(50001, 50200, 7), (5201, 5202, 80)):
        found = theory.xmit_hash("layer3+4", flow(source_port, target_port), byteorder)
        assert found == kernel_layer34("10.0.0.1", "10.0.0.2", source_port, target_port, code)


def test_layer34_of_one_flow_by_hand() -> None:
    # Little endian. Ports c3 51 14 51 -> 0x511451c3; 10.0.0.1 ^ 10.0.0.2 -> 00 00 00 03 -> 0x03000000.
    # 0x521451c3; ^ >> 16 (0x5214) -> 0x521403d7; ^ >> 8 (0x521403) -> 0x524617d4; >> 1 -> 0x29230bea.
    assert theory.xmit_hash("layer3+4", flow(0xC351, 0x1451), "little") == 0x29230BEA


def test_even_source_ports_use_all_members_of_layer34() -> None:
    # What dropping the lowest bit is for: clients that take even ports only.
    used = {theory.member_of_flow(bond("802.3ad", 4), flow(port)) for port in range(40000, 40100, 2)}
    assert used == {0, 1, 2, 3}


def test_layer2_takes_the_last_octets_of_the_macs_and_the_packet_type() -> None:
    assert theory.xmit_hash("layer2", flow(target_mac="02:00:00:00:02:06")) == 0x01 ^ 0x06 ^ 0x0800
    same = {theory.xmit_hash("layer2", flow(port)) for port in range(40000, 40050)}
    assert len(same) == 1


def test_layer23_keeps_the_lowest_bit() -> None:
    # 0x01 ^ 0x02 ^ 0x0800 ^ 0x03000000 (little endian) = 0x03000803; folded by 16 and by 8.
    value = 0x01 ^ 0x02 ^ 0x0800 ^ 0x03000000
    value ^= value >> 16
    value ^= value >> 8
    assert theory.xmit_hash("layer2+3", flow(target_mac="02:00:00:00:02:02"), "little") == value


def test_ipv6_addresses_are_folded_to_32_bits() -> None:
    six = Tuple5("02:00:00:00:01:01", "02:00:00:00:02:01", "fd00::1", "fd00::2", 50001, 5201)
    four = Tuple5("02:00:00:00:01:01", "02:00:00:00:02:01", "0.0.0.1", "0.0.0.2", 50001, 5201)
    assert theory.xmit_hash("layer3+4", six, "little") == theory.xmit_hash("layer3+4", four, "little")
    assert theory.xmit_hash("layer2", six) == 0x86DD


def test_only_modes_that_hash_have_a_member_for_a_flow() -> None:
    for mode in MODES:
        known = theory.member_of_flow(bond(mode, 4), flow()) is not None
        assert known == (mode in ("balance-xor", "802.3ad"))


def test_an_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"unknown xmit_hash_policy 'layer4'.*"):
        theory.xmit_hash("layer4", flow())


def test_encap_policies_of_what_is_in_no_tunnel_are_the_others() -> None:
    # bonding.rst: encap2+3 and encap3+4 use the same formulas on the headers inside a tunnel.
    for port in range(40000, 40020):
        assert theory.xmit_hash("encap2+3", flow(port)) == theory.xmit_hash("layer2+3", flow(port))
        assert theory.xmit_hash("encap3+4", flow(port)) == theory.xmit_hash("layer3+4", flow(port))


def test_a_connected_socket_decides_by_chance_under_encap34() -> None:
    encapsulated = bond("802.3ad", 4, xmit_hash_policy="encap3+4")
    assert theory.member_of_flow(encapsulated, flow()) is None
    assert theory.member_of_flow(encapsulated, replace(flow(), connected=False)) is not None


def test_a_flow_label_of_ipv6_decides_by_chance_under_encap34() -> None:
    """ip6_make_flowlabel makes it from a hash with a key drawn at boot; bond_xmit_hash takes the same hash."""
    six = replace(flow(), source_ip="fd00::1", target_ip="fd00::2", connected=False)
    assert theory.member_of_flow(bond("802.3ad", 4, xmit_hash_policy="encap3+4"), six) is None
    for policy in ("layer3+4", "encap2+3"):
        assert theory.member_of_flow(bond("802.3ad", 4, xmit_hash_policy=policy), six) is not None


def test_vlan_srcmac_by_the_formula_of_the_kernel_document() -> None:
    # bonding.rst: hash = (vlan ID) XOR (source MAC vendor) XOR (source MAC dev), octets 1 to 3 and 4 to 6.
    untagged = theory.xmit_hash("vlan+srcmac", flow())
    assert untagged == 0x020000 ^ 0x000101
    assert theory.xmit_hash("vlan+srcmac", replace(flow(), vlan=42)) == untagged ^ 42
    # The driver takes skb_vlan_tag_get(): the whole tag, with the priority in bits 13 to 15 (IEEE 802.1Q).
    assert theory.xmit_hash("vlan+srcmac", replace(flow(), vlan=42, priority=5)) == untagged ^ (5 * 8192 + 42)
    assert len({theory.xmit_hash("vlan+srcmac", flow(port)) for port in range(40000, 40050)}) == 1


def test_consecutive_even_ports_use_half_the_members_where_the_lowest_bit_is_kept() -> None:
    # From one 256-aligned block, so that only the lowest octet of the port changes.
    ports = range(0xC000, 0xC080, 2)
    for members in (2, 4):
        kept = {theory.xmit_hash("layer3+4", flow(port), keep_lowest_bit=True) % members for port in ports}
        dropped = {theory.xmit_hash("layer3+4", flow(port)) % members for port in ports}
        assert (len(kept), len(dropped)) == (members // 2, members)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_hash_of_any_flow_is_the_drivers_formula_written_anew(policy: str) -> None:
    """2000 flows for each policy: IPv4 and IPv6, TCP and UDP, any addresses, ports and tags (kernel_hash.py)."""
    chance = random.Random(policy)
    for _ in range(2000):
        given = drawn(chance, [0, 1, 9, 4094])
        vlan, priority = (None, 0) if given.tci is None else (given.tci & 0xFFF, given.tci >> 13)
        macs = given.source_mac.hex(":"), given.target_mac.hex(":")
        ports = given.source_port, given.target_port
        known = Tuple5(*macs, given.source, given.target, *ports, vlan=vlan, connected=False, priority=priority)
        assert theory.xmit_hash(policy, known, "little") == kernel_hash(policy, given), given
