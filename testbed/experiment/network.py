"""The network that a topology function returns for levels of its arguments, and what the names of these mean. Pure."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from testbed import schemes
from testbed.design.factor import Factor, Level, parse_level
from testbed.errors import SpecError, UnknownName, unknown
from testbed.experiment import settle, user_code
from testbed.experiment.experiment import Experiment
from testbed.spec import Topology

#: The packages of the topologies and the experiments that come with the testbed.
_OURS, _EXPERIMENTS = "topologies", "experiments"
#: The function of a topology file: its keyword arguments are what may be varied.
TopologyFunction = Callable[..., Topology]


def topology_defaults(function: TopologyFunction) -> dict[str, Level]:
    """The arguments of a topology function that ``--set`` may vary, with their defaults.

    An argument that is a dataclass, such as all options of its bonds, stands for its fields, without those that
    ``WITHOUT`` of the function's module names: nothing in that network has a use for them.
    """
    found: dict[str, Level] = {}
    without = getattr(sys.modules.get(function.__module__), "WITHOUT", ())
    for name, parameter in _parameters(function).items():
        value = parameter.default
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            own = {setting: getattr(value, field) for setting, field in settle.settings(value).items()}
            found |= {setting: level for setting, level in own.items() if setting not in without}
        else:
            found[name] = value
    return found


def networks_of(function: TopologyFunction) -> settle.Networks:
    """The networks that a topology function makes of its arguments.

    What these need, fields of dataclasses say of themselves (`settle.needed`), and ``NEEDS`` of the module besides.
    """
    needs: dict[str, tuple[str, ...]] = {}
    for parameter in _parameters(function).values():
        value = parameter.default
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            needs |= settle.needed(value)
    for name, more in getattr(sys.modules.get(function.__module__), "NEEDS", {}).items():
        needs[name] = (*needs.get(name, ()), *more)
    elsewhere = having if function.__module__.partition(".")[0] == _OURS else None
    return settle.Networks(lambda case: build_topology(function, case), topology_defaults(function), needs, elsewhere)


@functools.cache
def having(argument: str) -> tuple[str, ...]:
    """The topologies of ours that have an argument of that name."""
    found = []
    for module in pkgutil.iter_modules(importlib.import_module(_OURS).__path__):
        function = getattr(importlib.import_module(f"{_OURS}.{module.name}"), module.name)
        if argument in topology_defaults(function):
            found.append(module.name)
    return tuple(sorted(found))


@functools.cache
def varying(factor: str) -> tuple[str, ...]:
    """The experiments of ours that have a factor or an option of that name."""
    found = []
    for module in pkgutil.iter_modules(importlib.import_module(_EXPERIMENTS).__path__):
        function = getattr(importlib.import_module(f"{_EXPERIMENTS}.{module.name}"), module.name)
        if function().factor(factor) is not None:
            found.append(module.name)
    return tuple(sorted(found))


def unknown_argument(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that nothing here has; it says which topologies have an argument of that
    name, or which experiments such a factor."""
    error = unknown(kind, name, known)
    if where := having(name):
        error.hint = f"It is an argument of {settle.listed(where)}: see testbed list {name}"
    elif kind == "factor" and (others := varying(name)):
        error.hint = f"It is a factor of {settle.listed(others)}: see testbed list {name}"
    return error


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
            own = {field: levels[setting] for setting, field in settle.settings(value).items() if setting in levels}
            arguments[name] = dataclasses.replace(value, **own)
        elif name in levels:
            arguments[name] = levels[name]
    with user_code.calling(function, "topology"), _named(function, arguments):
        found = function(**arguments)
    if isinstance(found, Experiment):
        hint = f"To run it, type: testbed run {user_code.typed(user_code.file_of(function))}"
        raise user_code.not_returned(function, "topology", found, hint)
    if not isinstance(found, Topology):
        raise user_code.not_returned(function, "topology", found)
    if not found.hosts:
        raise user_code.wrong(function, "topology", "returned a topology without hosts; wanted one or more")
    return measured_between(found, str(levels[settle.PAIR])) if settle.PAIR in levels else found


