"""The flow of a captured frame, from frames made as the standards define them."""

from __future__ import annotations

import socket
import struct

import pytest

from testbed.observe.flow_capture import flow_of

_MACS = bytes.fromhex("020000000201") + bytes.fromhex("020000000101")
FIRST = ("udp", "10.0.0.1", 40000, "10.0.0.2", 5201)


def ipv4(protocol: int, *, options: bytes = b"") -> bytes:
    """An IPv4 header (RFC 791, 3.1) from 10.0.0.1 to 10.0.0.2."""
    length = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | length, 0, 60, 0, 0, 64, protocol, 0)
    return head + socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2") + options


PORTS = struct.pack("!HH", 40000, 5201) + bytes(12)


def test_a_frame_shows_its_flow() -> None:
    plain = _MACS + b"\x08\x00" + ipv4(17) + PORTS
    assert flow_of(plain) == FIRST
    assert flow_of(_MACS + b"\x81\x00\x00\x07\x08\x00" + ipv4(17) + PORTS) == FIRST
    assert flow_of(_MACS + b"\x08\x00" + ipv4(17, options=bytes(8)) + PORTS) == FIRST
    assert flow_of(_MACS + b"\x08\x00" + ipv4(6) + PORTS) == ("tcp", *FIRST[1:])


def test_a_frame_over_ipv6_shows_its_flow() -> None:
    addresses = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    header = struct.pack("!IHBB", 0x6000_0000, 16, 17, 64) + addresses  # RFC 8200, 3
    assert flow_of(_MACS + b"\x86\xdd" + header + PORTS) == ("udp", "2001:db8::1", 40000, "2001:db8::2", 5201)


@pytest.mark.parametrize(
    "frame",
    [b"", _MACS + b"\x88\x09" + bytes(110), _MACS + b"\x08\x06" + bytes(28), _MACS + b"\x08\x00" + ipv4(1) + bytes(8)],
    ids=["nothing", "LACPDU", "ARP", "ICMP"],
)
def test_a_frame_without_a_flow_is_none(frame: bytes) -> None:
    assert flow_of(frame) is None


def test_a_frame_that_is_cut_off_is_none() -> None:
    whole = _MACS + b"\x08\x00" + ipv4(17) + PORTS[:4]
    assert flow_of(whole) == FIRST
    assert all(flow_of(whole[:length]) is None for length in range(len(whole)))
