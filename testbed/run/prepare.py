"""A run from request to result: what is asked is planned and checked, carried out, and judged."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testbed import schemes
from testbed.backends import environment, guest, kernel, machine, native, scratch
from testbed.design.factor import parse_level
from testbed.design.trial import Trial
from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import (
    TopologyFunction,
    Until,
    cases_of,
    levels_of,
    made,
    plan,
    shuffled,
    topology_defaults,
)
from testbed.results import result
from testbed.run import provenance
from testbed.run.execute import execute
from testbed.run.executor import Backend, GuestBackend, choose_backend
from testbed.spec import Topology

#: What a resumed run must have in common with the one that it goes on with.
_SAME = ("experiment", "topology", "factors", "repetitions", "until_ci", "seed", "backend", "clock", "kernel")


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    experiment: str
    topology: str | None
    settings: Mapping[str, str]
    repetitions: int | None
    seed: int
    quick: bool
    backend: str
    clock: str
    #: Repeat until the primary metric's median is known to this part of itself (0.05: 5 %), at most so many times.
    until_ci: float | None = None
    most_repetitions: int = 100


@dataclass(frozen=True)
class Prepared:
    """A run that can begin: every network in it was built as a value, and the machine is ready.

    ``planned`` gives the trials of so many repetitions; ``repetitions`` come first, and all unless there is ``until``.
    """

    experiment: Experiment
    repetitions: int
    seed: int
    planned: Callable[[int], tuple[Trial, ...]]
    until: Until | None
    left_out: tuple[str, ...]
    backend: Callable[[], Backend]
    manifest: Callable[[Backend], dict[str, Any]]


def prepare(request: Request, argv: Sequence[str]) -> Prepared:
    """Plan a run. Errors: SpecError for whatever cannot be, before anything runs."""
    experiment = discovery.experiment(request.experiment)
    name = request.topology or experiment.topology
    function = discovery.topology(name)
    levels = levels_of(experiment, function, request.settings, quick=request.quick)
    repetitions = request.repetitions or (experiment.quick_repetitions if request.quick else experiment.repetitions)
    until = None
    if request.until_ci is not None:
        if repetitions > request.most_repetitions:
            raise SpecError(
                f"{repetitions} repetitions are more than --max-repetitions {request.most_repetitions}",
                "Give a larger --max-repetitions, or fewer --repetitions.",
            )
        until = Until(request.until_ci, experiment.primary, repetitions, request.most_repetitions)
    cases, senseless = cases_of(experiment, function, levels)
    left_out = tuple(f"{' '.join(f'{key}={value}' for key, value in case.items())}: {why}" for case, why in senseless)
    source = str(Path(request.experiment).resolve()) if request.experiment.endswith(".py") else request.experiment

    def planned(repetitions: int) -> tuple[Trial, ...]:
        return plan(
            experiment,
            function,
            cases,
            repetitions=repetitions,
            seed=request.seed,
            clock=request.clock,
            source=source,
        )

    for trial in planned(1):
        schemes.chosen(trial.case).check(trial.topology)

    def manifest(backend: Backend) -> dict[str, Any]:
        guest_kernel = backend.kernel.as_json() if isinstance(backend, GuestBackend) else None
        return {
            "experiment": experiment.name,
            "title": experiment.title,
            "question": experiment.question,
            "topology": name,
            "drawing": discovery.drawing(function),
            "figures": list(experiment.figures),
            "factors": {factor: list(values) for factor, values in levels.items()},
            "left_out": list(left_out),
            "repetitions": repetitions,
            "until_ci": asdict(until) if until else None,
            "order": order_of(shuffled(planned(repetitions), request.seed)),
            "seed": request.seed,
            "argv": list(argv),
            "commit": provenance.commit(),
            "code": provenance.code_digest(),
            "backend": backend.name,
            "clock": request.clock,
            "kernel": guest_kernel,
            "tools": machine.tool_versions(),
            "machine": machine.describe(),
        }

    return Prepared(
        experiment,
        repetitions,
        request.seed,
        planned,
        until,
        left_out,
        lambda: choose_backend(request.backend, request.clock),
        manifest,
    )


def order_of(trials: Sequence[Trial]) -> str:
    """The numbers of trials as run.json keeps them."""
    return " ".join(str(trial.number) for trial in trials)


def begin(prepared: Prepared, place: Path, *, resume: bool) -> Backend:
    """Choose the backend, and begin the run in ``place`` or go on with the one that is there."""
    backend = prepared.backend()
    manifest = prepared.manifest(backend)
    if resume:
        _check_same(place, manifest)
    else:
        result.create(place, manifest)
    return backend


def carry_out(
    prepared: Prepared,
    backend: Backend,
    place: Path,
    *,
    jobs: int | None,
    planned: Callable[[int], None],
    done: Callable[[result.Record | None], None],
) -> bool:
    """Run what is planned into ``place``, and with ``until`` go on until that is reached; False if interrupted.

    ``planned`` hears how many trials there are in all so far; ``done`` of each trial, None for an old one.
    """
    with result.locked(place):
        old = {record.number for record in result.load(place).records}
        for _ in old:
            done(None)
        repetitions: int | None = prepared.repetitions
        while repetitions is not None:
            trials = shuffled(prepared.planned(repetitions), prepared.seed)
            planned(len(trials))
            if prepared.until and repetitions > int(result.load(place).manifest["repetitions"]):
                result.amend(place, repetitions=repetitions, order=order_of(trials))
            finished = {record.number for record in result.load(place).records}
            waiting = [trial for trial in trials if trial.number not in finished]
            # Where time is real, trials side by side would disturb each other.
            at_once = jobs or (len(os.sched_getaffinity(0)) if trials[0].clock == "virtual" else 1)
            ended = execute(backend, prepared.experiment, waiting, place, jobs=at_once, done=done)
            result.finish(place)
            if not ended:
                return False
            repetitions = _further(prepared.until, place)
    return True


def _further(until: Until | None, place: Path) -> int | None:
    """How many repetitions a run needs in all; None if it has enough. What it came to is written into run.json."""
    if until is None:
        return None
    from testbed.run import stopping

    run = result.load(place)
    result.amend(place, until_ci=stopping.outcome(run, until))
    return stopping.next_repetitions(run, until)


def _check_same(place: Path, manifest: Mapping[str, Any]) -> None:
    """That the run in ``place`` is the one that is asked for again. Errors: SpecError naming what differs."""
    before = result.load(place).manifest
    for key in _SAME:
        was, wanted = before.get(key), manifest[key]
        if key == "repetitions" and manifest["until_ci"]:
            continue  # they grew; with how many it began stands in until_ci
        if key == "until_ci" and was and wanted:
            was = {name: was.get(name) for name in wanted}
        if was != wanted:
            raise SpecError(
                f"{place} holds a run with another {key}: {was}, not {wanted}",
                "Resume with the same arguments, or give another --out.",
            )


def missed(loaded: result.Run) -> bool:
    """Whether a trial failed or an outage was longer than theory allows."""
    return any(r.status == "failed" or r.metrics.get("within_bound") is False for r in loaded.records)


def one_topology(function: TopologyFunction, settings: Mapping[str, str]) -> Topology:
    """The network of a topology function with some arguments given as text."""
    defaults = topology_defaults(function)
    unknown = [name for name in settings if name not in defaults]
    if unknown:
        raise SpecError(f"the topology has no argument {unknown[0]!r}; it has: {', '.join(sorted(defaults))}")
    return made(function, {name: parse_level(name, text, defaults[name]) for name, text in settings.items()})


def shell(network: Topology, wanted: str) -> None:
    """The network, live, with Mininet's prompt on this terminal. Errors: MachineError if the backend cannot run."""
    backend = choose_backend(wanted, "real")
    with scratch.directory() as directory:
        (directory / "trial.json").write_text(Trial(1, "", {}, 0, 1, network, "real").to_json())
        if isinstance(backend, GuestBackend):
            guest.interactive(backend.kernel, directory, environment.shell_command(guest.DIRECTORY))
        else:
            native.interactive(directory, environment.shell_command(directory))


def leftovers() -> list[Path]:
    """What interrupted work may have left: unfinished kernel builds and directories of trials, of this user."""
    cache = kernel.cache_root() / "kernel"
    builds = list(cache.glob("build-*")) if scratch.abandoned(cache / "lock") else []
    trials = [path for path in Path(tempfile.gettempdir()).glob(f"{scratch.PREFIX}*") if scratch.abandoned(path)]
    return sorted(path for path in (*builds, *trials) if path.is_dir() and path.stat().st_uid == os.geteuid())


def remove(path: Path) -> None:
    """Remove a directory with all that is in it."""
    shutil.rmtree(path, ignore_errors=True)
