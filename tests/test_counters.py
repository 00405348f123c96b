"""Raw files of counters and events."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure.raw import member_deltas, read_json, read_timeline


def counters(**octets: int) -> dict[str, object]:
    return {"t_s": 1.0, "interfaces": {name: {"tx_bytes": value, "rx_bytes": 0} for name, value in octets.items()}}


def test_what_each_member_sent_between_two_readings() -> None:
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
    with pytest.raises(TrialError, match=r"raw file timeline.jsonl is damaged in line 2: "):
        read_timeline(path)
    path.write_text('{"t_s": 1.0, "source": "fault", "event": "begin"}\n')
    assert [line["event"] for line in read_timeline(path)] == ["begin"]
