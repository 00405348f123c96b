"""Schedules of faults: which one hits when and for how long, one after the other or at the same time. Pure.

    s1-eth1   |----carrier_loss----|           |--flapping--|
    s1                  |------switch_crash------|
    c0          |--controller_pause--|
              +----------------------------------------------> time since the schedule began

A schedule is written in one line, as the level of a factor, with semicolons between its injections:
``carrier_loss s1-eth1 0.5 for 2; flapping s1-eth3 3 for 1.5 period_ms=200 duty=0.3``. Or it is a file in JSON, such as
the ``schedule.json`` of a trial that has played one.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.design.factor import Level
from testbed.errors import SpecError
from testbed.faults.catalogue import CONTROLLER, FAULTS, CheckedFault, checked, named
from testbed.spec import Topology

_FORM = "Wanted: FAULT ELEMENT AT for DURATION [PARAMETER=VALUE ...], for example: carrier_loss s1-eth1 0.5 for 2"
#: A drawn instant is a multiple of this, so that writing and reading do not change it.
_GRAIN_S = 0.001
#: Faults during which there is no switch to move cables from port to port.
_WITHOUT_SWITCH = {"switch_crash", "switch_software_crash", "switch_restart"}
#: The most draws for each injection, after which the schedule is reported as not fitting.
_ATTEMPTS = 100


@dataclass(frozen=True)
class Injection:
    """One fault on one element, from ``at_s`` for ``for_s`` seconds of the schedule's clock."""

    at_s: float
    for_s: float
    fault: str
    element: str
    parameters: Mapping[str, Level] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named(self.fault)
        if not (math.isfinite(self.at_s) and self.at_s >= 0):
            raise SpecError(f"{self.fault} of {self.element} begins at {self.at_s:g} s; wanted 0 or more")
        if not (math.isfinite(self.for_s) and self.for_s > 0):
            raise SpecError(f"{self.fault} of {self.element} lasts {self.for_s:g} s; wanted more than 0")

    def __str__(self) -> str:
        words = [self.fault, self.element, f"{self.at_s:g}", "for", f"{self.for_s:g}"]
        return " ".join([*words, *(f"{name}={value}" for name, value in self.parameters.items())])


@dataclass(frozen=True)
class Schedule:
    """Injections in the order of their beginning. The same fault may hit the same element only once at a time."""

    injections: tuple[Injection, ...]

    def __post_init__(self) -> None:
        if not self.injections:
            raise SpecError("the schedule has no injection; wanted one or more", _FORM)
        object.__setattr__(self, "injections", tuple(sorted(self.injections, key=lambda each: each.at_s)))
        until: dict[tuple[str, str], Injection] = {}
        for injection in self.injections:
            before = until.get((injection.fault, injection.element))
            if before is not None and before.at_s + before.for_s > injection.at_s:
                raise SpecError(
                    f"{injection.fault} of {injection.element} begins at {injection.at_s:g} s, but one that began at"
                    f" {before.at_s:g} s lasts until {before.at_s + before.for_s:g} s"
                )
            until[injection.fault, injection.element] = injection
        for one, other in itertools.combinations(self.injections, 2):
            if why := _clash(one, other):
                raise SpecError(
                    f"{one.fault} of {one.element} and {other.fault} of {other.element} overlap, but {why}",
                    "Let one begin when the other has ended.",
                )

    @property
    def length_s(self) -> float:
        """When the last fault ends."""
        return max(injection.at_s + injection.for_s for injection in self.injections)

    def instants(self) -> list[tuple[float, int, bool]]:
        """When something happens, in order: the time, the injection's place, whether it begins.

        At the same time, ends come before beginnings.
        """
        found = [(injection.at_s, place, True) for place, injection in enumerate(self.injections)]
        found += [(injection.at_s + injection.for_s, place, False) for place, injection in enumerate(self.injections)]
        return sorted(found, key=lambda instant: (instant[0], instant[2], instant[1]))

    def checked(self, topology: Topology) -> tuple[CheckedFault, ...]:
        """The fault of each injection on that network. Errors: SpecError for one that cannot be there."""
        return tuple(checked(topology, each.fault, each.element, each.parameters) for each in self.injections)

    def __str__(self) -> str:
        return "; ".join(map(str, self.injections))

    def to_json(self) -> str:
        """This schedule as JSON text, for `parsed`."""
        rows = [
            {"at_s": s.at_s, "for_s": s.for_s, "fault": s.fault, "element": s.element, "parameters": dict(s.parameters)}
            for s in self.injections
        ]
        return json.dumps(rows, indent=1) + "\n"


def _overlap(one: Injection, other: Injection) -> bool:
    return one.at_s < other.at_s + other.for_s and other.at_s < one.at_s + one.for_s


def _clash(one: Injection, other: Injection) -> str:
    """Why two injections that overlap exclude each other, though of different faults or elements; empty if not."""
    if not _overlap(one, other):
        return ""
    names = {one.fault, other.fault}
    if "miscabling" in names and (len(names) == 1 or names & _WITHOUT_SWITCH):
        return "cables can be moved only one pair at a time, and only between switches that are there"
    if _one_daemon(one, other):
        machine = min(_machines(one) & _machines(other))
        return f"both end, kill or halt daemons of {machine}: the first to end would start again what the other stopped"
    return ""


