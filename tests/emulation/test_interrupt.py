"""Interrupted runs: what is finished is kept, the command to resume is printed, nothing is left behind."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from testbed.results import result
from testbed.results.result import Run
from tests.emulation.support import command, different, ended, family, living, run, started, testbed, wait_for

_TRIALS = 5
_WORDS = ("failover", "--set", "mode=active-backup", "--repetitions", str(_TRIALS), "--seed", "3")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same run, not interrupted."""
    return run(tmp_path_factory.mktemp("whole") / "run", *_WORDS)


def _finished(place: Path) -> int:
    """How many trials are written."""
    lines = place / "trials.jsonl"
    return lines.read_text().count("\n") if lines.exists() else 0


def _left(scratch: Path) -> list[str]:
    """What our runs have left in the temporary directory."""
    return [path.name for path in scratch.iterdir() if path.name.startswith("testbed")]


def test_ctrl_c_keeps_the_finished_trials_and_prints_how_to_resume(whole: Run, tmp_path: Path) -> None:
    place, scratch = tmp_path / "a run", tmp_path / "scratch"
    scratch.mkdir()
    process = started("run", *_WORDS, "--out", str(place), TMPDIR=str(scratch))
    try:
        wait_for(lambda: _finished(place) >= 1, "the first trial ends", 120)
        wait_for(lambda: bool(_left(scratch)), "the next guest starts")
        members = family(process.pid)
        assert len(members) >= 3, "the guests' processes are among them"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        answer = ended(process)
    assert answer.returncode == 130, answer.stderr
    kept = result.load(place)
    assert kept.damaged == ()
    assert 1 <= len(kept.records) < _TRIALS
    wait_for(lambda: not living(members), "every process of the run has ended", 10)
    assert _left(scratch) == []

    # One line, so that it can be copied as it is.
    (line,) = (line for line in answer.stderr.splitlines() if line.startswith("interrupted"))
    text, _, typed = line.partition("type: ")
    assert text == "interrupted; the finished trials are kept. To go on, "
    assert shlex.split(typed)[:3] == command(), "as it was started"
    words = shlex.split(typed)[3:]
    assert {"run", *_WORDS, "--resume", "--out", str(place)} == set(words)
    before = {record.raw: (place / record.raw / "probe.csv").stat().st_mtime_ns for record in kept.records}

    assert testbed(*words, TMPDIR=str(scratch)).returncode == 0
    assert different(whole.path, place) == []
    after = {raw: (place / raw / "probe.csv").stat().st_mtime_ns for raw in before}
    assert after == before, "a finished trial is not made again"
    assert _left(scratch) == []


def test_a_killed_run_leaves_no_process_and_can_be_resumed(whole: Run, tmp_path: Path, place: Path) -> None:
    process = started("run", *_WORDS, "--out", str(place), TMPDIR=str(tmp_path))
    try:
        wait_for(lambda: _finished(place) >= 1, "the first trial ends", 120)
        members = family(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    wait_for(lambda: not living(members), "the guests have ended with it")
    assert testbed("run", *_WORDS, "--resume", "--out", str(place)).returncode == 0
    assert different(whole.path, place) == []
    # It could not tidy up itself; there is a command for that.
    assert _left(tmp_path)
    _clean(tmp_path)
    assert _left(tmp_path) == []


def _clean(scratch: Path) -> None:
    """``testbed clean``, of that temporary directory and of no kernel cache."""
    answer = testbed("clean", TMPDIR=str(scratch), TESTBED_CACHE=str(scratch / "cache"))
    assert answer.returncode == 0, answer.stderr
    assert all(line.startswith("removed ") for line in answer.stdout.splitlines())


def test_cleaning_up_leaves_alone_what_a_run_is_using(tmp_path: Path, place: Path) -> None:
    process = started(
        "run",
        "failover",
        "--set",
        "fault=none",
        "--set",
        "mode=active-backup",
        "--repetitions",
        "1",
        "--out",
        str(place),
        TMPDIR=str(tmp_path),
    )
    try:
        wait_for(lambda: bool(_left(tmp_path)), "the guest starts")
        used = _left(tmp_path)
        _clean(tmp_path)
        assert _left(tmp_path) == used
    finally:
        answer = ended(process)
    assert answer.returncode == 0, answer.stderr


def test_only_the_same_run_is_resumed(whole: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")}
    answer = testbed("run", *_WORDS[:-1], "4", "--resume", "--out", str(whole.path))
    assert answer.returncode == 2
    assert f"testbed: {whole.path} holds a run with another seed: 3, not 4" in answer.stderr
    assert {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")} == before
