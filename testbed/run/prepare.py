"""From a request to a run that can begin: it is planned and checked, and its directory is made or found again."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testbed import drawing, services
from testbed.backends import machine
from testbed.design.factor import Level
from testbed.design.trial import Trial
from testbed.errors import SpecError, unknown
from testbed.experiment import discovery
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import Until, factor_levels, list_cases, plan, shuffled
from testbed.results import result
from testbed.run import own_code, own_controllers, provenance
from testbed.run.executor import Backend, GuestBackend, choose_backend
from testbed.schemes import own_controller
from testbed.spec import Topology

#: The most trials of a run.
MOST_TRIALS = 100_000
#: What must be the same when a run is resumed.
_SAME = (
    *("experiment", "topology", "factors", "repetitions", "until_ci", "seed", "backend", "clock"),
    *("user_code", "user_controllers", "user_topology", "networks", "code", "kernel", "runtime", "tools", "digests"),
)
#: Of these, what is not one thing: "other factors", not "another".
_SEVERAL = {"code", "factors", "repetitions", "user_controllers", "networks", "tools", "digests"}
#: Of these, what changed on this machine and not in the command.
_FILES = {
    "user_code": "the experiment's files",
    "user_controllers": "the controllers' files",
    "user_topology": "the topology's file",
    "networks": "the networks",
    "code": "the testbed's code",
    "kernel": "the guest kernel",
    "runtime": "the machine's programs and libraries",
    "tools": "the machine's programs and libraries",
    "digests": "the machine's programs and libraries",
}


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
    #: Factors that are other than the experiment has them, because of the network, each with the reason.
    changed: tuple[str, ...]
    backend: Callable[[], Backend]
    #: The experiment and the topology as they were asked for: a name, or the path of a user's file.
    source: str
    topology: str
    manifest: Callable[[Backend], dict[str, Any]]
    #: The command that makes the run, for run.json.
    argv: tuple[str, ...]
    #: The distributions that trials need besides the testbed's own.
    packages: tuple[str, ...] = ()


def pairs(trials: Iterable[Trial]) -> list[str]:
    """The client and the server that each trial measures, as ``h1+h2``, each once."""
    return list(dict.fromkeys("+".join(trial.topology.pair) for trial in trials))


def lasting_s(experiment: Experiment, trials: Sequence[Trial]) -> float | None:
    """About how long these trials last on their own clocks, one after the other, in seconds; None: it is not known."""
    if experiment.lasts_s is None:
        return None
    found: dict[str, float] = {}
    for trial in trials:
        key = repr(sorted(trial.case.items()))
        if key not in found:
            found[key] = experiment.lasts_s(trial.case, trial.topology)
    return sum(found[repr(sorted(trial.case.items()))] for trial in trials)


def prepare(request: Request, argv: Sequence[str]) -> Prepared:
    """Plan and check a run. Errors: SpecError for whatever is not possible, before anything runs."""
    own_controller.read_copies(None)
    experiment = discovery.experiment(request.experiment)
    _check_figures(experiment)
    own_figures = own_code.figures(request.experiment, experiment)
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
    _check_size(levels, request.most_repetitions if until else repetitions)
    cases = list_cases(experiment, function, levels, named=request.settings.keys())
    left_out = tuple(
        f"{' '.join(f'{key}={value}' for key, value in case.items())}: {why}" for case, why in cases.left_out
    )
    changed = tuple(f"{name}: {why}" for name, why in cases.changed)
    source = Path(request.experiment).name  # a trial loads the run's copy of a user's file

    @functools.cache
    def planned(repetitions: int) -> tuple[Trial, ...]:
        return plan(
            experiment,
            function,
            cases.kept,
            repetitions=repetitions,
            seed=request.seed,
            clock=request.clock,
            source=source,
        )

    packages = (*experiment.packages, *own_controllers.packages(levels))
    programs = set(experiment.programs)
    for trial in planned(1):
        if any(host.bond and host.bond.driver == "team" for host in trial.topology.hosts):
            programs.add("teamd")
        programs |= {service.program for service in services.wanted(trial.topology)}
    command = tuple(word for word in argv if word != "--resume")

    def manifest(backend: Backend) -> dict[str, Any]:
        return {
            "experiment": experiment.name,
            "title": experiment.title,
            "question": experiment.question,
            "topology": name,
            "drawing": discovery.drawing(function) or _picture(planned(1)[0].topology),
            "figures": [figure if isinstance(figure, str) else figure.__name__ for figure in experiment.figures],
            "own_figures": own_figures,
            "factors": {factor: list(values) for factor, values in cases.levels().items()},
            "sets": {
                factor.name: sorted({name for each in factor.sets.values() for name in each})
                for factor in experiment.factors
                if factor.sets
            },
            "left_out": [*left_out, *changed],
            "repetitions": repetitions,
            "until_ci": asdict(until) if until else None,
            "order": order_of(shuffled(planned(repetitions), request.seed)),
            "seed": request.seed,
            "argv": list(command),
            "user_code": own_code.digests(request.experiment),
            "user_controllers": own_controllers.digests(own_controllers.named(levels)),
            "user_topology": own_code.topology_digests(name),
            "pairs": pairs(planned(1)),
            "networks": _digest([trial.topology.to_json() for trial in planned(1)]),
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
        changed,
        lambda: choose_backend(request.backend, request.clock, packages, sorted(programs)),
        request.experiment,
        name,
        manifest,
        command,
        packages,
    )


def _check_size(levels: Mapping[str, Sequence[Level]], repetitions: int) -> None:
    """Errors: SpecError for more trials than a run may have."""
    cases = math.prod(map(len, levels.values()))
    if cases * repetitions > MOST_TRIALS:
        raise SpecError(
            f"{cases} cases, {repetitions} repetitions each, are {cases * repetitions} trials; wanted {MOST_TRIALS} at"
            " most: a trial takes some seconds, so these would take weeks",
            "Give fewer levels or repetitions, or start several runs with another --seed each.",
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
    """Errors: SpecError for a figure that does not exist, or that has the name of another: after the trials it would be
    too late."""
    if experiment.figures:
        from testbed import figures

        for figure in experiment.figures:
            if isinstance(figure, str) and figure not in figures.FIGURES:
                raise unknown("figure", figure, figures.FIGURES)
        names = [figure if isinstance(figure, str) else figure.__name__ for figure in experiment.figures]
        for place, figure in enumerate(experiment.figures):
            if not isinstance(figure, str) and (names[place] in figures.FIGURES or names.count(names[place]) > 1):
                raise SpecError(f"figure {names[place]!r} has the name of another figure", "Rename the function.")


#: The width of a drawing in the report, in characters.
_WIDE = 100


def _picture(network: Topology) -> str:
    """A drawing of the run's first network, for a topology whose file has none."""
    return "\n".join(line.rstrip() for line in drawing.picture(network, width=_WIDE) or drawing.listing(network))


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


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
    image = isinstance(backend, GuestBackend) and backend.runtime is not None
    own_controllers.check_imports(own_controllers.named(manifest["factors"]), prepared.packages, image=image)
    if resume:
        _check_same(place, manifest)
    else:
        result.create(place, manifest)
        own_code.keep(prepared.source, prepared.topology, place)
    own_controllers.keep(own_controllers.named(manifest["factors"]), place)
    return backend


