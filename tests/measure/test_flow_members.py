"""Which member carried each flow: packets counted by member, placements compared with the prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure import flow_members
from testbed.measure.flow_members import FlowKey, flows_by_member, packets_by_member
from testbed.observe import flow_capture

FIRST: FlowKey = ("udp", "10.0.0.1", 40000, "10.0.0.2", 5201)
SECOND: FlowKey = ("udp", "10.0.0.1", 40002, "10.0.0.2", 5201)


def test_the_columns_are_those_that_the_capture_writes() -> None:
    assert tuple(flow_members.COLUMNS) == flow_capture.COLUMNS


def captured(place: Path, *rows: str) -> Path:
    path = place / "captured.csv"
    path.write_text("\n".join([",".join(flow_capture.COLUMNS), *rows]) + "\n")
    return path


def test_packets_are_counted_by_member_and_direction(tmp_path: Path) -> None:
    path = captured(
        tmp_path,
        "h1-eth0,out,udp,10.0.0.1,40000,10.0.0.2,5201,3",
        "h1-eth1,out,udp,10.0.0.1,40002,10.0.0.2,5201,2",
        "h1-eth0,in,udp,10.0.0.2,5201,10.0.0.1,40000,9",
        "h2-eth0,out,udp,10.0.0.1,40000,10.0.0.2,5201,9",
    )
    assert packets_by_member(path, ["h1-eth0", "h1-eth1"], "out") == {FIRST: [3, 0], SECOND: [0, 2]}


@pytest.mark.parametrize("row", ["h1-eth0,out,udp,10.0.0.1,x,10.0.0.2,5201,3", "h1-eth0,out,udp,10.0.0.1"])
def test_a_damaged_line_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(TrialError, match=rf"captured\.csv is damaged in line 2: {row}"):
        packets_by_member(captured(tmp_path, row), ["h1-eth0"], "out")


def test_a_file_that_is_cut_off_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "captured.csv"
    path.write_text(",".join(flow_capture.COLUMNS) + "\nh1-eth0,out,udp,10.0.0.1,40000")
    with pytest.raises(TrialError, match=r"captured\.csv is cut off in line 2"):
        packets_by_member(path, ["h1-eth0"], "out")


def test_flows_on_the_wrong_member_and_on_two_are_counted() -> None:
    right = flows_by_member({FIRST: [3, 0], SECOND: [0, 3]}, {FIRST: 0, SECOND: 1}, 2)
    assert (right.measured, right.predicted, right.matched, right.split) == ([1, 1], [1, 1], 2, 0)
    wrong = flows_by_member({FIRST: [3, 0], SECOND: [2, 1]}, {FIRST: 0, SECOND: 1}, 2)
    assert (wrong.measured, wrong.predicted, wrong.matched, wrong.split) == ([2, 0], [1, 1], 1, 1)


def test_without_a_prediction_there_is_nothing_to_match() -> None:
    found = flows_by_member({FIRST: [3, 0]}, {FIRST: None}, 2)
    assert (found.measured, found.predicted, found.matched) == ([1, 0], None, None)


@pytest.mark.parametrize("packets", [{}, {FIRST: [0, 0]}])
def test_a_flow_without_packets_is_an_error(packets: dict[FlowKey, list[int]]) -> None:
    with pytest.raises(TrialError, match=r"no packet of flow udp 10\.0\.0\.1 40000 10\.0\.0\.2 5201 crossed a member"):
        flows_by_member(packets, {FIRST: 0}, 2)
