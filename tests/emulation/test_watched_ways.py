"""Ways of ECMP that something watches, in a guest: a silent one is left by BFD, and by OSPF, as their laws say.

bfd       3 x 100 ms less the age of the last packet: 0.21 to 0.30 s
routing   2 s less the age of the last hello, and up to a second until the next tick: 1 to 3 s
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from testbed.results.result import Run, load
from tests.emulation.support import ended, started

pytestmark = pytest.mark.skipif(shutil.which("bird") is None, reason="BIRD is not installed (make setup-services)")

_COMMON = ("--topology", "two_ways", "--set", "mode=ecmp", "--set", "fault=silent_loss")
_ONCE = ("--set", "probe_interval_ms=5", "--repetitions", "1", "--seed", "3")


def carried_out(place: Path, *words: str) -> Run:
    answer = ended(started("run", "failover", *_COMMON, *words, *_ONCE, "--out", str(place)))
    assert answer.returncode == 0, answer.stderr
    return load(place)


@pytest.fixture(scope="module")
def bfd(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """By BFD: one trial, which is carried out again and compared byte for byte (exit code 1 if it differs)."""
    return carried_out(tmp_path_factory.mktemp("bfd") / "run", "--set", "ecmp_detect=bfd", "--verify", "1")


@pytest.fixture(scope="module")
def routing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """By OSPF."""
    words = ("--set", "ecmp_detect=routing", "--set", "ecmp_dead_s=2")
    return carried_out(tmp_path_factory.mktemp("routing") / "run", *words)


def outage_s(run: Run) -> float:
    """The outage of the only trial, which ended well and as theory says."""
    (record,) = run.records
    assert record.status == "ok" and not record.warnings, record
    assert record.metrics["within_bound"] and record.metrics["as_foretold"] and record.metrics["exposed_flows"], record
    assert record.metrics["reversion_outage_s"] == 0 and record.metrics["rejoin_s"] is not None
    return float(record.metrics["outage_s"])


def test_bfd_leaves_a_silent_way_after_its_detection_time(bfd: Run) -> None:
    assert 0.205 <= outage_s(bfd) <= 0.315
    assert bfd.records[0].metrics["detection_s"] <= outage_s(bfd)


def test_ospf_leaves_a_silent_way_after_the_dead_interval(routing: Run) -> None:
    assert 0.995 <= outage_s(routing) <= 3.015


def test_what_bird_did_is_kept_and_its_version_is_known(bfd: Run) -> None:
    raw = bfd.path / "raw" / "001"
    for host, other in (("h1", 2), ("h2", 1)):
        assert f"via 10.64.0.{other} bfd" in (raw / "services" / host / "bird.conf").read_text()
    events = [json.loads(line) for line in (raw / "timeline.jsonl").read_text().splitlines()]
    down = [event for event in events if event["source"] == "bfd" and event["new"] == "Down"]
    assert {event["host"] for event in down} == {"h1", "h2"}
    assert json.loads((bfd.path / "run.json").read_text())["tools"]["bird"].startswith("2.")


def test_each_bird_started_at_an_instant_of_its_own(bfd: Run) -> None:
    starts = json.loads((bfd.path / "raw" / "001" / "clocks.json").read_text())
    own = {each["name"]: each["start_s"] for each in starts if each["name"].startswith("bird ")}
    assert set(own) == {"bird h1", "bird h2"} and len(set(own.values())) == 2
