"""How long a system is down in a year, from what fails in it and what it survives. Pure.

    events, each with its unavailability q --> states: which events are there at once, with their probabilities
    structure function: up or down in a state --> the share of time in which the system is down, by event

The events are independent alternating renewal processes, so the probability of a state is the product of q or 1 - q of
each (R. E. Barlow, F. Proschan, Statistical Theory of Reliability and Life Testing, 1975). States with up
to so many events at once are enumerated; the rest has a probability, which is counted as between up and down.

What a failure costs although it is survived: its failures a year by the outage that each of them causes.

Coverage C is the probability that a switch-over works. One that does not leaves the system down until the repair
(A. Birolini, Reliability Engineering, 2007, figure 6.27: incomplete coverage); so a state with k events that need one
is up with probability C^k. Common cause: beta is the share of a failure rate that hits all elements of a kind at once
(IEC 61508-6:2010, annex D): each fails alone with (1 - beta) lambda, all of them together with beta lambda.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from testbed.faults.elements import Element
from testbed.theory.failure_rates import YEAR_S, Rate

Names = frozenset[str]


@dataclass(frozen=True)
class Range:
    """A number that is known to be between two; where theory knows it, they are equal."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def __mul__(self, factor: float) -> Range:
        return Range(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Event:
    """A failure: of one element, or of all of a kind by a common cause. ``beta``: the share of a twin's failures that
    would hit this one too, where it has no twin yet; ``switches``: surviving it takes a switch-over."""

    name: str
    kind: str
    elements: tuple[str, ...]
    rate: Rate
    beta: float = 0.0
    common: bool = False
    switches: bool = True

    @property
    def q(self) -> float:
        return self.rate.unavailability


@dataclass(frozen=True)
class Outage:
    """What a failure that is survived costs each time, in seconds, and how that is known."""

    seconds: Range
    basis: str


@dataclass(frozen=True)
class Contribution:
    """What one event costs, in seconds a year.

    ``apart_s``: the system is down until a repair. ``uncovered_s``: so it is because a switch-over failed.
    ``switch_s``: switch-overs that worked. ``twin_saves_s``: what a parallel twin of the element would save, None for
    a common cause, which hits the twin as well.
    """

    event: Event
    apart_s: Range
    uncovered_s: Range
    switch_s: Range
    outage: Outage | None
    twin_saves_s: Range | None

    @property
    def total_s(self) -> Range:
        return self.apart_s + self.uncovered_s + self.switch_s


@dataclass(frozen=True)
class Availability:
    """The downtime of a system, in seconds a year, and what makes it.

    ``rest_s``: the states with more events at once than were enumerated, in which the system may be up or down.
    ``not_known``: the states in which theory does not say, each with the names of its elements.
    """

    contributions: tuple[Contribution, ...]
    rest_s: float
    at_once: int
    not_known: tuple[Names, ...] = ()

    @property
    def downtime_s(self) -> Range:
        return sum((each.total_s for each in self.contributions), Range(0.0, self.rest_s))

    @property
    def unavailability(self) -> Range:
        found = self.downtime_s * (1 / YEAR_S)
        return Range(min(found.low, 1.0), min(found.high, 1.0))

    def by_kind(self) -> dict[str, Range]:
        """The downtime of each kind, the largest first."""
        found: dict[str, Range] = {}
        for each in self.contributions:
            found[each.event.kind] = found.get(each.event.kind, Range()) + each.total_s
        return dict(sorted(found.items(), key=lambda item: -item[1].high))


def nines(unavailability: float) -> float:
    """How many nines the availability has: 3 for 0.999; infinity if it is never down."""
    return math.inf if unavailability <= 0 else -math.log10(unavailability)


def events(
    elements: Sequence[Element], rates: dict[str, Rate], *, beta: float = 0.0, switching: Collection[str] | None = None
) -> tuple[Event, ...]:
    """The failures of these elements. With ``beta`` the elements of a kind, if it has several, fail together as well.

    ``switching`` are the elements whose failure takes a switch-over; None: all. Errors: KeyError for a kind without a
    rate.
    """
    count = {kind: [e for e in elements if e.kind == kind] for kind in dict.fromkeys(e.kind for e in elements)}
    found = []
    for element in elements:
        rate, alone = rates[element.kind], len(count[element.kind]) == 1
        own = rate if alone or not beta else _scaled(rate, 1 - beta)
        switches = switching is None or element.name in switching
        if own is not None:
            left = beta if alone else 0.0
            found.append(Event(element.name, element.kind, (element.name,), own, left, switches=switches))
    for kind, of_kind in count.items():
        common = _scaled(rates[kind], beta)
        if len(of_kind) > 1 and common is not None:
            names = tuple(each.name for each in of_kind)
            switches = switching is None or not set(names).isdisjoint(switching)
            found.append(Event(f"every {kind}", kind, names, common, common=True, switches=switches))
    return tuple(found)


def _scaled(rate: Rate, share: float) -> Rate | None:
    """The rate of a share of the failures; None if that is none of them."""
    return replace(rate, mtbf_h=rate.mtbf_h / share) if share > 0 else None


@dataclass
class _Account:
    """What one event has been charged with, as shares of the time."""

    apart: Range = field(default_factory=Range)
    uncovered: Range = field(default_factory=Range)
    within: Range = field(default_factory=Range)  # all of the time that is lost while the event is there


def downtime(
    found: Sequence[Event],
    up: Callable[[Names], bool | None],
    outage: Callable[[Event], Outage],
    *,
    coverage: float = 1.0,
    at_once: int = 2,
) -> Availability:
    """The downtime of a system in a year.

    ``up`` is its structure function: whether it is up once these elements have failed, None where that is not known.
    ``outage`` is what a failure costs that happens when all else is well and is survived. A state's time is charged to
    the events without any one of which the system would not be down; if there is none, to all of them alike.
    """
    known = _Structure(up)
    ratios = [event.q / (1 - event.q) for event in found]
    none = math.exp(math.fsum(math.log1p(-event.q) for event in found))
    accounts = [_Account() for _ in found]
    lost = Range()
    for size in range(1, min(at_once, len(found)) + 1):
        for state in itertools.combinations(range(len(found)), size):
            share = none * math.prod(ratios[place] for place in state)
            members = [found[place] for place in state]
            verdict = known(members)
            failed = 1 - coverage ** sum(event.switches for event in members) if verdict is not False else 0.0
            apart = Range(verdict is False, verdict is not True and 1 - failed) * share
            uncovered = Range(failed, failed) * share
            lost += apart + uncovered
            for place in state:
                accounts[place].within += apart + uncovered
            better = (True, None) if verdict is False else (True,)
            without = {place: known([found[p] for p in state if p != place]) for place in state}
            blamed = [place for place in state if without[place] in better] or list(state)
            for place in blamed:
                accounts[place].apart += apart * (1 / len(blamed))
            needing = [place for place in state if found[place].switches]
            for place in needing:
                accounts[place].uncovered += uncovered * (1 / len(needing))
    contributions = []
    for event, own in zip(found, accounts, strict=True):
        cost = outage(event) if known([event]) is True else None
        switched = Range()
        if cost is not None:
            each = event.rate.failures_a_year * (coverage if event.switches else 1.0)
            switched = Range(cost.seconds.low * each * none / (1 - event.q), cost.seconds.high * each)
        saves = None if event.common else _saved(event, own.within, lost, coverage) * YEAR_S
        contributions.append(
            Contribution(event, own.apart * YEAR_S, own.uncovered * YEAR_S, switched, cost, saves),
        )
    rest = _more_than(at_once, [event.q for event in found])
    return Availability(tuple(contributions), rest * YEAR_S, at_once, tuple(known.silent))


class _Structure:
    """The structure function, asked once for each set of elements."""

    def __init__(self, up: Callable[[Names], bool | None]) -> None:
        self._up = up
        self._said: dict[Names, bool | None] = {frozenset(): True}

    def __call__(self, members: Iterable[Event]) -> bool | None:
        names = frozenset(name for event in members for name in event.elements)
        if names not in self._said:
            self._said[names] = self._up(names)
        return self._said[names]

    @property
    def silent(self) -> list[Names]:
        """The sets of which it does not say."""
        return [names for names, said in self._said.items() if said is None]


def _saved(event: Event, within: Range, lost: Range, coverage: float) -> Range:
    """The share of time that is saved where the element gets a parallel twin.

    The time lost is linear in each q (Barlow and Proschan): what is lost while the element is down goes with q, the
    rest with 1 - q. A pair is down with beta q + ((1 - beta) q)^2 (IEC 61508-6, annex D), and with 1 - coverage
    each time that one of the two is down alone.
    """
    q, beta = event.q, event.beta
    both = beta * q + ((1 - beta) * q) ** 2
    pair = both + (1 - coverage) * 2 * q * (1 - q)

    def saved(inside: float, outside: float) -> float:
        return inside * (1 - pair / q) + outside * (1 - (1 - pair) / (1 - q))

    return Range(saved(within.low, lost.low - within.low), saved(within.high, lost.high - within.high))


def _more_than(most: int, q: Sequence[float]) -> float:
    """The probability that more than so many of independent events are there at once."""
    exactly = [1.0] + [0.0] * len(q)
    for number, each in enumerate(q, 1):
        for count in range(number, 0, -1):
            exactly[count] = exactly[count] * (1 - each) + exactly[count - 1] * each
        exactly[0] *= 1 - each
    return math.fsum(exactly[most + 1 :])


def states(count: int, at_once: int) -> int:
    """How many states with up to so many of ``count`` events at once there are."""
    return sum(math.comb(count, size) for size in range(min(at_once, count) + 1))