def _one_daemon(one: Injection, other: Injection) -> bool:
    """Whether both end, kill or halt a daemon of one machine: which is then the one that starts it again?"""
    if not all(each.fault.startswith(("service_", "router_", "site_", "announcement_")) for each in (one, other)):
        return False
    return not _machines(one).isdisjoint(_machines(other))


def _machines(injection: Injection) -> set[str]:
    """The machines whose daemons an injection hits."""
    return {*injection.element.partition(":")[0].split("+")}


def parsed(text: str) -> Schedule:
    """A schedule from its line, or from the JSON that `Schedule.to_json` gives.

    Errors: SpecError with the part that is not an injection.
    """
    if text.lstrip().startswith("["):
        try:
            rows: list[dict[str, Any]] = json.loads(text)
            injections = [
                Injection(**{**row, "at_s": float(row["at_s"]), "for_s": float(row["for_s"])}) for row in rows
            ]
        except (ValueError, TypeError, KeyError) as error:
            raise SpecError(f"this is not a schedule: {type(error).__name__}: {error}", _FORM) from error
        return Schedule(tuple(injections))
    return Schedule(tuple(_injection(part) for part in text.split(";") if part.strip()))


def read(word: str) -> str:
    """A schedule as a level of a factor, from a line of injections or the name of a file. Errors: SpecError."""
    path = Path(word)
    if word and " " not in word:
        if not path.is_file():
            raise SpecError(f"there is no schedule in {word}: no such file", _FORM)
        return str(parsed(path.read_text()))
    return str(parsed(word)) if word else ""


def _injection(text: str) -> Injection:
    words = text.split()
    if len(words) < 5 or words[3] != "for" or not all("=" in word for word in words[5:]):
        raise SpecError(f"{text.strip()!r} is not an injection of a schedule", _FORM)
    kind = named(words[0])
    try:
        at_s, for_s = float(words[2]), float(words[4])
    except ValueError:
        raise SpecError(f"{words[2]!r} or {words[4]!r} is not a number of seconds", _FORM) from None
    given: dict[str, Level] = {}
    numbers = {p.name for p in kind.parameters if not isinstance(p.default, str)}
    for word in words[5:]:
        name, _, value = word.partition("=")
        try:
            given[name] = float(value) if name in numbers else value
        except ValueError:
            raise SpecError(f"{value!r} is not a number for {name} of {words[0]}", _FORM) from None
    return Injection(at_s, for_s, words[0], words[1], given)


def drawn(
    topology: Topology,
    seed: int,
    count: int,
    *,
    horizon_s: float,
    shortest_s: float = 0.1,
    longest_s: float = 3.0,
    faults: Sequence[str] = (),
    controller: bool = True,
) -> Schedule:
    """``count`` injections at random: fault, element, instant below ``horizon_s`` and duration, all from the seed.

    ``faults`` are the kinds to draw from, all by default; ``controller`` is whether there is one to fail. Parameters
    have their defaults. Errors: SpecError if none of the kinds can hit an element of this network, or if the injections
    do not fit into the time.
    """
    rng = random.Random(f"schedule {seed}")
    possible = _possible(topology, [name for name in (faults or FAULTS) if name != "none"], controller=controller)
    if not possible:
        raise SpecError(f"none of the faults {', '.join(faults)} can hit topology {topology.name!r}")
    injections: list[Injection] = []
    for _ in range(_ATTEMPTS * count + 1):
        if len(injections) == count:
            return Schedule(tuple(injections))
        fault, elements = rng.choice(possible)
        element = rng.choice(elements)
        at_s = round(rng.uniform(0, horizon_s) / _GRAIN_S) * _GRAIN_S
        for_s = max(_GRAIN_S, round(rng.uniform(shortest_s, longest_s) / _GRAIN_S) * _GRAIN_S)
        new = Injection(round(at_s, 3), round(for_s, 3), fault, element)
        same = [each for each in injections if (each.fault, each.element) == (fault, element)]
        if not any(_overlap(new, each) for each in same) and not any(_clash(new, each) for each in injections):
            injections.append(new)
    raise SpecError(f"{count} injections do not fit into {horizon_s:g} s", "Draw fewer, or give them more time.")


def _possible(topology: Topology, names: Sequence[str], *, controller: bool) -> list[tuple[str, list[str]]]:
    """Each kind with the elements of the network that it can hit."""
    everything = [link.b_interface for link in topology.links]
    everything += [*topology.nodes(), *topology.services(), CONTROLLER]
    everything += [name for group in topology.sites for name in group.whole]
    found = []
    for name in names:
        if "controller" in named(name).element and not (controller and topology.switches):
            continue
        elements = [element for element in everything if _can_hit(topology, name, element)]
        if elements:
            found.append((name, elements))
    return found


def _can_hit(topology: Topology, name: str, element: str) -> bool:
    try:
        checked(topology, name, element, {})
    except SpecError:
        return False
    return True