def _check_same(place: Path, manifest: Mapping[str, Any]) -> None:
    """Errors: SpecError naming the first key in which the run in ``place`` differs from the one that is asked for.

    More repetitions than the run has are no difference: it begins with the same trials.
    """
    before = result.load(place).manifest
    for key in _SAME:
        was, wanted = before.get(key), manifest.get(key)
        if key == "repetitions" and (manifest["until_ci"] or (was is not None and wanted >= was)):
            continue  # with until_ci they grew; it holds how many there were first
        if key == "until_ci" and was and wanted:
            was = {name: was.get(name) for name in wanted}
        if was != wanted:
            hint = "Resume with the same arguments, or give another --out."
            if key in _FILES:
                hint = f"The run has trials with {_FILES[key]} as it was: undo the change, or give another --out."
            other = f"other {key}" if key in _SEVERAL else f"another {key}"
            raise SpecError(f"{place} holds a run with {other}: {_differing(was, wanted)}", hint)


def _differing(was: Any, wanted: Any) -> str:
    """Two values of run.json; of two mappings only what differs."""
    if isinstance(was, Mapping) and isinstance(wanted, Mapping):
        names = [name for name in {**was, **wanted} if was.get(name) != wanted.get(name)]
        return ", ".join(f"{name} {was.get(name)}, not {wanted.get(name)}" for name in names)
    return f"{was}, not {wanted}"
