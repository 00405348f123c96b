"""How trials are carried out and measured, with backends that start nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testbed.backends.watchdog import Watchdog
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError, TrialError
from testbed.experiment import discovery
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import plan
from testbed.results.result import Record, load
from testbed.run import execute

_REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"


class _Unable:
    """A backend that runs nothing, and records the time limit of each trial."""

    name = "none"

    def __init__(self) -> None:
        self.limits_s: list[float] = []

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        self.limits_s.append(watchdog.limit_s)
        raise TrialError("nothing was run")


def test_in_real_time_a_trial_may_take_as_long_as_the_longest_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    records = [json.loads(line) for path in _REFERENCE.glob("*/trials.jsonl") for line in path.open()]
    longest_s = max(record["virtual_s"] for record in records)
    experiment, topology = discovery.experiment("failover"), discovery.topology("single_switch")
    backend = _Unable()
    for clock in ("virtual", "real"):
        run = tmp_path / clock
        run.mkdir()
        (run / "trials.jsonl").touch()
        trials = plan(experiment, topology, [{}], repetitions=1, seed=1, clock=clock, source="failover")
        assert execute.execute(backend, experiment, trials, run, jobs=1, done=lambda _: None)
    virtual_s, real_s = backend.limits_s
    assert real_s > 2 * longest_s
    # A guest whose clock stands still is ended sooner.
    assert virtual_s < longest_s


class _Able:
    """A backend whose trials succeed, with one raw file."""

    name = "none"

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        (directory / "outcome.json").write_text(json.dumps({"status": "ok", "reason": "", "virtual_s": 1.5}))
        (directory / "seen.txt").write_text(str(trial.number))
        (directory / "trial.log").write_text("what the trial printed")


Measure = Callable[[Path, Trial], Any]


def carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure: Measure, trials: int = 2) -> list[Record]:
    """The records of a run whose trials are measured by this function."""
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    run.mkdir()
    (run / "trials.jsonl").touch()
    (run / "run.json").write_text('{"format": 1, "experiment": "failover", "factors": {}}')
    experiment: Experiment = dataclasses.replace(discovery.experiment("failover"), measure=measure)
    planned = plan(
        experiment, discovery.topology("single_switch"), [{}], repetitions=trials, seed=1, clock="virtual", source="x"
    )
    assert execute.execute(_Able(), experiment, planned, run, jobs=1, done=lambda _: None)
    return sorted(load(run).records, key=lambda record: record.number)


def _raising(_raw: Path, trial: Trial) -> Measured:
    if trial.number == 1:
        return {}["outage_s"]  # a mistake in the first trial only
    return Measured({"outage_s": 0.5})


def test_a_measure_that_raises_is_a_failed_trial_and_the_run_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = carried_out(tmp_path, monkeypatch, _raising)
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if '{}["outage_s"]' in text)
    assert (first.status, first.reason) == ("failed", f"test_execute.py, line {line}: KeyError: 'outage_s'")
    assert (second.status, second.metrics) == ("ok", {"outage_s": 0.5})
    raw = tmp_path / "run" / first.raw
    assert (raw / "seen.txt").read_text() == "1"
    assert (raw / "trial.log").exists() and not (tmp_path / "run" / second.raw / "trial.log").exists()


def _exits(_raw: Path, _trial: Trial) -> Measured:
    raise SystemExit(3)


def _refuses(_raw: Path, _trial: Trial) -> Measured:
    raise SpecError("topology 'x' has no host h1 with a bond")


def _says_failed(_raw: Path, _trial: Trial) -> Measured:
    raise TrialError("raw file probe.csv is damaged in line 3")


def _reads(raw: Path, _trial: Trial) -> Measured:
    return Measured({"text": (raw / "gone.csv").read_text()})


def _reads_elsewhere(_raw: Path, _trial: Trial) -> Measured:
    return Measured({"text": Path("/nowhere/table.csv").read_text()})


def _counts_with_numpy(_raw: Path, _trial: Trial) -> Measured:
    return Measured({"packets": np.int64(3)})


def _returns_a_mapping(_raw: Path, _trial: Trial) -> Any:
    return {"outage_s": 0.5}


def _invents_a_status(_raw: Path, _trial: Trial) -> Measured:
    return Measured({}, "good")


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        (_exits, "FILE, line +1: SystemExit: 3"),
        (_refuses, "topology 'x' has no host h1 with a bond"),
        (_says_failed, "raw file probe.csv is damaged in line 3"),
        (_reads, "raw file gone.csv is missing"),
        (
            _reads_elsewhere,
            "FILE, line +1: FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/table.csv'",
        ),
        (_counts_with_numpy, "FILE, line +0: TypeError: Object of type int64 is not JSON serializable"),
        (_returns_a_mapping, "FILE, line +0: _returns_a_mapping() returned dict; wanted a Measured"),
        (
            _invents_a_status,
            "FILE, line +0: _invents_a_status() returned the status 'good'; wanted one of ok, failed, censored",
        ),
    ],
)
def test_what_is_wrong_with_a_measure_is_the_reason_of_its_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure: Measure, reason: str
) -> None:
    begins = measure.__code__.co_firstlineno
    for offset in (0, 1):
        reason = reason.replace(f"FILE, line +{offset}", f"test_execute.py, line {begins + offset}")
    (record,) = carried_out(tmp_path, monkeypatch, measure, trials=1)
    assert (record.status, record.reason, record.metrics) == ("failed", reason, {})
