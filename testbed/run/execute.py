"""Outside: from a plan of trials to a result directory, several trials side by side, resumable.

plan --> for each trial: raw/NNN/trial.json --> a backend --> raw files --> Experiment.measure --> trials.jsonl
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from testbed.backends import kernel
from testbed.backends.watchdog import Cancelled, Watchdog, stood
from testbed.design.trial import Measured, Trial
from testbed.errors import TestbedError, TrialError
from testbed.experiment.experiment import Experiment
from testbed.results import checksums
from testbed.results.result import Record, append_trial
from testbed.run import fidelity
from testbed.run.executor import Backend

#: No trial in virtual time needs this long: a guest that does is stuck, for instance in a loop that holds its clock
#: still.
WALL_LIMIT_S = 300.0
#: Where time is real a trial takes as long as what it waits for; lacp_timers takes three quarters of an hour.
REAL_LIMIT_S = 6 * 3600.0


def run_trial(
    backend: Backend, experiment: Experiment, trial: Trial, run: Path, watchdog: Watchdog, cpu: int
) -> Record:
    """Carry out one trial and measure it; a trial that fails is a record too."""
    directory = run / trial.directory
    shutil.rmtree(directory, ignore_errors=True)  # what an interrupted attempt left
    directory.mkdir(parents=True)
    (directory / "trial.json").write_text(trial.to_json() + "\n")
    began = time.monotonic()
    real = trial.clock == "real"
    try:
        with fidelity.watching(directory) if real else nullcontext():
            backend.run(directory, trial, watchdog, cpu)
        measured = evaluate(experiment, trial, directory)
    except TrialError as error:
        measured = Measured({}, "failed", error.message)
    doubts = fidelity.findings(directory, cpu if backend.name == "guest" else None) if real else []
    if measured.status != "failed":
        for name in ("console.log", "trial.log"):
            (directory / name).unlink(missing_ok=True)
    checksums.write(directory)
    return Record(
        experiment=experiment.name,
        case=dict(trial.case),
        repetition=trial.repetition,
        seed=trial.seed,
        status=measured.status,
        reason=measured.reason,
        metrics=measured.metrics,
        virtual_s=_virtual_s(directory),
        wall_s=round(time.monotonic() - began, 3),
        warnings=[*measured.warnings, *doubts],
        raw=trial.directory,
    )


def _outcome(directory: Path) -> dict[str, Any]:
    try:
        outcome: dict[str, Any] = json.loads((directory / "outcome.json").read_text())
    except (OSError, ValueError):
        raise TrialError(f"the trial wrote no outcome; it stood at: {stood(directory)}") from None
    return outcome


def _virtual_s(directory: Path) -> float:
    try:
        return float(_outcome(directory)["virtual_s"])
    except TrialError:
        return 0.0


def evaluate(experiment: Experiment, trial: Trial, directory: Path) -> Measured:
    """What the raw files of a trial say. Errors: TrialError if the trial failed or a file is missing or damaged."""
    outcome = _outcome(directory)
    if outcome["status"] != "ok":
        raise TrialError(outcome["reason"])
    try:
        return experiment.measure(directory, trial)
    except FileNotFoundError as error:
        raise TrialError(f"raw file {Path(error.filename).name} is missing") from error


@contextmanager
def _reserved_cpu(slot: int) -> Iterator[int]:
    """A processor for one guest: one that no other run of ours uses now, if there is one."""
    cpus = sorted(os.sched_getaffinity(0))
    locks = kernel.cache_root() / "cpus"
    with ExitStack() as stack:
        for cpu in cpus[slot % len(cpus) :] + cpus[: slot % len(cpus)]:
            try:
                locks.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((locks / str(cpu)).open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # in use, or a cache that only others may write: then any will do
                continue
            break
        else:
            cpu = cpus[slot % len(cpus)]
        yield cpu


def execute(
    backend: Backend,
    experiment: Experiment,
    trials: Sequence[Trial],
    run: Path,
    *,
    jobs: int,
    done: Callable[[Record], None],
) -> bool:
    """Carry out trials, ``jobs`` at a time, writing each record as it ends; True if all were, False if interrupted.

    On Ctrl-C the trials under way are ended and leave no record; the finished ones stay.
    """
    cancelled = threading.Event()
    failure: TestbedError | None = None

    def work(trial: Trial) -> Record:
        watchdog = Watchdog(REAL_LIMIT_S if trial.clock == "real" else WALL_LIMIT_S, cancelled)
        with _reserved_cpu(trial.number) as cpu:
            return run_trial(backend, experiment, trial, run, watchdog, cpu)

    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="trial") as pool:
        waiting: set[Future[Record]] = {pool.submit(work, trial) for trial in trials}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    record = future.result()
                    append_trial(run, record)
                    done(record)
        except (KeyboardInterrupt, Cancelled):
            _cancel(cancelled, waiting)
            return False
        except TestbedError as error:  # not a trial's failure: the machine's
            _cancel(cancelled, waiting)
            failure = error
    if failure is not None:
        raise failure
    return True


def _cancel(cancelled: threading.Event, waiting: set[Future[Record]]) -> None:
    cancelled.set()
    for future in waiting:
        future.cancel()