@contextmanager
def _named(function: TopologyFunction, arguments: Mapping[str, Any]) -> Iterator[None]:
    """An error of the block names the arguments that are other than by default, unless it names them itself."""
    try:
        yield
    except SpecError as error:
        given = {
            name: value
            for name, value in arguments.items()
            if isinstance(value, bool | int | float | str) and value != _parameters(function)[name].default
        }
        if not given or any(name in error.message for name in given):
            raise
        words = ", ".join(f"{name}={settle.shown(value)}" for name, value in given.items())
        raise SpecError(f"{words}: {error.message}", error.hint) from error


def measured_between(network: Topology, pair: str) -> Topology:
    """The network with this pair of hosts, ``client+server``, as the one that is measured and must survive.

    Errors: SpecError for hosts that it has not.
    """
    hosts = tuple(pair.split("+"))
    known = [host.name for host in network.hosts]
    for host in hosts:
        if host not in known:
            raise unknown(f"host of topology {network.name!r} in pair {pair}:", host, known)
    return dataclasses.replace(network, protected=hosts)


def build_from_settings(function: TopologyFunction, settings: Mapping[str, str]) -> Topology:
    """The network of a topology function with some arguments given as text. Errors: SpecError."""
    defaults = topology_defaults(function)
    check_names(function, (), defaults)
    unknown_names = [name for name in settings if name not in defaults and name != settle.PAIR]
    if unknown_names:
        raise unknown_argument("argument of the topology:", unknown_names[0], [*defaults, settle.PAIR])
    levels: dict[str, Level] = {
        name: pairs(text)[0] if name == settle.PAIR else parse_level(name, text, defaults[name])
        for name, text in settings.items()
    }
    networks = networks_of(function)
    factors = {name: (level,) for name, level in levels.items() if name != settle.PAIR}
    return settle.settled(networks, levels, factors, named=set(factors)).network


def check_runs(network: Topology, case: Mapping[str, Level], clock: str) -> None:
    """Errors: SpecError for a network that no run takes with that clock: with one host, with what controls the switches
    unable to serve it, or with a link that would be infinitely fast."""
    _ = network.pair
    schemes.chosen(case).check(network)
    if clock == "virtual" and network.unshaped():
        raise SpecError(
            f"link {network.unshaped()[0]} of topology {network.name!r} has no rate:"
            " where time is virtual it would be infinitely fast and a TCP flow over it would never end",
            "Give every link a rate_mbps, or use --clock real.",
        )


def check_names(function: TopologyFunction, factors: Collection[Factor], arguments: Mapping[str, Level]) -> None:
    """Errors: SpecError for a name with two meanings: one in the experiment, or here, and one in the topology."""
    where = user_code.shown(user_code.file_of(function))
    if settle.PAIR in arguments:
        raise SpecError(
            f"{where}: {user_code.name_of(function)} has an argument {settle.PAIR!r}, but --set {settle.PAIR}=A,B names"
            " the two hosts that are measured, in every topology",
            "Give the argument another name.",
        )
    for factor in factors:
        if factor.name == settle.PAIR:
            raise SpecError(
                f"the experiment has a factor {settle.PAIR!r}, but --set {settle.PAIR}=A,B names the two hosts that are"
                " measured, in every experiment",
                "Give the factor another name.",
            )
        if factor.name in arguments and not is_of_network(factor):
            raise SpecError(
                f"{where}: {user_code.name_of(function)} has an argument {factor.name!r}, and the experiment has a"
                f" factor of that name ({factor.meaning}): one level would be two things",
                f"Give one of them another name; or, if the factor is meant to be that argument, write:"
                f" Factor({factor.name!r}, ..., network=True)",
            )


def is_of_network(factor: Factor) -> bool:
    """Whether a factor is an argument of the topology."""
    return factor.network or factor.name in settle.SHARED


def pairs(text: str) -> tuple[Level, ...]:
    """The levels of --set pair: ``A,B`` is one pair; of several each is joined by a plus sign, ``A+B,A+C``."""
    words = [word.strip() for word in text.split(",")]
    if len(words) == 2 and not any("+" in word for word in words):
        words = ["+".join(words)]
    for word in words:
        hosts = word.split("+")
        if len(hosts) != 2 or not all(hosts) or hosts[0] == hosts[1]:
            raise SpecError(
                f"--set {settle.PAIR}={text}: {word!r} is not a pair of two different hosts",
                f"For example: --set {settle.PAIR}=h1,h2; several pairs: --set {settle.PAIR}=h1+h2,h1+h3",
            )
    return tuple(words)
