"""The codec against the layout of IEEE 802.1AX-2014 clauses 6.4.2.3 and 6.5.3.3, written down by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.lacp import Lacpdu, Marker, PduError, PortInfo, State, decode, unwrap, wrap

GOLDEN = bytes.fromhex(
    "01"  # subtype: LACP
    "01"  # version number
    "01 14"  # TLV type: actor information; length 20
    "8000"  # actor system priority
    "020000000001"  # actor system
    "0011"  # actor key
    "00ff"  # actor port priority
    "0002"  # actor port
    "3f"  # actor state: active, short timeout, aggregatable, in sync, collecting, distributing
    "000000"  # reserved
    "02 14"  # TLV type: partner information; length 20
    "fffe"  # partner system priority
    "02000000000b"  # partner system
    "0009"  # partner key
    "8000"  # partner port priority
    "0001"  # partner port
    "c5"  # partner state: active, long timeout, aggregatable, defaulted, expired
    "000000"  # reserved
    "03 10"  # TLV type: collector information; length 16
    "1234"  # collector max delay
    "000000000000000000000000"  # reserved, 12 octets
    "00 00"  # TLV type: terminator; length 0
) + bytes(50)  # reserved

GOLDEN_PDU = Lacpdu(
    actor=PortInfo(
        0x8000, "02:00:00:00:00:01", 0x11, 0xFF, 2,
        State.LACP_ACTIVITY | State.LACP_TIMEOUT | State.AGGREGATION
        | State.SYNCHRONIZATION | State.COLLECTING | State.DISTRIBUTING,
    ),
    partner=PortInfo(
        0xFFFE, "02:00:00:00:00:0b", 9, 0x8000, 1,
        State.LACP_ACTIVITY | State.AGGREGATION | State.DEFAULTED | State.EXPIRED,
    ),
    collector_max_delay=0x1234,
)  # fmt: skip

GOLDEN_MARKER = bytes.fromhex(
    "02"  # subtype: Marker
    "01"  # version number
    "01 10"  # TLV type: marker information; length 16
    "0007"  # requester port
    "02000000000b"  # requester system
    "89abcdef"  # requester transaction identifier
    "0000"  # padding
    "00 00"  # TLV type: terminator; length 0
) + bytes(90)  # reserved

numbers = st.integers(0, 0xFFFF)
macs = st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":"))
port_infos = st.builds(PortInfo, numbers, macs, numbers, numbers, numbers, st.integers(0, 255).map(State))
lacpdus = st.builds(Lacpdu, port_infos, port_infos, numbers, st.integers(0, 255))
markers = st.builds(Marker, numbers, macs, st.integers(0, 0xFFFFFFFF), st.booleans())


def test_golden_lacpdu() -> None:
    assert len(GOLDEN) == 110
    assert GOLDEN_PDU.encode() == GOLDEN
    assert decode(GOLDEN) == GOLDEN_PDU


def test_golden_marker_and_response() -> None:
    marker = Marker(7, "02:00:00:00:00:0b", 0x89ABCDEF)
    assert len(GOLDEN_MARKER) == 110
    assert marker.encode() == GOLDEN_MARKER
    assert decode(GOLDEN_MARKER) == marker
    response = GOLDEN_MARKER[:2] + b"\x02" + GOLDEN_MARKER[3:]
    assert decode(response) == Marker(7, "02:00:00:00:00:0b", 0x89ABCDEF, response=True)


def test_a_frame_is_124_octets() -> None:
    frame = wrap(GOLDEN, "02:aa:00:00:00:01")
    assert frame == bytes.fromhex("0180c2000002 02aa00000001 8809") + GOLDEN
    assert len(frame) == 124
    assert unwrap(frame) == GOLDEN


@given(lacpdus | markers)
def test_round_trip(pdu: Lacpdu | Marker) -> None:
    octets = pdu.encode()
    assert len(octets) == 110
    assert decode(octets) == pdu
    assert decode(octets + b"padding") == pdu


@given(lacpdus, st.data())
def test_octets_that_a_receiver_shall_not_validate(pdu: Lacpdu, data: st.DataObject) -> None:
    """Clause 6.4.12: version number, TLV types and reserved fields; and the terminator, which version 2 moves."""
    octets = bytearray(pdu.encode())
    ignored = [2, 19, 20, 21, 22, 39, 40, 41, 42, *range(46, 110)]
    for position in data.draw(st.lists(st.sampled_from(ignored))):
        octets[position] = data.draw(st.integers(0, 255))
    assert decode(bytes(octets)) == pdu


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, 3, "subtype 3; LACP is 1 and Marker is 2"),
        (3, 19, "the actor information has length 19; the standard fixes 20"),
        (23, 0, "the partner information has length 0; the standard fixes 20"),
        (43, 17, "the collector information has length 17; the standard fixes 16"),
    ],
)
def test_bad_lacpdu(position: int, value: int, message: str) -> None:
    octets = bytearray(GOLDEN)
    octets[position] = value
    with pytest.raises(PduError, match=message):
        decode(bytes(octets))


@pytest.mark.parametrize(("position", "value", "message"), [(2, 3, "TLV type 3"), (3, 15, "length 15")])
def test_bad_marker(position: int, value: int, message: str) -> None:
    octets = bytearray(GOLDEN_MARKER)
    octets[position] = value
    with pytest.raises(PduError, match=message):
        decode(bytes(octets))


@pytest.mark.parametrize("length", [0, 1, 58, 109])
def test_too_short(length: int) -> None:
    with pytest.raises(PduError, match=f"{length} octets"):
        decode(GOLDEN[:length])


@given(st.binary(max_size=140), st.sampled_from([b"", b"\x01", b"\x02", GOLDEN[:4], GOLDEN_MARKER[:4], GOLDEN[:60]]))
def test_arbitrary_octets_raise_nothing_else(octets: bytes, start: bytes) -> None:
    for read in (decode, unwrap):
        try:
            read(start + octets)
        except PduError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"\x01\x80\xc2", "3 octets"),
        (bytes.fromhex("0180c200000e 02aa00000001 8809") + GOLDEN, "destination 01:80:c2:00:00:0e"),
        (bytes.fromhex("0180c2000002 02aa00000001 88cc") + GOLDEN, "0x88cc"),
    ],
)
def test_frames_that_are_not_slow_protocols(frame: bytes, message: str) -> None:
    with pytest.raises(PduError, match=message):
        unwrap(frame)


def test_values_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="key is 65536; it must fit in 16 bits"):
        PortInfo(key=65536)
    with pytest.raises(ValueError, match="write six octets in lower case"):
        PortInfo(system="02:00:00:00:00:0B")
    with pytest.raises(ValueError, match="transaction"):
        Marker(1, "02:00:00:00:00:0b", 1 << 32)


def test_state_names() -> None:
    assert State(0x45).names() == ["LACP_ACTIVITY", "AGGREGATION", "DEFAULTED"]
