"""What the runner gives a backend, whatever that makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.backends.watchdog import Watchdog
from testbed.design.trial import Trial
from testbed.errors import TrialError
from testbed.experiment import discovery
from testbed.experiment.plan import plan
from testbed.run import execute

_REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"


class _Unable:
    """A backend that carries nothing out, and notes how long it might have taken."""

    name = "none"

    def __init__(self) -> None:
        self.limits_s: list[float] = []

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        self.limits_s.append(watchdog.limit_s)
        raise TrialError("nothing was carried out")


def test_where_time_is_real_a_trial_may_take_as_long_as_the_longest_of_ours(
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
    # A guest whose clock stands still is found out sooner.
    assert virtual_s < longest_s
