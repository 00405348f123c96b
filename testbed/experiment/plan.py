"""From an experiment and a request to a plan of seeded trials. Pure: it plans, and starts nothing."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from testbed import schemes
from testbed.design.factor import Factor, Level, parse_level
from testbed.design.trial import Trial, trial_seed
from testbed.errors import SpecError
from testbed.experiment import reasons, settle, user_code
from testbed.experiment.experiment import Experiment
from testbed.experiment.network import TopologyFunction as TopologyFunction
from testbed.experiment.network import build_from_settings as build_from_settings
from testbed.experiment.network import build_topology as build_topology
from testbed.experiment.network import check_names, check_runs, is_of_network, networks_of, pairs, unknown_argument
from testbed.experiment.network import topology_defaults as topology_defaults
from testbed.faults import catalogue
from testbed.spec import Topology
from testbed.spec.bond import EVERY_MODE
from testbed.theory import gateways


@dataclass(frozen=True)
class Until:
    """``--until-ci``: repeat until half of the median's 95 % interval is at most ``relative`` of the median.

    There are at least ``least`` and at most ``most`` repetitions.
    """

    relative: float
    metric: str
    least: int
    most: int


def factor_levels(
    experiment: Experiment, topology: TopologyFunction, settings: Mapping[str, str], *, quick: bool
) -> dict[str, tuple[Level, ...]]:
    """The levels of every factor of a run: the experiment's, replaced and extended by ``--set NAME=LEVEL,...``.

    A name that is no factor but a keyword argument of the topology becomes a factor, and so does one of the options
    that topologies share (`settle.SHARED`), or of a scheme: whether this network has such a level, `list_cases` finds
    out.
    """
    arguments = topology_defaults(topology)
    of_schemes = [option for name, option in schemes.OPTIONS.items() if name in settings]
    check_names(topology, (*experiment.factors, *experiment.options, *of_schemes), arguments)
    levels = {f.name: (f.quick if quick and f.quick else f.levels) for f in experiment.factors}
    for name, text in settings.items():
        words = [word.strip() for word in text.split(",")]
        if not all(words):
            raise SpecError(f"--set {name}={text} has an empty level", f"For example: --set {name}=LEVEL,LEVEL")
        factor = experiment.factor(name) or schemes.OPTIONS.get(name)
        if name == settle.PAIR and factor is None:
            found = pairs(text)
        elif factor is not None:
            if words == ["all"]:
                levels[name] = factor.known or factor.levels
                continue
            with user_code.calling(factor.read or factor.parse, "experiment"):
                found = tuple(factor.parse(word) for word in words)
        elif name in arguments or name in settle.SHARED:
            if name == "mode" and words == ["all"]:
                words = list(EVERY_MODE)
            example = arguments[name] if name in arguments else settle.SHARED[name]
            found = tuple(parse_level(name, word, example) for word in words)
        else:
            known = {f.name for f in (*experiment.factors, *experiment.options)} | set(arguments) | {settle.PAIR}
            known |= schemes.OPTIONS.keys()
            raise unknown_argument("factor", name, known)
        if len(set(found)) < len(found):
            raise SpecError(f"--set {name}={text} names a level twice")
        levels[name] = found
    return levels


#: A trial that lasts so many times as long as its experiment allows is refused: its wall time is limited too.
_ABSURD = 10


@dataclass(frozen=True)
class Cases:
    """The cases of a run; those that are left out, each with the reason; and the factors that are other than asked.

    ``changed`` has for each such factor why: it is not in the cases, or has the level that the network has.
    """

    kept: tuple[dict[str, Level], ...]
    left_out: tuple[tuple[dict[str, Level], str], ...]
    changed: tuple[tuple[str, str], ...]

    def levels(self) -> dict[str, tuple[Level, ...]]:
        """The levels of each factor, in the order of the cases."""
        names = dict.fromkeys(name for case in self.kept for name in case)
        return {name: tuple(dict.fromkeys(case[name] for case in self.kept if name in case)) for name in names}


def list_cases(
    experiment: Experiment,
    topology: TopologyFunction,
    levels: Mapping[str, tuple[Level, ...]],
    *,
    named: Collection[str] = (),
) -> Cases:
    """The cases of a run, as the product of the levels, each with no level that its network has not.

    ``named`` are the factors that --set named; see `settle`. Errors: SpecError if no case is left.
    """
    arguments = topology_defaults(topology)
    factors = dict(schemes.OPTIONS) | {each.name: each for each in (*experiment.factors, *experiment.options)}
    combinations = _combinations(levels, factors)
    set_too = [name for each in combinations for name in each if name not in levels]
    levels = {**levels, **{name: _levels_of(name, combinations) for name in dict.fromkeys(set_too)}}
    by_command, named = named, {*named, *set_too}
    usual = "" if experiment.topology == topology.__name__ else experiment.topology
    of_network = {
        name: found
        for name, found in levels.items()
        if (is_of_network(factors[name]) if name in factors else name != settle.PAIR)
    }
    networks = networks_of(topology)
    schemes_read = {schemes.FACTOR.name, *(name for each in schemes.SCHEMES.values() for name in each.reads)}
    deciding = {*of_network, settle.PAIR, *schemes_read} & levels.keys()

    @functools.cache
    def settled(part: tuple[tuple[str, Level], ...]) -> settle.Settled | SpecError:
        try:
            if experiment.bonded:
                _check_bonded(networks, {name: level for name, level in part if name in (*named, settle.PAIR)})
            found = settle.settled(networks, dict(part), of_network, named=named, known=factors)
            check_runs(found.network, found.case, "real")  # the clock is not known yet
            _check_carried(experiment, found.network)
        except SpecError as error:
            return error
        return found

    kept: dict[tuple[tuple[str, Level], ...], None] = {}
    left_out: list[tuple[dict[str, Level], str]] = []
    changed: dict[tuple[str, str], None] = {}
    refused: list[SpecError] = []
    for case in combinations:
        found = settled(tuple((name, case[name]) for name in levels if name in deciding and name in case))
        if isinstance(found, SpecError):
            found = reasons.typed(found, case, factors, by_command, usual)
            refused.append(found)
            left_out.append((case, found.message))
            continue
        changed |= dict.fromkeys(found.changed.items())
        case = {name: found.case.get(name, level) for name, level in case.items() if _stays(name, found.case, deciding)}
        reason = _not_applicable(experiment, case, found.network)
        if reason is None:
            kept[tuple(case.items())] = None
        else:
            left_out.append((case, reason))
    if not kept and refused:
        brought = [name for name in levels if name not in by_command]
        raise reasons.together(refused, (reason for _, reason in left_out), brought)
    if not kept:
        hint = reasons.advice(left_out[0][1], arguments, by_command, usual)
        raise SpecError(f"no case of this run applies: {left_out[0][1]}", hint)
    told = {tuple(case.items()): (case, why) for case, why in left_out}  # settled cases may be the same
    return Cases(tuple(dict(case) for case in kept), tuple(told.values()), tuple(changed))


def _check_carried(experiment: Experiment, network: Topology) -> None:
    """Errors: SpecError if the hosts carry TCP alone, and the experiment sends something else."""
    if not experiment.messages and any(host.bond and host.bond.driver == "mptcp" for host in network.hosts):
        raise SpecError(
            f"mode mptcp carries TCP alone (RFC 8684), and {experiment.name} sends other traffic or by other sockets",
            "Type: testbed run messages --topology two_ways --set mode=mptcp",
        )


def _combinations(levels: Mapping[str, tuple[Level, ...]], factors: Mapping[str, Factor]) -> list[dict[str, Level]]:
    """The product of the levels, each with the levels of other factors that its own stand for (`Factor.sets`).

    Errors: SpecError for one that another factor of the run contradicts.
    """
    found = []
    for combination in itertools.product(*levels.values()):
        case = dict(zip(levels, combination, strict=True))
        for name, level in list(case.items()):
            factor = factors.get(name)
            for other, value in (factor.sets[level] if factor and factor.sets else {}).items():
                if case.setdefault(other, value) != value:
                    raise SpecError(
                        f"{name}={level} is {other}={value}, and --set {other}={case[other]} contradicts it",
                        f"Leave --set {other} out, or choose another {name}.",
                    )
        found.append(case)
    return found


def _levels_of(name: str, combinations: Sequence[Mapping[str, Level]]) -> tuple[Level, ...]:
    return tuple(dict.fromkeys(case[name] for case in combinations if name in case))


def _check_bonded(networks: settle.Networks, given: Mapping[str, Level]) -> None:
    """Errors: SpecError if the client has no bond in the network as it was asked for."""
    try:
        network = networks.of(given)
    except SpecError:
        return  # not by itself: the levels that the experiment brings along may make it possible
    network.bond(network.client)


def _stays(name: str, settled: Mapping[str, Level], deciding: Collection[str]) -> bool:
    return name in settled or name not in deciding


def _not_applicable(experiment: Experiment, case: Mapping[str, Level], network: Topology) -> str | None:
    check, reason = experiment.not_applicable, None
    if check is not None:
        with user_code.calling(check, "experiment"):
            reason = check(case, network)
        if reason is not None and not isinstance(reason, str):
            what = f"returned {user_code.type_name(reason)}; wanted the reason as text, or None for a case that applies"
            raise user_code.wrong(check, "experiment", what)
    if reason is None:
        reason = _without_effect(case, network)
    if reason is None and experiment.both_ways:
        reason = gateways.blocked_either_way(network, *network.pair)
    if reason is None and experiment.lasts_s is not None:
        lasts_s, most_s = experiment.lasts_s(case, network), _ABSURD * experiment.limit_s
        if lasts_s > most_s:
            many = f"faults={case['faults']}: " if "faults" in case else ""
            fit = int(int(case["faults"]) * most_s / lasts_s) if many else 0
            fewer = f"; type: --set faults={fit}" if fit else ""
            reason = f"{many}a trial would last {lasts_s:.0f} s of its clock; wanted {most_s:.0f} s or less{fewer}"
    return reason


def _without_effect(case: Mapping[str, Level], network: Topology) -> str | None:
    """Why the fault of a case changes nothing in that network, by the parameters of the case; None if it does."""
    fault = str(case.get("fault", ""))
    given = catalogue.parameters_of(fault, case) if fault in catalogue.FAULTS else {}
    if not given:
        return None
    factors = [each.factor for each in catalogue.named(fault).parameters if each.name in given]
    levels = [f"{name}={settle.shown(case[name])}" for name in factors]
    why = catalogue.without_effect(catalogue.valued(fault, given), network.links)
    return f"{', '.join(levels)}: {why}" if why else None


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
    built = networks_of(topology)
    networks = []
    for case in cases:
        network = built.of(case)
        check_runs(network, case, clock)
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
