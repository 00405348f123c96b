"""One seed, one result: neither the load of the machine nor other runs change it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.results.result import Run
from tests.emulation import elsewhere
from tests.emulation.conftest import AGGREGATION, FAILOVER
from tests.emulation.support import content, different, run, side_by_side


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """That many busy loops, while the block runs."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
        assert all(loop.poll() is None for loop in loops)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def test_a_failover_is_repeated_byte_for_byte(lone_failover: Run, place: Path) -> None:
    assert len(lone_failover.records) == 2
    assert different(lone_failover.path, run(place, *FAILOVER).path) == []


def test_an_aggregation_is_repeated_byte_for_byte_on_a_busy_machine(lone_aggregation: Run, place: Path) -> None:
    with _busy(2):
        again = run(place, *AGGREGATION)
    assert different(lone_aggregation.path, again.path) == []
    assert {"raw/001/iperf3.json", "raw/001/counters.json"} <= content(place).keys()


@pytest.fixture(scope="module")
def other_seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """The same two runs with another seed."""
    base = tmp_path_factory.mktemp("other")
    failover, aggregation = ([word if word != "7" else "8" for word in words] for words in (FAILOVER, AGGREGATION))
    return side_by_side((base / "failover", *failover), (base / "aggregation", *aggregation))


def test_another_seed_differs(lone_failover: Run, lone_aggregation: Run, other_seeds: list[Run]) -> None:
    failover, aggregation = other_seeds
    names = different(lone_failover.path, failover.path)
    assert {"trials.jsonl", "raw/001/probe.csv", "raw/002/timeline.jsonl"} <= set(names)
    names = different(lone_aggregation.path, aggregation.path)
    assert {"trials.jsonl", "raw/001/iperf3.json", "raw/001/counters.json"} <= set(names)


#: One link, four flows: TCP makes the smallest difference of their beginnings visible.
_SHORT = {
    "failover": ("failover", "--repetitions", "1", "--seed", "7", "--set", "mode=active-backup"),
    "aggregation": (
        *("aggregation", "--repetitions", "1", "--seed", "7", "--set", "mode=balance-rr", "--set", "members=1"),
        *("--set", "flows=4", "--set", "duration_s=1", "--set", "omit_s=0"),
    ),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The project and its environment in another place, and that environment's Python."""
    return elsewhere.made(tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("name", list(_SHORT))
def test_a_run_is_the_same_from_whatever_place_and_environment(
    name: str, copied: tuple[Path, Path], tmp_path: Path
) -> None:
    here = run(tmp_path / "here", *_SHORT[name])
    with _busy(2):
        answer = elsewhere.run(*copied, tmp_path / "there", *_SHORT[name])
    assert answer.returncode == 0, answer.stdout + answer.stderr
    files = content(here.path)
    assert {"trials.jsonl", "raw/001/trial.json", "raw/001/timeline.jsonl"} <= files.keys()
    # The commit is the checkout's; the copy is none.
    assert [file for file in different(here.path, tmp_path / "there") if file.startswith(("raw/", "trials"))] == []


def test_runs_side_by_side_do_not_disturb_each_other(lone_failover: Run, lone_aggregation: Run, tmp_path: Path) -> None:
    failover, aggregation = side_by_side((tmp_path / "failover", *FAILOVER), (tmp_path / "aggregation", *AGGREGATION))
    assert different(lone_failover.path, failover.path) == []
    assert different(lone_aggregation.path, aggregation.path) == []
