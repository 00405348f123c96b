"""What differs between two executions of a trial: every kind of difference is found, and the earliest is named."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import synthetic

from testbed.results import checksums, difference
from testbed.results.difference import Difference
from testbed.results.result import Record

EVENTS: list[dict[str, Any]] = [
    {"t_s": 1.0, "source": "network", "event": "converged"},
    {"t_s": 2.0, "source": "fault", "event": "begin", "fault": "carrier_loss", "element": "s1-eth1"},
    {"t_s": 2.05, "source": "bond", "event": "active_member", "interface": "bond0", "new": "h1-eth1"},
    {"t_s": 3.0, "source": "controller", "event": "learned", "port": "1:2"},
    {"t_s": 4.0, "source": "fault", "event": "end", "fault": "carrier_loss", "element": "s1-eth1"},
]
#: The trial begins at 100 s of the clock that the controller's log has.
BEGIN_S = 100.0
LOG = [{"time": BEGIN_S + 3.0, "source": "controller", "event": "learned", "port": "1:2"}]
PROBE = ["flow,seq,sent_s,received_s"]
PROBE += [f"{flow},{seq},{1 + seq / 10:g},{1 + seq / 10:g}" for flow in ("h1>h2", "h2>h1") for seq in range(30)]


def lines(values: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def written(run: Path) -> tuple[Path, Record]:
    """A run with one trial and its raw files."""
    one = synthetic.record(1, "failover", {"mode": "802.3ad"}, {"outage_s": 0.05, "lost": 4})
    place = run / one.raw
    place.mkdir(parents=True)
    for name, text in {
        "trial.json": "{}\n",
        "clocks.json": '[\n {"name": "probe", "start_s": 10.7}\n]\n',
        "timeline.jsonl": lines(EVENTS),
        "controller.log": lines(LOG),
        "probe.csv": "\n".join(PROBE) + "\n",
        "phase.log": "building the network (at 0.001 s of the trial's clock)\n",
        "bonds.json": '{"text": "MII Status: up"}\n',
        "empty.log": "",
    }.items():
        (place / name).write_text(text)
    checksums.write(place)
    return run, one


Change = Callable[[Path], None]


@pytest.fixture
def compared(tmp_path: Path) -> Callable[..., Difference | None]:
    """The difference of a trial from itself after a change of its raw files or of its record."""

    def found(change: Change | None = None, **of_record: Any) -> Difference | None:
        first, one = written(tmp_path / "first")
        second = tmp_path / "second"
        shutil.copytree(first, second)
        if change:
            change(second / one.raw)
        return difference.of_trial(first, second, one, dataclasses.replace(one, **of_record))

    return found


def replaced(name: str, old: str, new: str) -> Change:
    def change(place: Path) -> None:
        text = (place / name).read_text()
        assert text.count(old) == 1
        (place / name).write_text(text.replace(old, new))

    return change


def test_the_same_bytes_are_no_difference(compared: Callable[..., Difference | None]) -> None:
    assert compared(wall_s=99.0) is None


def test_a_changed_byte_is_named_by_file_and_line(compared: Callable[..., Difference | None]) -> None:
    found = compared(replaced("bonds.json", "up", "un"))
    assert found is not None and found.before is not None and found.after is not None
    assert found.files == {"bonds.json": "other bytes"}
    assert (found.before.file, found.before.number, found.after.number) == ("bonds.json", 1, 1)
    assert found.after.text == '{"text": "MII Status: un"}'
    assert found.common is not None and found.common.text == json.dumps(EVENTS[-1])  # it has no time: after all others


def test_an_event_that_comes_later_is_named_with_its_time(compared: Callable[..., Difference | None]) -> None:
    found = compared(replaced("timeline.jsonl", "2.05", "2.061"))
    assert found is not None and found.before is not None and found.after is not None
    assert (found.before.number, found.before.t_s) == (3, 2.05)
    assert (found.after.number, found.after.t_s) == (3, 2.061)
    assert found.common is not None and found.common.text == json.dumps(EVENTS[1])
    assert any("timeline.jsonl line 3 (at 2.05 s)" in text for text in found.sentences())


def test_a_line_that_is_missing(compared: Callable[..., Difference | None]) -> None:
    found = compared(replaced("timeline.jsonl", json.dumps(EVENTS[2]) + "\n", ""))
    assert found is not None and found.before is not None
    assert (found.before.number, found.before.text, found.after) == (3, json.dumps(EVENTS[2]), None)
    assert "and the repetition:  nothing there" in "\n".join(found.sentences())


def test_the_earliest_line_counts_in_a_file_that_is_not_in_order_of_time(
    compared: Callable[..., Difference | None],
) -> None:
    """probe.csv is sorted by flow: the first line that differs, of h1>h2, is later than one of h2>h1."""

    def change(place: Path) -> None:
        replaced("probe.csv", "h1>h2,25,3.5,3.5", "h1>h2,25,3.5,")(place)
        replaced("probe.csv", "h2>h1,3,1.3,1.3", "h2>h1,3,1.3,1.4")(place)

    found = compared(change)
    assert found is not None and found.before is not None
    assert (found.before.file, found.before.text) == ("probe.csv", "h2>h1,3,1.3,1.3")
    assert found.before.number == 1 + 30 + 4
    # The last common event is one of the timeline, not the packet before.
    assert found.common is not None and (found.common.file, found.common.t_s) == ("timeline.jsonl", 1.0)


def test_the_earliest_of_all_files_counts(compared: Callable[..., Difference | None]) -> None:
    """The controller's log has another clock: its line of 3 s comes before the timeline's of 4 s."""

    def change(place: Path) -> None:
        replaced("timeline.jsonl", "4.0", "4.5")(place)
        replaced("controller.log", "1:2", "1:3")(place)
        replaced("bonds.json", "up", "down")(place)

    found = compared(change)
    assert found is not None and found.before is not None
    assert set(found.files) == {"timeline.jsonl", "controller.log", "bonds.json"}
    assert (found.before.file, found.before.t_s) == ("controller.log", pytest.approx(3.0))


def test_what_a_trial_was_given_comes_first(compared: Callable[..., Difference | None]) -> None:
    def change(place: Path) -> None:
        replaced("timeline.jsonl", '"t_s": 1.0', '"t_s": 1.1')(place)
        replaced("clocks.json", "10.7", "10.8")(place)

    found = compared(change)
    assert found is not None and found.before is not None
    assert (found.before.file, found.before.number, found.common) == ("clocks.json", 2, None)


def test_files_of_one_side_only(compared: Callable[..., Difference | None]) -> None:
    def change(place: Path) -> None:
        (place / "wire.csv").write_text("t_s,interface\n1.5,h1-eth0\n")
        (place / "bonds.json").unlink()

    found = compared(change)
    assert found is not None and found.after is not None
    assert found.files == {"bonds.json": "only in the run", "wire.csv": "only in the repetition"}
    assert (found.before, found.after.text) == (None, "1.5,h1-eth0")


def test_an_empty_file_that_is_missing_is_a_difference(compared: Callable[..., Difference | None]) -> None:
    found = compared(lambda place: (place / "empty.log").unlink())
    assert found is not None and found.files == {"empty.log": "only in the run"}
    assert found.sentences()


@pytest.mark.parametrize("ending", ["", "\r\n"])
def test_another_end_of_line_is_a_difference(compared: Callable[..., Difference | None], ending: str) -> None:
    text = lines(EVENTS)
    found = compared(lambda place: (place / "timeline.jsonl").write_bytes((text[:-1] + ending).encode()))
    assert found is not None and list(found.files) == ["timeline.jsonl"]
    assert found.before is not None and found.before.number == 5


def test_lines_in_another_order_are_a_difference(compared: Callable[..., Difference | None]) -> None:
    swapped = [EVENTS[0], EVENTS[2], EVENTS[1], *EVENTS[3:]]
    found = compared(lambda place: (place / "timeline.jsonl").write_text(lines(swapped)))
    assert found is not None and found.before is not None
    assert found.before.number == 2


def test_octets_that_are_no_text(compared: Callable[..., Difference | None]) -> None:
    found = compared(lambda place: (place / "bonds.json").write_bytes(b"\xff\xfe\n"))
    assert found is not None and found.after is not None
    assert found.after.text == "\\xff\\xfe"


def test_a_metric_that_differs_is_named(compared: Callable[..., Difference | None]) -> None:
    found = compared(metrics={"outage_s": 0.05, "lost": 5}, virtual_s=12.6)
    assert found is not None and found.before is not None and found.after is not None
    assert found.files == {"trials.jsonl": "metrics, virtual_s"}
    assert (found.before.text, found.after.text) == ("metrics.lost 4", "metrics.lost 5")


def test_inputs_that_differ_are_named() -> None:
    before = {"code": "1", "kernel": {"version": "7.3.4"}, "tools": {"iperf3": "3.12", "ovs": "3.1"}, "runtime": None}
    after = {
        "code": "1",
        "kernel": {"version": "7.3.5"},
        "tools": {"iperf3": "3.12", "scipy": "1"},
        "runtime": "a" * 99,
    }
    assert difference.of_inputs(before, before) == []
    assert difference.of_inputs(before, after) == [
        "kernel.version: 7.3.4 -> 7.3.5",
        f"runtime: none -> {'a' * 57}...",
        "tools.ovs: 3.1 -> none",
        "tools.scipy: none -> 1",
    ]


def test_another_build_of_the_same_python_is_named() -> None:
    """Its version is the same, its octets are not."""
    before, after = (
        {"digests": {"python": digest, "libc": "0" * 64}, "tools": {"python": "3.11.2"}} for digest in ("1a", "2b")
    )
    assert difference.of_inputs(before, after) == ["digests.python: 1a -> 2b"]
