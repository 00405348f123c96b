"""From an experiment and a request to a plan of seeded trials. Pure: it plans, and starts nothing."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.design.factor import Level, parse_level
from testbed.design.trial import Trial, trial_seed
from testbed.errors import SpecError, unknown
from testbed.experiment import user_code
from testbed.experiment.experiment import Experiment
from testbed.spec import MODES, Topology

#: The function of a topology file: its keyword arguments are what may be varied.
TopologyFunction = Callable[..., Topology]


@dataclass(frozen=True)
class Until:
    """``--until-ci``: repeat until half of the median's 95 % interval is at most ``relative`` of the median.

    There are at least ``least`` and at most ``most`` repetitions.
    """

    relative: float
    metric: str
    least: int
    most: int


def _settings(value: Any) -> dict[str, str]:
    """What --set calls each field of a dataclass: by its name, unless its metadata names a ``setting``."""
    return {field.metadata.get("setting", field.name): field.name for field in dataclasses.fields(value)}


def topology_defaults(function: TopologyFunction) -> dict[str, Level]:
    """The arguments of a topology function that ``--set`` may vary, with their defaults.

    An argument that is a dataclass, such as all options of its bonds, stands for its fields.
    """
    found: dict[str, Level] = {}
    for name, parameter in _parameters(function).items():
        value = parameter.default
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            found |= {setting: getattr(value, field) for setting, field in _settings(value).items()}
        else:
            found[name] = value
    return found


def _parameters(function: TopologyFunction) -> dict[str, inspect.Parameter]:
    """The parameters that have a name: all but ``*args`` and ``**kwargs``."""
    found = inspect.signature(function).parameters.items()
    return {name: each for name, each in found if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)}


def build_topology(function: TopologyFunction, levels: Mapping[str, Level]) -> Topology:
    """The network that a topology function returns; of ``levels``, those are passed that `topology_defaults` names.

    Errors: SpecError, with file and line for an exception in the function, for another type and for a network without
    hosts.
    """
    arguments: dict[str, Any] = {}
    for name, parameter in _parameters(function).items():
        value: Any = parameter.default
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            own = {field: levels[setting] for setting, field in _settings(value).items() if setting in levels}
            arguments[name] = dataclasses.replace(value, **own)
        elif name in levels:
            arguments[name] = levels[name]
    with user_code.calling(function, "topology"):
        found = function(**arguments)
    if isinstance(found, Experiment):
        hint = f"To run it, type: testbed run {user_code.typed(user_code.file_of(function))}"
        raise user_code.not_returned(function, "topology", found, hint)
    if not isinstance(found, Topology):
        raise user_code.not_returned(function, "topology", found)
    if not found.hosts:
        raise user_code.wrong(function, "topology", "returned a topology without hosts; wanted one or more")
    return found


def build_from_settings(function: TopologyFunction, settings: Mapping[str, str]) -> Topology:
    """The network of a topology function with some arguments given as text. Errors: SpecError."""
    defaults = topology_defaults(function)
    unknown_names = [name for name in settings if name not in defaults]
    if unknown_names:
        raise unknown("argument of the topology:", unknown_names[0], defaults)
    return build_topology(function, {name: parse_level(name, text, defaults[name]) for name, text in settings.items()})


def factor_levels(
    experiment: Experiment, topology: TopologyFunction, settings: Mapping[str, str], *, quick: bool
) -> dict[str, tuple[Level, ...]]:
    """The levels of every factor of a run: the experiment's, replaced and extended by ``--set NAME=LEVEL,...``.

    A name that is no factor but a keyword argument of the topology becomes a factor.
    """
    arguments = topology_defaults(topology)
    levels = {f.name: (f.quick if quick and f.quick else f.levels) for f in experiment.factors}
    for name, text in settings.items():
        words = [word.strip() for word in text.split(",")]
        if not all(words):
            raise SpecError(f"--set {name}={text} has an empty level", f"For example: --set {name}=LEVEL,LEVEL")
        factor = experiment.factor(name)
        if factor is not None:
            if words == ["all"]:
                levels[name] = factor.known or factor.levels
                continue
            with user_code.calling(factor.read or factor.parse, "experiment"):
                found = tuple(factor.parse(word) for word in words)
        elif name in arguments:
            if name == "mode" and words == ["all"]:
                words = list(MODES)
            found = tuple(parse_level(name, word, arguments[name]) for word in words)
        else:
            known = {f.name for f in (*experiment.factors, *experiment.options)} | set(arguments)
            raise unknown("factor", name, known)
        if len(set(found)) < len(found):
            raise SpecError(f"--set {name}={text} names a level twice")
        levels[name] = found
    return levels


def list_cases(
    experiment: Experiment, topology: TopologyFunction, levels: Mapping[str, tuple[Level, ...]]
) -> tuple[list[dict[str, Level]], list[tuple[dict[str, Level], str]]]:
    """The cases of a run, as the product of the levels; and those that do not apply, each with the reason.

    Errors: SpecError if none applies.
    """
    kept: list[dict[str, Level]] = []
    left_out: list[tuple[dict[str, Level], str]] = []
    for combination in itertools.product(*levels.values()):
        case = dict(zip(levels, combination, strict=True))
        reason = _not_applicable(experiment, case, build_topology(topology, case))
        if reason is None:
            kept.append(case)
        else:
            left_out.append((case, reason))
    if not kept:
        raise SpecError(f"no case of this run applies: {left_out[0][1]}", "Vary other factors with --set.")
    return kept, left_out


def _not_applicable(experiment: Experiment, case: Mapping[str, Level], network: Topology) -> str | None:
    check = experiment.not_applicable
    if check is None:
        return None
    with user_code.calling(check, "experiment"):
        reason = check(case, network)
    if reason is not None and not isinstance(reason, str):
        what = f"returned {user_code.type_name(reason)}; wanted the reason as text, or None for a case that applies"
        raise user_code.wrong(check, "experiment", what)
    return reason


def plan(
    experiment: Experiment,
    topology: TopologyFunction,
    cases: Sequence[Mapping[str, Level]],
    *,
    repetitions: int,
    seed: int,
    clock: str,
    source: str,
) -> tuple[Trial, ...]:
    """Every trial of a run, numbered from 1: every case once, then every case again.

    So a run with more repetitions begins with the trials of one with fewer. ``source`` is the experiment's name or
    the path of its file, from which the trial loads it again. Every topology is built here, so a network that is not
    possible, or that lacks the bonds that the experiment is about, is refused before anything runs.
    """
    networks = []
    for case in cases:
        network = build_topology(topology, case)
        if clock == "virtual" and network.unshaped():
            raise SpecError(
                f"link {network.unshaped()[0]} of topology {network.name!r} has no rate:"
                " where time is virtual it would be infinitely fast and a TCP flow over it would never end",
                "Give every link a rate_mbps, or use --clock real.",
            )
        if experiment.bonded:
            network.bond(network.client)
        networks.append(network)
    return tuple(
        Trial(
            repetition * len(cases) + place + 1,
            source,
            dict(case),
            repetition,
            trial_seed(seed, case, repetition),
            networks[place],
            clock,
            experiment.limit_s,
        )
        for repetition in range(repetitions)
        for place, case in enumerate(cases)
    )


def shuffled(trials: Sequence[Trial], seed: int) -> list[Trial]:
    """The trials in the order in which they are carried out: drawn from the run's seed, each repetition by itself.

    So a drift during the run, such as a processor that becomes warm, does not affect one case alone (blocks of
    complete repetitions: R. A. Fisher, The Design of Experiments, 1935, chapter IV).
    """
    found: list[Trial] = []
    for repetition, block in itertools.groupby(trials, key=lambda trial: trial.repetition):
        own = list(block)
        random.Random(f"order {seed} {repetition}").shuffle(own)
        found += own
    return found
