"""Raw files of counters and events: their values, and the errors of damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure.raw import fault_windows, member_deltas, read_json, read_timeline, readable_timeline


def counters(**octets: int) -> dict[str, object]:
    return {"t_s": 1.0, "interfaces": {name: {"tx_bytes": value, "rx_bytes": 0} for name, value in octets.items()}}


def test_the_octets_that_each_member_sent_between_two_readings() -> None:
    read = {"start": counters(eth0=100, eth1=7), "end": counters(eth0=1100, eth1=7)}
    assert member_deltas(read, "tx_bytes") == {"eth0": 1000, "eth1": 0}
    assert list(member_deltas(read, "tx_bytes")) == ["eth0", "eth1"]


def test_a_damaged_json_file_names_itself(tmp_path: Path) -> None:
    (tmp_path / "counters.json").write_text('{"start": ')
    with pytest.raises(TrialError, match=r"raw file counters.json is damaged: "):
        read_json(tmp_path / "counters.json")


def test_a_timeline_names_its_damaged_line(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_text('{"t_s": 1.0, "source": "fault", "event": "begin"}\n{"t_s": 2.0, "sou')
    with pytest.raises(TrialError, match=r"raw file timeline.jsonl is cut off in line 2"):
        read_timeline(path)
    path.write_text('{"t_s": 1.0, "source": "fault", "event": "begin"}\n{"t_s": 2.0, "sou\n')
    with pytest.raises(TrialError, match=r"raw file timeline.jsonl is damaged in line 2: "):
        read_timeline(path)
    path.write_text('{"t_s": 1.0, "source": "fault", "event": "begin"}\n{"source": "fault", "event": "end"}\n')
    with pytest.raises(TrialError, match=r"raw file timeline.jsonl is damaged in line 2: no time t_s in it"):
        read_timeline(path)
    path.write_text('{"t_s": 1.0, "source": "fault", "event": "begin"}\n')
    assert [line["event"] for line in read_timeline(path)] == ["begin"]


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (counters(eth0=99), "tx_bytes of eth0 goes from 100 to 99"),
        (counters(eth1=200), "tx_bytes of eth0 goes from 100 to None"),
    ],
)
def test_a_counter_that_went_back_or_is_missing_is_an_error(end: dict[str, object], message: str) -> None:
    with pytest.raises(TrialError, match=message):
        member_deltas({"start": counters(eth0=100), "end": end}, "tx_bytes")


def test_a_timeline_whose_clock_went_back_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_text('{"t_s": 2.0, "event": "a"}\n{"t_s": 1.5, "event": "b"}\n')
    with pytest.raises(TrialError, match=r"timeline.jsonl, line 2: the clock went back from 2.0 to 1.5 s"):
        read_timeline(path)


def test_for_a_figure_the_events_that_can_be_read_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    assert readable_timeline(path) == []
    path.write_text('{"t_s": 2.0, "event": "b"}\n{"t_\n[]\n{"t_s": "x"}\n{"t_s": 1.5, "event": "a"}\n{"t_s": 3.0, "eve')
    assert [event["event"] for event in readable_timeline(path)] == ["a", "b"]


def test_a_fault_window_ends_with_the_end_of_the_same_fault() -> None:
    cut = {"source": "fault", "fault": "carrier_loss", "element": "s1-eth1"}
    crash = {"source": "fault", "fault": "controller_crash", "element": "c0"}
    events = [
        {"t_s": 1.0, "event": "begin", **cut},
        {"t_s": 1.5, "event": "begin", **crash},
        {"t_s": 1.7, "source": "bond", "event": "role"},
        {"t_s": 2.0, "event": "end", **cut},
        {"t_s": 3.0, "event": "begin", **cut},
    ]
    assert fault_windows(events) == [
        (1.0, 2.0, "carrier_loss s1-eth1"),
        (1.5, None, "controller_crash c0"),
        (3.0, None, "carrier_loss s1-eth1"),
    ]
