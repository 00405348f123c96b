"""From an experiment and what is asked of it to a plan of seeded trials. Pure: it plans, and starts nothing."""

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
from testbed.experiment.experiment import Experiment
from testbed.spec import MODES, Topology

#: A function of a topology file: its keyword arguments are what may be varied.
TopologyFunction = Callable[..., Topology]


@dataclass(frozen=True)
class Until:
    """``--until-ci``: repeat until half of the median's 95 % interval is at most ``relative`` of the median, but at
    most ``most`` times; ``least`` repetitions come first."""

    relative: float
    metric: str
    least: int
    most: int


def _settings(value: Any) -> dict[str, str]:
    """What --set calls each field of a dataclass: by its name, unless its metadata names a ``setting``."""
    return {field.metadata.get("setting", field.name): field.name for field in dataclasses.fields(value)}


def topology_defaults(function: TopologyFunction) -> dict[str, Level]:
    """What ``--set`` may vary of a topology, with its defaults: its keyword arguments.

    An argument that is a dataclass, such as all options of its bonds, stands for its fields.
    """
    found: dict[str, Level] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        value = parameter.default
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            found |= {setting: getattr(value, field) for setting, field in _settings(value).items()}
        else:
            found[name] = value
    return found


def made(function: TopologyFunction, levels: Mapping[str, Level]) -> Topology:
    """The network of a topology function; of ``levels``, those count that `topology_defaults` names."""
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        value: Any = parameter.default
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            own = {field: levels[setting] for setting, field in _settings(value).items() if setting in levels}
            arguments[name] = dataclasses.replace(value, **own)
        elif name in levels:
            arguments[name] = levels[name]
    return function(**arguments)


def levels_of(
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


def cases_of(
    experiment: Experiment, topology: TopologyFunction, levels: Mapping[str, tuple[Level, ...]]
) -> tuple[list[dict[str, Level]], list[tuple[dict[str, Level], str]]]:
    """The cases of a run, as the product of the levels; and those that make no sense, each with the reason.

    Errors: SpecError if none makes sense.
    """
    kept: list[dict[str, Level]] = []
    left_out: list[tuple[dict[str, Level], str]] = []
    for combination in itertools.product(*levels.values()):
        case = dict(zip(levels, combination, strict=True))
        reason = experiment.senseless(case, made(topology, case)) if experiment.senseless else None
        if reason is None:
            kept.append(case)
        else:
            left_out.append((case, reason))
    if not kept:
        raise SpecError(f"no case of this run makes sense: {left_out[0][1]}", "Vary other factors with --set.")
    return kept, left_out


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
    the path of its file, for the inside to load it again. Every topology is built here, so a network that cannot be,
    or that has not the bonds that the experiment is about, is refused before anything runs.
    """
    networks = []
    for case in cases:
        network = made(topology, case)
        if clock == "virtual" and network.unshaped():
            raise SpecError(
                f"link {network.unshaped()[0]} of topology {network.name!r} has no rate:"
                " where time is virtual it would be infinitely fast and a TCP flow over it would never end",
                "Give every link a rate_mbps, or use --clock real.",
            )
        for host in experiment.bonded:
            network.bond(host)
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

    So nothing that drifts while a run lasts, such as a processor that grows warm, falls on one case alone (blocks
    of complete repetitions: R. A. Fisher, The Design of Experiments, 1935, chapter IV).
    """
    found: list[Trial] = []
    for repetition, block in itertools.groupby(trials, key=lambda trial: trial.repetition):
        own = list(block)
        random.Random(f"order {seed} {repetition}").shuffle(own)
        found += own
    return found
