"""The filter of the frames of a link, for the kernel, and the classification of the frames that it keeps. Pure.

The filter is a program for the kernel's packet filter (networking/filter.rst). It keeps Slow Protocols frames, ARP,
bonding's learning packets, ICMPv6, and UDP to the ports of probes; these also with the tag of HSR. Its return value is
how many octets it keeps.
"""

from __future__ import annotations

import struct

#: struct sock_filter (linux/filter.h): code, jump if true, jump if false, operand.
INSTRUCTION = struct.Struct("@HBBI")
#: Ports that probes are sent to (testbed.observe.probe.PORTS).
PROBE_PORTS = range(7000, 8000)
#: Octets of HSR's tag (IEC 62439-3, 5.7.1): it begins where the type was, and ends with it.
HSR_TAG_BYTES = 6

_LOAD_BYTE, _LOAD_HALF, _LOAD_HALF_X, _LOAD_X_IP = 0x30, 0x28, 0x48, 0xB1
_EQUAL, _AT_LEAST, _RETURN = 0x15, 0x35, 0x06
_SLOW_PROTOCOLS, _ARP, _LOOPBACK, _IPV4, _IPV6 = 0x8809, 0x0806, 0x9000, 0x0800, 0x86DD
_HSR = 0x892F  # IEC 62439-3, 5.7.1
_UDP, _ICMPV6, _NEIGHBOUR_ADVERTISEMENT, _SOLICITED = 17, 58, 136, 0x40
_HEADER, _IPV6_HEADER = 14, 40
_KEPT_BYTES = 128  # a LACPDU is 124 octets, the longest that is read

_TO_PROBES = (("", _AT_LEAST, PROBE_PORTS.stop, "drop", ""), ("", _AT_LEAST, PROBE_PORTS.start, "keep", "drop"))


def _internet(at: int, ipv6: str) -> tuple[tuple[str, int, int, str, str], ...]:
    """What decides of a frame whose IP header begins at octet ``at``: of IPv4 here, of IPv6 from the label ``ipv6``."""
    return (
        ("", _EQUAL, _IPV4, "", "drop"),
        ("", _LOAD_BYTE, at + 9, "", ""),
        ("", _EQUAL, _UDP, "", "drop"),
        ("", _LOAD_X_IP, at, "", ""),
        ("", _LOAD_HALF_X, at + 2, "", ""),
        *_TO_PROBES,
        (ipv6, _LOAD_BYTE, at + 6, "", ""),
        ("", _EQUAL, _ICMPV6, "keep", ""),
        ("", _EQUAL, _UDP, "", "drop"),
        ("", _LOAD_HALF, at + _IPV6_HEADER + 2, "", ""),
        *_TO_PROBES,
    )


# Each line: a label or "", the instruction, and where it jumps to if true and if false; "" is the next line.
_PROGRAM = (
    ("", _LOAD_HALF, 12, "", ""),
    ("", _EQUAL, _SLOW_PROTOCOLS, "keep", ""),
    ("", _EQUAL, _ARP, "keep", ""),
    ("", _EQUAL, _LOOPBACK, "keep", ""),
    ("", _EQUAL, _IPV6, "ipv6", ""),
    ("", _EQUAL, _HSR, "hsr", ""),
    *_internet(_HEADER, "ipv6"),
    ("hsr", _LOAD_HALF, 12 + HSR_TAG_BYTES, "", ""),
    ("", _EQUAL, _ARP, "keep", ""),
    ("", _EQUAL, _IPV6, "hsr6", ""),
    *_internet(_HEADER + HSR_TAG_BYTES, "hsr6"),
    ("keep", _RETURN, _KEPT_BYTES, "", ""),
    ("drop", _RETURN, 0, "", ""),
)


def program() -> bytes:
    """The filter in the kernel's form: an array of struct sock_filter."""
    places = {label: place for place, (label, *_) in enumerate(_PROGRAM) if label}

    def jump(place: int, label: str) -> int:
        return places[label] - place - 1 if label else 0

    return b"".join(
        INSTRUCTION.pack(code, jump(place, true), jump(place, false), operand)
        for place, (_, code, operand, true, false) in enumerate(_PROGRAM)
    )


def inner(frame: bytes) -> bytes:
    """The frame without the tag of HSR, if it has one."""
    if frame[12:14] == _HSR.to_bytes(2, "big"):
        return frame[:12] + frame[12 + HSR_TAG_BYTES :]
    return frame


def kind(frame: bytes) -> str:
    """The kind of a frame: probe, lacpdu, arp (gratuitous), neighbour (unsolicited advertisement), learning, or ''."""
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype == _SLOW_PROTOCOLS:
        return "lacpdu"
    if ethertype == _LOOPBACK:
        return "learning"
    if ethertype == _ARP:
        return "arp" if frame[28:32] == frame[38:42] else ""  # RFC 5227, 1.1: sender and target are the same
    if ethertype == _IPV6 and frame[_HEADER + 6] == _ICMPV6:
        message = frame[_HEADER + _IPV6_HEADER :]
        unsolicited = len(message) > 4 and message[0] == _NEIGHBOUR_ADVERTISEMENT and not message[4] & _SOLICITED
        return "neighbour" if unsolicited else ""  # RFC 4861, 4.4
    return "probe" if ethertype in (_IPV4, _IPV6) else ""


def datagram(frame: bytes) -> tuple[bytes, bytes]:
    """Both addresses and the payload of an IPv4 or IPv6 datagram in an Ethernet frame."""
    if frame[12:14] == b"\x08\x00":
        return frame[26:34], frame[_HEADER + 4 * (frame[_HEADER] & 0x0F) + 8 :]
    return frame[22:54], frame[_HEADER + _IPV6_HEADER + 8 :]


def announced(frame: bytes) -> bytes:
    """The address, of 4 or 16 octets, that a gratuitous ARP or a neighbour advertisement announces."""
    return frame[28:32] if frame[12:14] == b"\x08\x06" else frame[62:78]
