"""Where flows were: frames told apart, counts read, placements compared, faults matched with what noticed them."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure.detection import after_each_fault, expired_after_each_fault
from testbed.measure.flow_members import FlowKey, crossed, placed
from testbed.observe.flow_capture import COLUMNS, flow_of

_MACS = bytes.fromhex("020000000201") + bytes.fromhex("020000000101")
FIRST: FlowKey = ("udp", "10.0.0.1", 40000, "10.0.0.2", 5201)
SECOND: FlowKey = ("udp", "10.0.0.1", 40002, "10.0.0.2", 5201)


def ipv4(protocol: int, *, options: bytes = b"") -> bytes:
    """An IPv4 header (RFC 791, 3.1) from 10.0.0.1 to 10.0.0.2."""
    length = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | length, 0, 60, 0, 0, 64, protocol, 0)
    return head + socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2") + options


PORTS = struct.pack("!HH", 40000, 5201) + bytes(12)


def test_a_flow_is_known_by_its_frame() -> None:
    plain = _MACS + b"\x08\x00" + ipv4(17) + PORTS
    assert flow_of(plain) == FIRST
    assert flow_of(_MACS + b"\x81\x00\x00\x07\x08\x00" + ipv4(17) + PORTS) == FIRST
    assert flow_of(_MACS + b"\x08\x00" + ipv4(17, options=bytes(8)) + PORTS) == FIRST
    assert flow_of(_MACS + b"\x08\x00" + ipv4(6) + PORTS) == ("tcp", *FIRST[1:])


def test_a_flow_over_ipv6_is_known_too() -> None:
    addresses = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    header = struct.pack("!IHBB", 0x6000_0000, 16, 17, 64) + addresses  # RFC 8200, 3
    assert flow_of(_MACS + b"\x86\xdd" + header + PORTS) == ("udp", "2001:db8::1", 40000, "2001:db8::2", 5201)


@pytest.mark.parametrize(
    "frame",
    [b"", _MACS + b"\x88\x09" + bytes(110), _MACS + b"\x08\x06" + bytes(28), _MACS + b"\x08\x00" + ipv4(1) + bytes(8)],
    ids=["nothing", "LACPDU", "ARP", "ICMP"],
)
def test_what_is_no_flow_is_none(frame: bytes) -> None:
    assert flow_of(frame) is None


def test_a_frame_that_is_cut_off_is_no_flow() -> None:
    whole = _MACS + b"\x08\x00" + ipv4(17) + PORTS[:4]
    assert flow_of(whole) == FIRST
    assert all(flow_of(whole[:length]) is None for length in range(len(whole)))


def captured(place: Path, *rows: str) -> Path:
    path = place / "captured.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return path


def test_packets_are_counted_by_member_and_direction(tmp_path: Path) -> None:
    path = captured(
        tmp_path,
        "h1-eth0,out,udp,10.0.0.1,40000,10.0.0.2,5201,3",
        "h1-eth1,out,udp,10.0.0.1,40002,10.0.0.2,5201,2",
        "h1-eth0,in,udp,10.0.0.2,5201,10.0.0.1,40000,9",
        "h2-eth0,out,udp,10.0.0.1,40000,10.0.0.2,5201,9",
    )
    assert crossed(path, ["h1-eth0", "h1-eth1"], "out") == {FIRST: [3, 0], SECOND: [0, 2]}


@pytest.mark.parametrize("row", ["h1-eth0,out,udp,10.0.0.1,x,10.0.0.2,5201,3", "h1-eth0,out,udp,10.0.0.1"])
def test_a_damaged_line_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(TrialError, match=r"captured\.csv is damaged in line 2"):
        crossed(captured(tmp_path, row), ["h1-eth0"], "out")


def test_a_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "captured.csv"
    path.write_text(",".join(COLUMNS) + "\nh1-eth0,out,udp,10.0.0.1,40000")
    with pytest.raises(TrialError, match=r"captured\.csv is cut off in line 2"):
        crossed(path, ["h1-eth0"], "out")


def test_flows_on_the_wrong_member_and_on_two_are_counted() -> None:
    right = placed({FIRST: [3, 0], SECOND: [0, 3]}, {FIRST: 0, SECOND: 1}, 2)
    assert (right.measured, right.predicted, right.matched, right.split) == ([1, 1], [1, 1], 2, 0)
    wrong = placed({FIRST: [3, 0], SECOND: [2, 1]}, {FIRST: 0, SECOND: 1}, 2)
    assert (wrong.measured, wrong.predicted, wrong.matched, wrong.split) == ([2, 0], [1, 1], 1, 1)


def test_without_a_prediction_there_is_nothing_to_match() -> None:
    found = placed({FIRST: [3, 0]}, {FIRST: None}, 2)
    assert (found.measured, found.predicted, found.matched) == ([1, 0], None, None)


@pytest.mark.parametrize("seen", [{}, {FIRST: [0, 0]}])
def test_a_flow_that_nobody_saw_is_an_error(seen: dict[FlowKey, list[int]]) -> None:
    with pytest.raises(TrialError, match=r"no packet of flow udp 10\.0\.0\.1 40000 10\.0\.0\.2 5201 crossed a member"):
        placed(seen, {FIRST: 0}, 2)


def event(at_s: float, source: str, name: str, **details: object) -> dict[str, object]:
    return {"t_s": at_s, "source": source, "event": name, **details}


def test_each_fault_has_the_first_word_that_follows_it() -> None:
    down = {"host": "h1", "new": "down"}
    timeline = [
        event(0.5, "bond", "mii_status", **down),
        event(1.0, "fault", "begin"),
        event(1.01, "bond", "mii_status", host="h2", new="down"),
        event(1.05, "bond", "mii_status", **down),
        event(1.06, "bond", "mii_status", **down),
        event(2.0, "fault", "end"),
        event(3.0, "fault", "begin"),
        event(4.0, "fault", "end"),
        event(4.1, "bond", "mii_status", **down),
        event(5.0, "fault", "begin"),
        event(5.2, "lacp", "transition", machine="receive", new="EXPIRED"),
    ]
    assert after_each_fault(timeline, "h1") == [0.05, None, None]
    assert after_each_fault(timeline, "h2") == [0.01, None, None]
    assert expired_after_each_fault(timeline) == [None, None, 0.2]
