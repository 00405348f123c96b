"""Frames on a link: which of them the kernel's filter keeps, by an interpreter of its program, and their kinds.

The frames here follow the formats of the RFCs and of IEEE 802.1AX, not the testbed's own code.
"""

from __future__ import annotations

import ipaddress
import struct

import pytest

from testbed.observe import bpf, probe

ETHERNET = bytes.fromhex("0180c2000002 020000000001".replace(" ", ""))


def ethernet(kind: int, rest: bytes) -> bytes:
    return ETHERNET + struct.pack("!H", kind) + rest


def udp4(port: int, payload: bytes = b"", options: bytes = b"") -> bytes:
    first = 0x40 | (20 + len(options)) // 4
    addresses = ipaddress.ip_address("10.0.0.1").packed + ipaddress.ip_address("10.0.0.2").packed
    header = struct.pack("!BBHHHBBH", first, 0, 28 + len(payload), 0, 0, 64, 17, 0) + addresses + options
    return ethernet(0x0800, header + struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload)


def ipv6(next_header: int, payload: bytes) -> bytes:
    addresses = ipaddress.ip_address("fd00::1").packed + ipaddress.ip_address("fd00::2").packed
    return ethernet(0x86DD, struct.pack("!IHBB", 6 << 28, len(payload), next_header, 64) + addresses + payload)


def arp(sender: str, target: str) -> bytes:
    """RFC 826: a request with these protocol addresses."""
    addresses = [ipaddress.ip_address(address).packed for address in (sender, target)]
    return ethernet(
        0x0806, struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, b"\2" * 6, addresses[0], b"", addresses[1])
    )


def advertisement(flags: int) -> bytes:
    """RFC 4861, 4.4."""
    return ipv6(58, struct.pack("!BBHB3x", 136, 0, 0, flags) + ipaddress.ip_address("fd00::1").packed)


SOLICITED, OVERRIDE = 0x40, 0x20
LACPDU = ethernet(0x8809, b"\x01\x01" + bytes(108))
PROBE = probe.PACKET.pack(3, 17)
FRAMES = {
    "lacpdu": (LACPDU, "lacpdu"),
    "gratuitous arp": (arp("10.0.0.1", "10.0.0.1"), "arp"),
    "arp request": (arp("10.0.0.1", "10.0.0.2"), ""),
    "learning packet": (ethernet(0x9000, bytes(46)), "learning"),
    "unsolicited advertisement": (advertisement(OVERRIDE), "neighbour"),
    "solicited advertisement": (advertisement(SOLICITED | OVERRIDE), ""),
    "neighbour solicitation": (ipv6(58, b"\x87" + bytes(23)), ""),
    "probe over ipv4": (udp4(7000, PROBE), "probe"),
    "probe behind ip options": (udp4(7999, PROBE, options=b"\1" * 4), "probe"),
    "probe over ipv6": (ipv6(17, struct.pack("!HHHH", 40000, 7001, 72, 0) + PROBE), "probe"),
}
DROPPED = {
    "tcp": ethernet(0x0800, struct.pack("!BBHHHBBH8x", 0x45, 0, 40, 0, 0, 64, 6, 0) + bytes(20)),
    "udp below": udp4(6999),
    "udp above": udp4(8000),
    "tcp over ipv6": ipv6(6, bytes(20)),
    "udp over ipv6 elsewhere": ipv6(17, struct.pack("!HHHH", 7000, 53, 8, 0)),
    "lldp": ethernet(0x88CC, bytes(46)),
}


def tagged(frame: bytes) -> bytes:
    """The frame with the tag of HSR (IEC 62439-3, 5.7.1): type 0x892F, path and length, sequence number."""
    return frame[:12] + struct.pack("!HHH", 0x892F, 0x1000 | len(frame) - 8, 7) + frame[12:]


TAGGED = [name for name in FRAMES if name not in ("lacpdu", "learning packet")]


def accepted(frame: bytes) -> int:
    """How many octets of a frame the program keeps, by the rules of networking/filter.rst."""
    code = list(bpf.INSTRUCTION.iter_unpack(bpf.program()))
    accumulator = index = place = 0
    while True:
        operation, true, false, operand = code[place]
        place += 1
        if operation == 0x28:  # ldh [k]
            accumulator = int.from_bytes(frame[operand : operand + 2], "big")
        elif operation == 0x30:  # ldb [k]
            accumulator = frame[operand]
        elif operation == 0x48:  # ldh [x + k]
            accumulator = int.from_bytes(frame[index + operand : index + operand + 2], "big")
        elif operation == 0xB1:  # ldxb 4*([k]&0xf)
            index = 4 * (frame[operand] & 0x0F)
        elif operation == 0x15:  # jeq
            place += true if accumulator == operand else false
        elif operation == 0x35:  # jge
            place += true if accumulator >= operand else false
        else:
            assert operation == 0x06  # ret
            return int(operand)


@pytest.mark.parametrize("name", FRAMES)
def test_frames_that_are_kept_and_their_kinds(name: str) -> None:
    frame, kind = FRAMES[name]
    assert accepted(frame) >= min(len(frame), 124)
    assert bpf.kind(frame) == kind


@pytest.mark.parametrize("name", TAGGED)
def test_the_same_frames_are_kept_with_the_tag_of_hsr(name: str) -> None:
    frame, kind = FRAMES[name]
    assert accepted(tagged(frame)) >= min(len(frame), 124)
    assert bpf.inner(tagged(frame)) == frame and bpf.inner(frame) == frame
    assert bpf.kind(bpf.inner(tagged(frame))) == kind


@pytest.mark.parametrize("name", DROPPED)
def test_the_kernel_drops_the_others_with_that_tag(name: str) -> None:
    assert accepted(tagged(DROPPED[name])) == 0


@pytest.mark.parametrize("name", DROPPED)
def test_frames_that_the_kernel_drops(name: str) -> None:
    assert accepted(DROPPED[name]) == 0


@pytest.mark.parametrize("name", ["probe over ipv4", "probe behind ip options", "probe over ipv6"])
def test_a_probe_packet_is_read_where_it_begins(name: str) -> None:
    addresses, payload = bpf.datagram(FRAMES[name][0])
    assert probe.PACKET.unpack(payload[: probe.PACKET.size]) == (3, 17)
    assert len(addresses) == (32 if "ipv6" in name else 8)


def test_the_announced_address_is_read() -> None:
    assert bpf.announced(FRAMES["gratuitous arp"][0]) == bytes((10, 0, 0, 1))
    assert bpf.announced(advertisement(OVERRIDE)) == ipaddress.ip_address("fd00::1").packed


def test_the_filter_and_the_probe_use_the_same_ports() -> None:
    assert bpf.PROBE_PORTS == probe.PORTS
