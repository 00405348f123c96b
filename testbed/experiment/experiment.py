"""What an experiment is: a question, factors with levels, and a plan of seeded trials.

An experiment file returns one frozen :class:`Experiment`. This module is pure: it plans, and starts nothing.
Words: experiment > run > case (one combination of factor levels) > trial (one repetition of a case).
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.errors import SpecError, unknown
from testbed.spec import MODES, Topology, parse_mode

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

Level = str | int | float | bool
Metrics = dict[str, Any]
TopologyFunction = Callable[..., Topology]


@dataclass(frozen=True)
class Factor:
    """One thing that an experiment varies, with its default levels and what it means.

    ``quick`` are the levels of ``--quick``; ``known`` is the closed set of possible levels if there is one;
    ``least`` is the smallest possible number.
    """

    name: str
    levels: tuple[Level, ...]
    meaning: str
    quick: tuple[Level, ...] | None = None
    known: tuple[Level, ...] | None = None
    least: float | None = None
    #: What makes a level of the command line's word, where that is no plain number or name.
    read: Callable[[str], Level] | None = None

    def parse(self, text: str) -> Level:
        """One level from the command line, of the same type as the default levels."""
        if self.read is not None:
            return self.read(text)
        return parse_level(self.name, text, self.levels[0], self.known, self.least)


def parse_level(
    name: str, text: str, example: Level, known: tuple[Level, ...] | None = None, least: float | None = None
) -> Level:
    """A level from text: of ``example``'s type, one of ``known``, and ``least`` or more."""
    level: Level
    if name == "mode":
        level = parse_mode(text)
    elif isinstance(example, bool):
        if text not in ("true", "false"):
            raise SpecError(f"level {text!r} of factor {name!r} is not a truth value; wanted true or false")
        level = text == "true"
    elif isinstance(example, int | float):
        wanted = int if isinstance(example, int) else float
        try:
            level = wanted(text)
        except ValueError:
            kind = "a whole number" if wanted is int else "a number"
            raise SpecError(
                f"level {text!r} of factor {name!r} is not {kind}", f"For example: --set {name}={example}"
            ) from None
        if not float("-inf") < level < float("inf"):
            raise SpecError(f"level {text!r} of factor {name!r} is not a finite number")
        if least is not None and level < least:
            raise SpecError(f"level {text} of factor {name!r} is too small; wanted {least:g} or more")
    else:
        level = text
    if known is not None and level not in known:
        raise unknown(f"level of factor {name!r}:", str(level), [str(k) for k in known])
    return level


@dataclass(frozen=True)
class Experiment:
    """A question, what is varied, what is done inside the network, and what is read from the raw files.

    ``procedure`` runs inside, on the live network; ``measure`` runs outside, on the raw files alone, and returns
    the metrics (names in results/README.md) and warnings. ``figures`` names functions of ``testbed.figures``.
    """

    name: str
    title: str
    question: str
    topology: str
    factors: tuple[Factor, ...]
    procedure: Callable[[Lab], None]
    measure: Callable[[Path, Trial], Measured]
    figures: tuple[str, ...]
    repetitions: int = 1
    quick_repetitions: int = 1
    #: The metric that the question is about: ``--until-ci`` goes by the interval of its median.
    primary: str = "outage_s"
    #: Why a case makes no sense in its network, such as a fault of a controller that is not there; None if it does.
    #: Such a case is left out of the plan, and the run says so.
    senseless: Callable[[Mapping[str, Level], Topology], str | None] | None = None
    #: Factors that are part of a case only when they are asked for; their first level is what holds otherwise.
    options: tuple[Factor, ...] = ()
    #: The hosts whose bonds it is about: a network in which one of them has no bond is refused.
    bonded: tuple[str, ...] = ()
    #: A trial's longest possible duration on its own clock, in seconds: past it the guest has gone astray.
    limit_s: float = 600.0

    def factor(self, name: str) -> Factor | None:
        """The factor of that name, if the experiment has it."""
        return next((factor for factor in (*self.factors, *self.options) if factor.name == name), None)


@dataclass(frozen=True)
class Measured:
    """What the raw files of one trial say: metrics, how the trial stands, and what to be wary of."""

    metrics: Metrics
    status: str = "ok"  # ok | failed | censored
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """One repetition of one case: everything that the inside needs to carry it out."""

    number: int
    experiment: str
    case: Mapping[str, Level]
    repetition: int
    seed: int
    topology: Topology
    clock: str = "virtual"
    limit_s: float = 600.0

    @property
    def directory(self) -> str:
        """Where its raw files are, below the run's directory."""
        return f"raw/{self.number:03d}"

    def to_json(self) -> str:
        """This trial as JSON text, for :meth:`from_json`."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "topology"}
        return json.dumps({**data, "case": dict(self.case), "topology": json.loads(self.topology.to_json())}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Trial:
        """A trial from what :meth:`to_json` wrote."""
        data = json.loads(text)
        return cls(**{**data, "topology": Topology.from_json(json.dumps(data["topology"]))})


@dataclass(frozen=True)
class Until:
    """``--until-ci``: repeat until half of the median's 95 % interval is at most ``relative`` of the median, but at
    most ``most`` times; ``least`` repetitions come first."""

    relative: float
    metric: str
    least: int
    most: int


def trial_seed(seed: int, case: Mapping[str, Level], repetition: int) -> int:
    """A 63-bit seed that depends on the run's seed, the case and the repetition, and on nothing else."""
    text = json.dumps([seed, dict(sorted(case.items())), repetition])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def topology_defaults(function: TopologyFunction) -> dict[str, Level]:
    """What ``--set`` may vary of a topology, with its defaults: its keyword arguments.

    An argument that is a dataclass, such as all options of its bonds, stands for its fields.
    """
    found: dict[str, Level] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        value = parameter.default
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            found |= {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        else:
            found[name] = value
    return found


def made(function: TopologyFunction, levels: Mapping[str, Level]) -> Topology:
    """The network of a topology function; of ``levels``, those count that `topology_defaults` names."""
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        value: Any = parameter.default
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            own = {field.name for field in dataclasses.fields(value)} & levels.keys()
            arguments[name] = dataclasses.replace(value, **{each: levels[each] for each in own})
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
