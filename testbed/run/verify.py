"""A run's trials carried out again, into another place, to be compared with the run (testbed.results.difference)."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed import rawfiles
from testbed.design.trial import Trial
from testbed.errors import SpecError
from testbed.results import checksums, difference, result
from testbed.results.difference import Difference
from testbed.results.result import Record, Run
from testbed.run import execute, own_code, own_controllers, prepare
from testbed.run.executor import choose_backend
from testbed.schemes import own_controller


@dataclass(frozen=True)
class Verified:
    """What a verification found: the numbers of the trials that were compared, how they differ, and which inputs."""

    trials: tuple[int, ...]
    differences: tuple[Difference, ...]
    inputs: tuple[str, ...]


def chosen(run: Run, count: int | None) -> list[Record]:
    """``count`` of the run's trials, drawn by its seed, or all; in the order of their numbers.

    Errors: SpecError if the trials cannot be repeated: the clock is real, or the run keeps no raw files.
    """
    if run.manifest.get("clock") != "virtual":
        raise SpecError(
            f"{run.path} was measured with a real clock; only in virtual time does one seed give the same bytes",
            "Compare it with another run instead: testbed compare RUN RUN",
        )
    records = sorted(run.records, key=lambda record: record.number)
    if count is not None and count < len(records):
        records = random.Random(f"verify {run.manifest['seed']}").sample(records, count)
    for record in records:
        _check_input(run, record)
    return sorted(records, key=lambda record: record.number)


def _check_input(run: Run, record: Record) -> None:
    """Errors: SpecError if the trial's input is not there, or not as it was written."""
    name = f"{record.raw}/trial.json"
    if not rawfiles.exists(run.path / record.raw, "trial.json"):
        raise SpecError(
            f"{run.path} has no {name}: it keeps no raw files, so there is nothing to compare bytes with",
            "Give a run as testbed run made it. results/reference/ is verified by: testbed reproduce",
        )
    if not checksums.as_written(run.path / record.raw, "trial.json"):
        raise SpecError(
            f"{run.path / name} was changed after the trial, so the trial cannot be repeated",
            "Carry out the run again: testbed run EXPERIMENT --out ...",
        )


def carry_out(
    run: Run, records: Sequence[Record], place: Path, *, jobs: int | None, done: Callable[[Record], None]
) -> Run | None:
    """The trials of ``records`` again, in the new directory ``place``; None if interrupted.

    Errors: MachineError without a backend, SpecError for an experiment that is no longer there.
    """
    trials = [Trial.from_json(rawfiles.read_text(run.path / record.raw / "trial.json")) for record in records]
    if (run.path / own_code.NAME).is_dir():
        shutil.copytree(run.path / own_code.NAME, place / own_code.NAME)
        own_controller.read_copies(place / own_code.NAME)
    experiment = own_code.kept(trials[0].experiment, place)
    manifest = run.manifest
    packages = (*experiment.packages, *own_controllers.packages(manifest["factors"]))
    backend = choose_backend(str(manifest["backend"]), "virtual", packages, experiment.programs)
    made: Mapping[str, Any] = {**manifest, **prepare.made_with(backend)}
    again = place / "run"
    result.create(again, {key: value for key, value in made.items() if key != "format"})
    if (place / own_code.NAME).is_dir():
        shutil.copytree(place / own_code.NAME, again / own_code.NAME)
    at_once = jobs or len(os.sched_getaffinity(0))
    ended = execute.execute(backend, experiment, trials, again, jobs=at_once, done=done)
    return result.load(again) if ended else None


def compare(run: Run, again: Run) -> Verified:
    """How the trials of ``again`` differ from the same trials of ``run``."""
    known = {record.number: record for record in run.records}
    found = sorted(again.records, key=lambda record: record.number)
    differences = [difference.of_trial(run.path, again.path, known[record.number], record) for record in found]
    return Verified(
        tuple(record.number for record in found),
        tuple(each for each in differences if each is not None),
        tuple(difference.of_inputs(run.manifest, again.manifest)),
    )
