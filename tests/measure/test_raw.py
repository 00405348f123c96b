"""Raw files of counters and events: what they hold, and what is told of damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure.raw import member_deltas, read_json, read_timeline
from testbed.observe.rates import load as load_rates


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


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (counters(eth0=99), "tx_bytes of eth0 goes from 100 to 99"),
        (counters(eth1=200), "tx_bytes of eth0 goes from 100 to None"),
    ],
)
def test_a_counter_that_went_back_or_is_gone_is_no_number(end: dict[str, object], told: str) -> None:
    with pytest.raises(TrialError, match=told):
        member_deltas({"start": counters(eth0=100), "end": end}, "tx_bytes")


def test_a_timeline_whose_clock_went_back_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_text('{"t_s": 2.0, "event": "a"}\n{"t_s": 1.5, "event": "b"}\n')
    with pytest.raises(TrialError, match=r"timeline.jsonl, line 2: the clock went back from 2.0 to 1.5 s"):
        read_timeline(path)


RATES = "t_s,interface,tx_bytes,rx_bytes\n"


def test_rates_are_what_the_counters_grew_by(tmp_path: Path) -> None:
    path = tmp_path / "member_rates.csv"
    path.write_text(RATES + "1.0,eth0,0,5\n1.0,eth1,7,5\n1.1,eth0,12500000,5\n1.1,eth1,7,5\n1.3,eth0,12500000,5\n")
    samples = load_rates(path)
    # 12.5 million octets in a tenth of a second are 1000 Mbit/s.
    assert samples["eth0"].tx_mbps() == pytest.approx([1000, 0])
    assert samples["eth1"].tx_mbps() == pytest.approx([0])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no header"),
        (RATES, "holds no sample"),
        (RATES + "1.0,eth0,0,5\n1.1,eth0,10", "is cut off in line 3"),
        (RATES + "1.0,eth0,0,5\n1.1,eth0,10\n", "is damaged in line 3: 1.1,eth0,10"),
        (RATES + "1.0,eth0,9,5\n1.1,eth0,8,5\n", "line 3: a counter of eth0 went back"),
        (RATES + "1.0,eth0,9,5\n0.9,eth0,9,5\n", "line 3: the clock went back from 1.0 to 0.9 s"),
    ],
)
def test_damaged_rates_name_the_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "member_rates.csv"
    path.write_text(text)
    with pytest.raises(TrialError) as error:
        load_rates(path)
    assert told in str(error.value)
    assert "member_rates.csv" in str(error.value)
