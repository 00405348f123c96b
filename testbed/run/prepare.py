"""From a request to a run that can begin: it is planned and checked, and its directory is made or found again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testbed import schemes
from testbed.backends import machine
from testbed.design.trial import Trial
from testbed.errors import SpecError, unknown
from testbed.experiment import discovery
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import Until, factor_levels, list_cases, plan, shuffled
from testbed.results import result
from testbed.run import own_code, own_controllers, provenance
from testbed.run.executor import Backend, GuestBackend, choose_backend
from testbed.schemes import own_controller

#: What must be the same when a run is resumed.
_SAME = (
    *(
        "experiment",
        "user_code",
        "user_controllers",
        "topology",
        "factors",
        "repetitions",
        "until_ci",
        "seed",
        "backend",
        "clock",
    ),
    *("kernel", "runtime"),
)


@dataclass(frozen=True)
class Request:
    """What is asked for, on the command line or elsewhere."""

    experiment: str
    topology: str | None
    settings: Mapping[str, str]
    repetitions: int | None
    seed: int
    quick: bool
    backend: str
    clock: str
    #: Repeat until half of the 95 % interval of the primary metric's median is at most this part of the median
    #: (0.05: 5 %), with at most ``most_repetitions``.
    until_ci: float | None = None
    most_repetitions: int = 100


@dataclass(frozen=True)
class Prepared:
    """A run that can begin: every network in it was built as a value and checked.

    ``planned`` returns the trials of that many repetitions. The run has ``repetitions``; with ``until`` it starts with
    these and may grow.
    """

    experiment: Experiment
    repetitions: int
    seed: int
    planned: Callable[[int], tuple[Trial, ...]]
    until: Until | None
    left_out: tuple[str, ...]
    backend: Callable[[], Backend]
    #: The experiment as it was asked for: its name, or the path of a user's file.
    source: str
    manifest: Callable[[Backend], dict[str, Any]]


def prepare(request: Request, argv: Sequence[str]) -> Prepared:
    """Plan and check a run. Errors: SpecError for whatever is not possible, before anything runs."""
    own_controller.read_copies(None)
    experiment = discovery.experiment(request.experiment)
    _check_figures(experiment)
    name = request.topology or experiment.topology
    function = discovery.topology(name)
    levels = factor_levels(experiment, function, request.settings, quick=request.quick)
    repetitions = request.repetitions or (experiment.quick_repetitions if request.quick else experiment.repetitions)
    until = None
    if request.until_ci is not None:
        if repetitions > request.most_repetitions:
            raise SpecError(
                f"{repetitions} repetitions are more than --max-repetitions {request.most_repetitions}",
                "Give a larger --max-repetitions, or fewer --repetitions.",
            )
        until = Until(request.until_ci, experiment.primary, repetitions, request.most_repetitions)
    cases, others = list_cases(experiment, function, levels)
    left_out = tuple(f"{' '.join(f'{key}={value}' for key, value in case.items())}: {why}" for case, why in others)
    source = Path(request.experiment).name  # a trial loads the run's copy of a user's file

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
            "user_code": own_code.digests(request.experiment),
            "user_controllers": own_controllers.digests(own_controllers.named(levels)),
            "clock": request.clock,
            **made_with(backend),
        }

    return Prepared(
        experiment,
        repetitions,
        request.seed,
        planned,
        until,
        left_out,
        lambda: choose_backend(request.backend, request.clock, experiment.packages, experiment.programs),
        request.experiment,
        manifest,
    )


def made_with(backend: Backend) -> dict[str, Any]:
    """What carries out the trials, for run.json: our code, the backend, the kernel, the image, tools and machine."""
    guest = backend if isinstance(backend, GuestBackend) else None
    image = guest.runtime if guest else None
    return {
        "commit": provenance.commit(),
        "code": provenance.code_digest(),
        "backend": backend.name,
        "kernel": guest.kernel.as_json() if guest else None,
        "runtime": image.digest if image else None,
        "tools": machine.tool_versions() | (image.versions if image else {}),
        "digests": provenance.digests(guest),
        "machine": machine.describe(),
    }


def _check_figures(experiment: Experiment) -> None:
    """Errors: SpecError for a figure that does not exist: after the trials it would be too late."""
    if experiment.figures:
        from testbed import figures  # matplotlib takes a second

        for name in map(str, experiment.figures):
            if name not in figures.FIGURES:
                raise unknown("figure", name, figures.FIGURES)


def order_of(trials: Sequence[Trial]) -> str:
    """The numbers of the trials, as run.json holds them."""
    return " ".join(str(trial.number) for trial in trials)


def begin(prepared: Prepared, place: Path, *, resume: bool) -> Backend:
    """Choose the backend; begin the run in ``place``, or with ``resume`` check the one that is there.

    Errors: MachineError without a backend; SpecError for a directory in use, and for a run that was another.
    """
    backend = prepared.backend()
    if isinstance(backend, GuestBackend) and backend.runtime is not None:
        own_code.check_imports(prepared.source, prepared.experiment.packages)
    manifest = prepared.manifest(backend)
    if resume:
        _check_same(place, manifest)
    else:
        result.create(place, manifest)
        own_code.keep(prepared.source, place)
    own_controllers.keep(own_controllers.named(manifest["factors"]), place)
    return backend


def _check_same(place: Path, manifest: Mapping[str, Any]) -> None:
    """Errors: SpecError naming the first key in which the run in ``place`` differs from the one that is asked for."""
    before = result.load(place).manifest
    for key in _SAME:
        was, wanted = before.get(key), manifest.get(key)
        if key == "repetitions" and manifest["until_ci"]:
            continue  # they grew; until_ci holds how many there were first
        if key == "until_ci" and was and wanted:
            was = {name: was.get(name) for name in wanted}
        if was != wanted:
            raise SpecError(
                f"{place} holds a run with another {key}: {was}, not {wanted}",
                "Resume with the same arguments, or give another --out.",
            )
