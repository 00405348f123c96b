"""A hostile trial fails with a reason; the run goes on, the caller's files stay, and a terminal gets no escapes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from testbed.backends.watchdog import Watchdog
from testbed.cli import cli
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import plan
from testbed.measure.raw import read_json
from testbed.results import checksums, difference
from testbed.results.result import Record, Run, load
from testbed.run import execute, fidelity

OK = {"status": "ok", "reason": "", "virtual_s": 1.5}
Acts = Callable[[Path, Path], None]


class Hostile:
    """A backend whose first trial leaves what ``acts`` makes, and whose second is a good one."""

    name = "none"

    def __init__(self, acts: Acts, victim: Path) -> None:
        self._acts, self._victim = acts, victim

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        (directory / "outcome.json").write_text(json.dumps(OK))
        (directory / "rates.json").write_text('{"mbps": 1.0}')
        if trial.number == 1:
            self._acts(directory, self._victim)


def _measure(raw: Path, trial: Trial) -> Measured:
    return Measured({"goodput_mbps": read_json(raw / "rates.json")["mbps"]})


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file of the caller's; it must be as it was at the end of each test."""
    path = tmp_path / "home" / "victim"
    path.parent.mkdir()
    path.write_text("a thesis")
    yield path
    assert path.read_text() == "a thesis"
    assert [each.name for each in path.parent.iterdir()] == ["victim"]


@pytest.fixture
def carried_out(tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """A run of a hostile trial and a good one, by what the first does."""

    def made(acts: Acts, *, clock: str = "virtual") -> Run:
        monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
        run = tmp_path / "run"
        run.mkdir()
        (run / "trials.jsonl").touch()
        manifest = {"format": 1, "experiment": "failover", "factors": {}, "seed": 1, "repetitions": 2}
        (run / "run.json").write_text(json.dumps(manifest))
        experiment: Experiment = dataclasses.replace(discovery.experiment("failover"), measure=_measure)
        topology = discovery.topology("single_switch")
        planned = plan(experiment, topology, [{}], repetitions=2, seed=1, clock=clock, source="x")
        backend = Hostile(acts, victim)
        assert execute.execute(backend, experiment, planned, run, jobs=1, done=lambda _: None)
        return load(run)

    return made


def both(run: Run) -> tuple[Record, Record]:
    """The hostile trial's record and the good one's, which must be good."""
    first, second = sorted(run.records, key=lambda record: record.number)
    assert (second.status, second.metrics) == ("ok", {"goodput_mbps": 1.0})
    return first, second


def _replace(name: str, make: Callable[[Path, Path], None]) -> Acts:
    def acts(directory: Path, victim: Path) -> None:
        (directory / name).unlink(missing_ok=True)
        make(directory / name, victim)

    return acts


def _link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def _pipe(path: Path, _victim: Path) -> None:
    os.mkfifo(path)


def _sparse(path: Path, _victim: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


#: What the outside writes or reads by name: links and pipes there, as the report of the defect showed them.
NAMES = (
    *("files.json", ".files.json.part", "trial.json", "outcome.json", "rates.json", "phase.log"),
    *("trial.log", "console.log", "fidelity.json", "queues.json", "probe.csv"),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("make", "called"),
    [(_link, "a symbolic link"), (_pipe, "a named pipe"), (_sparse, f"{1 << 40} octets")],
    ids=["link", "pipe", "sparse"],
)
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_whatever_stands_under_a_name_that_the_outside_uses_fails_the_trial(
    name: str, make: Callable[[Path, Path], None], called: str, clock: str, carried_out: Callable[..., Run]
) -> None:
    run = carried_out(_replace(name, make), clock=clock)
    first, _ = both(run)
    written_after = (name, clock) == ("fidelity.json", "real")  # by the outside, in place of what was there
    assert first.status == ("ok" if written_after else "failed")
    assert written_after or first.reason.startswith(f"the trial left what was not kept: {name} ({called})")
    assert checksums.findings(run) == []


def _written(name: str, text: str) -> Acts:
    return lambda directory, _victim: directory.joinpath(name).write_text(text) and None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "raw file rates.json is damaged: it nests too deep"),
        ('{"mbps": NaN}', "raw file rates.json is damaged: NaN is no number in JSON"),
        ('{"mbps": 1e999}', "raw file rates.json is damaged: the number 1e999 is too large"),
        ('{"mbps": ' + "9" * 5000 + "}", f"raw file rates.json is damaged: the number {'9' * 21}... is too large"),
        ('{"mbps": "', "raw file rates.json is damaged: Unterminated string"),
        ("\x00", "raw file rates.json is damaged: Expecting value"),
    ],
)
def test_json_that_is_none_fails_the_trial(text: str, reason: str, carried_out: Callable[..., Run]) -> None:
    first, _ = both(carried_out(_written("rates.json", text)))
    assert first.status == "failed" and first.reason.startswith(reason)


@pytest.mark.parametrize(
    "outcome",
    [
        *([], "text", None, {}, {"status": "ok"}, {**OK, "virtual_s": "long"}, {**OK, "reason": ["x"]}),
        {**OK, "status": {"a": 1}},
    ],
)
def test_an_outcome_of_wrong_types_fails_the_trial(outcome: Any, carried_out: Callable[..., Run]) -> None:
    first, _ = both(carried_out(_written("outcome.json", json.dumps(outcome))))
    assert (first.status, first.reason) == (
        "failed",
        "raw file outcome.json is damaged: wanted status, reason and virtual_s",
    )


