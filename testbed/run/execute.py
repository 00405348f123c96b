"""From a plan of trials to a result directory: several trials at a time, resumable.

plan --> for each trial: raw/NNN/trial.json --> a backend --> raw files --> Experiment.measure --> trials.jsonl
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from testbed import rawfiles
from testbed.backends import kernel
from testbed.backends.watchdog import Cancelled, Watchdog, progress
from testbed.design.trial import Measured, Trial
from testbed.errors import TrialError
from testbed.experiment import user_code
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import Until, shuffled
from testbed.results import checksums, result, shapes
from testbed.results.result import Record, append_trial
from testbed.run import fidelity, own_code
from testbed.run.executor import Backend
from testbed.run.interrupts import deferred
from testbed.run.prepare import Prepared, order_of

#: No trial in virtual time needs this long: a guest that does is stuck, for example in a loop without a pause, in which
#: its clock stands still.
WALL_LIMIT_S = 300.0
#: In real time a trial takes as long as what it waits for; lacp_timers takes three quarters of an hour.
REAL_LIMIT_S = 6 * 3600.0
#: How often it is asked whether the run is interrupted, in seconds.
_STEP_S = 0.2


def run_trial(
    backend: Backend, experiment: Experiment, trial: Trial, run: Path, watchdog: Watchdog, cpu: int
) -> Record:
    """Carry out one trial and measure it. A trial that fails has a record too, with the reason."""
    directory = run / trial.directory
    rawfiles.remove(directory)  # what an interrupted attempt left
    directory.mkdir(parents=True)
    given = {"trial.json": trial.to_json() + "\n"}
    rawfiles.write(directory / "trial.json", given["trial.json"])
    began = time.monotonic()
    real = trial.clock == "real"
    left = ""
    try:
        try:
            with fidelity.watching(directory) if real else nullcontext():
                backend.run(directory, trial, watchdog, cpu)
        finally:
            left = rawfiles.accept(directory, given)
        if left:
            raise TrialError(left)
        measured = evaluate(experiment, trial, directory)
        if problem := shapes.metrics_problem(measured.metrics):
            raise TrialError(f"what the experiment measured cannot be recorded: {problem}")
    except TrialError as error:
        _check_room(directory)  # on a full disk every trial fails, and none shows anything
        reason = error.message if left in error.message else f"{error.message}; {left}"
        measured = Measured({}, "failed", reason)
    doubts = fidelity.findings(directory, cpu if backend.name == "guest" else None) if real else []
    if measured.status != "failed":
        for name in ("console.log", "trial.log"):
            rawfiles.remove(directory / name)
    checksums.write(directory)
    return Record(
        experiment=experiment.name,
        case=dict(trial.case),
        repetition=trial.repetition,
        seed=trial.seed,
        status=measured.status,
        reason=rawfiles.printable(measured.reason),
        metrics=measured.metrics,
        virtual_s=_virtual_s(directory),
        wall_s=round(time.monotonic() - began, 3),
        warnings=[rawfiles.printable(text) for text in (*measured.warnings, *doubts)],
        raw=trial.directory,
    )


#: A trial that fails with less room than this, in octets, may have failed for want of it.
_ROOM = 1 << 16


def _check_room(directory: Path) -> None:
    """Errors: OSError if nothing more can be written: the disk is full, or what this user may write."""
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        file.write(bytes(_ROOM))


def _outcome(directory: Path) -> dict[str, Any]:
    """What the trial wrote at its end: status, reason and virtual_s. Errors: TrialError if it wrote nothing such."""
    try:
        outcome = rawfiles.loads(rawfiles.read(directory / "outcome.json"))
    except (OSError, ValueError, TrialError):
        raise TrialError(f"the trial wrote no outcome; it was at: {progress(directory)}") from None
    wanted = {"status": str, "reason": str, "virtual_s": int | float}
    if not isinstance(outcome, dict) or not all(isinstance(outcome.get(key), kind) for key, kind in wanted.items()):
        raise TrialError("raw file outcome.json is damaged: wanted status, reason and virtual_s")
    return outcome


def _virtual_s(directory: Path) -> float:
    try:
        return max(0.0, float(_outcome(directory)["virtual_s"]))
    except TrialError:
        return 0.0


def evaluate(experiment: Experiment, trial: Trial, directory: Path) -> Measured:
    """What the raw files of a trial say.

    Errors: TrialError if the trial failed, if a raw file is missing or damaged, and, with file and line, for an
    exception in the experiment's ``measure`` or a result that no record can hold.
    """
    outcome = _outcome(directory)
    if outcome["status"] != "ok":
        raise TrialError(outcome["reason"])
    return user_code.measured(experiment.measure, directory, trial)


@contextmanager
def _reserved_cpu(slot: int) -> Iterator[int]:
    """A processor for one guest: if possible one that no other run of the testbed is using."""
    cpus = sorted(os.sched_getaffinity(0))
    locks = kernel.cache_root() / "cpus"
    with ExitStack() as stack:
        for cpu in cpus[slot % len(cpus) :] + cpus[: slot % len(cpus)]:
            try:
                locks.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((locks / str(cpu)).open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # in use, or the cache is not ours to write
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
    """Carry out trials, ``jobs`` at a time, and write each record as it ends; False if interrupted.

    On Ctrl-C the running trials are ended and leave no record; the finished ones stay. Errors: TestbedError or OSError
    if the machine, and not a trial, is at fault, such as a full disk; the running trials are ended as well.
    """
    cancelled = threading.Event()
    failure: Exception | None = None

    def work(trial: Trial) -> Record:
        watchdog = Watchdog(REAL_LIMIT_S if trial.clock == "real" else WALL_LIMIT_S, cancelled)
        with _reserved_cpu(trial.number) as cpu:
            return run_trial(backend, experiment, trial, run, watchdog, cpu)

    with deferred(cancelled), ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="trial") as pool:
        waiting: set[Future[Record]] = {pool.submit(work, trial) for trial in trials}
        try:
            while waiting and not cancelled.is_set():
                finished, waiting = wait(waiting, timeout=_STEP_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    record = future.result()
                    append_trial(run, record)
                    done(record)
        except Cancelled:
            pass
        except Exception as error:  # a trial's own failure is a record; this is the machine's, or a defect of ours
            failure = error
        finally:
            if waiting or failure:
                cancelled.set()
            for future in waiting:
                future.cancel()
    if failure is not None:
        raise failure
    return not cancelled.is_set()


def carry_out(
    prepared: Prepared,
    backend: Backend,
    place: Path,
    *,
    jobs: int | None,
    planned: Callable[[int], None],
    done: Callable[[Record | None], None],
) -> bool:
    """Carry out what is planned into ``place``, with ``until`` as often as that needs; False if interrupted.

    A run that is resumed with more repetitions than it had grows. ``planned`` is called with the number of trials in
    all, again whenever that grows; ``done`` with the record of each
    trial as it ends, and with None for each trial that an earlier run of the same command finished.
    """
    # A user's file is measured by the run's copy of it.
    experiment = own_code.kept(prepared.source, place) if own_code.is_own(prepared.source) else prepared.experiment
    with result.locked(place):
        old = {record.number for record in result.load(place).records}
        for _ in old:
            done(None)
        repetitions: int | None = prepared.repetitions
        while repetitions is not None:
            trials = shuffled(prepared.planned(repetitions), prepared.seed)
            planned(len(trials))
            if repetitions > int(result.load(place).manifest["repetitions"]):
                result.amend(place, repetitions=repetitions, order=order_of(trials), argv=list(prepared.argv))
            finished = {record.number for record in result.load(place).records}
            waiting = [trial for trial in trials if trial.number not in finished]
            # In real time, trials at the same time would disturb each other.
            at_once = jobs or (len(os.sched_getaffinity(0)) if trials[0].clock == "virtual" else 1)
            ended = execute(backend, experiment, waiting, place, jobs=at_once, done=done)
            result.finish(place)
            if not ended:
                return False
            repetitions = _further(prepared.until, place)
    return True


def _further(until: Until | None, place: Path) -> int | None:
    """How many repetitions a run needs in all; None if it has enough. The outcome is written into run.json."""
    if until is None:
        return None
    from testbed.run import stopping  # it needs scipy, which takes a second

    run = result.load(place)
    result.amend(place, until_ci=stopping.outcome(run, until))
    return stopping.next_repetitions(run, until)