def test_an_outcome_whose_time_is_no_number_fails_the_trial(carried_out: Callable[..., Run]) -> None:
    first, _ = both(carried_out(_written("outcome.json", '{"status": "ok", "reason": "", "virtual_s": 1e999}')))
    assert first.status == "failed"
    assert first.virtual_s == 0.0


ESCAPES = "\x1b]0;owned\x07\x1b[2J"


def test_a_reason_with_terminal_escapes_is_recorded_without(carried_out: Callable[..., Run]) -> None:
    outcome = {"status": "failed", "reason": f"it says {ESCAPES}", "virtual_s": 1.0}
    first, _ = both(carried_out(_written("outcome.json", json.dumps(outcome))))
    assert first.reason == "it says \\x1b]0;owned\\x07\\x1b[2J"


def test_a_last_line_with_terminal_escapes_is_recorded_without(carried_out: Callable[..., Run]) -> None:
    def acts(directory: Path, _victim: Path) -> None:
        (directory / "outcome.json").unlink()
        (directory / "trial.log").write_text(f"{ESCAPES}{'x' * 100_000}\n")

    first, _ = both(carried_out(acts))
    assert first.reason.isprintable() and len(first.reason) < 1000


def test_queues_of_wrong_types_are_a_warning(tmp_path: Path) -> None:
    trial = plan(
        discovery.experiment("failover"),
        discovery.topology("single_switch"),
        [{}],
        repetitions=1,
        seed=1,
        clock="real",
        source="x",
    )[0]
    (tmp_path / "trial.json").write_text(trial.to_json())
    (tmp_path / "fidelity.json").write_text('{"samples": []}')
    (tmp_path / "probe.csv").write_text("no probe\n")
    for text in ("[]", '{"interfaces": []}', '{"interfaces": {"h1-eth0": {"backlog_bytes": "many"}}}', "{"):
        (tmp_path / "queues.json").write_text(text)
        assert any("queues.json is damaged" in warning for warning in fidelity.findings(tmp_path))


def test_what_reads_a_run_later_follows_no_link_either(carried_out: Callable[..., Run], victim: Path) -> None:
    """A run that was hand-made, or changed after it was made."""
    run = carried_out(lambda *_: None)
    both(run)
    raw = run.path / "raw" / "001"
    known = json.loads((raw / "files.json").read_text())
    for name in ("rates.json", "controller_state.json"):
        (raw / name).unlink(missing_ok=True)
        (raw / name).symlink_to(victim)
    (raw / "endless").symlink_to("/dev/zero")
    os.mkfifo(raw / "timeline.jsonl")
    known |= {"../../../home/victim": {"bytes": 8, "sha256": ""}, "gone\x1b[2J": {"bytes": 1}, "trial.json": [1]}
    (raw / "files.json").write_text(json.dumps(known))
    assert sorted(checksums.findings(run)) == [
        "raw/001/gone\\x1b[2J is missing",
        "raw/001/trial.json has a damaged entry in files.json",
        "raw/001: ../../../home/victim is no name of a raw file",
        "raw/001: raw file rates.json is a symbolic link; wanted an ordinary file",
    ]
    first, second = both(run)
    text = "\n".join(difference.of_trial(run.path, run.path, first, second).sentences())  # type: ignore[union-attr]
    assert "thesis" not in text
    answer = CliRunner().invoke(cli, ["state", str(run.path)], standalone_mode=False)
    assert "controller_state.json is a symbolic link" in str(answer.exception)


def test_a_difference_and_a_state_are_shown_without_terminal_escapes(carried_out: Callable[..., Run]) -> None:
    run = carried_out(lambda *_: None)
    first, second = both(run)
    (run.path / first.raw / "trial.json").unlink()
    (run.path / second.raw / "trial.json").unlink()
    (run.path / first.raw / f"log{ESCAPES}.txt").write_text(f"{ESCAPES}\n")
    found = difference.of_trial(run.path, run.path, first, second)
    assert found is not None and all(sentence.isprintable() for sentence in found.sentences())
    (run.path / first.raw / "controller_metrics.prom").write_text(f"up {ESCAPES}\n")
    answer = CliRunner().invoke(cli, ["state", str(run.path), "--metrics"])
    assert answer.output == "up \\x1b]0;owned\\x07\\x1b[2J\n"


def test_a_record_that_names_another_place_is_damaged(carried_out: Callable[..., Run]) -> None:
    run = carried_out(lambda *_: None)
    lines = (run.path / "trials.jsonl").read_text().replace("raw/002", "../../home/002")
    (run.path / "trials.jsonl").write_text(lines)
    assert [record.raw for record in load(run.path).records] == ["raw/001"]
    assert "its raw is '../../home/002'; wanted raw/ and a number from 1" in load(run.path).damaged[0]


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"lags": 3}', "{", '"text"'])
def test_a_damaged_state_is_one_sentence(text: str, carried_out: Callable[..., Run]) -> None:
    run = carried_out(lambda *_: None)
    (run.path / "raw" / "001" / "controller_state.json").write_text(text)
    answer = CliRunner().invoke(cli, ["state", str(run.path)], standalone_mode=False)
    assert isinstance(answer.exception, SpecError)
    assert "raw file controller_state.json is damaged" in answer.exception.message
