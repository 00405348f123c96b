"""The downtime of systems: against closed formulas, against a system with one element more, against a simulation."""

from __future__ import annotations

import heapq
import math
import random
import statistics
from collections.abc import Callable, Sequence

import pytest

from testbed.faults.elements import Element
from testbed.theory.availability import Event, Outage, Range, downtime, events, nines, states
from testbed.theory.failure_rates import YEAR_H, YEAR_S, Rate

Up = Callable[[frozenset[str]], bool | None]
FREE = Outage(Range(), "test")


def rate(mtbf_h: float, mttr_h: float) -> Rate:
    return Rate(mtbf_h, mttr_h, "test")


def system(count: int, *, switches: bool = True) -> list[Event]:
    """Elements a, b, c ... that are down 1/10, 1/9, 1/8 ... of the time."""
    names = "abcdefgh"[:count]
    return [Event(name, "link", (name,), rate(9.0 - place, 1.0), switches=switches) for place, name in enumerate(names)]


def share(found: Sequence[Event], up: Up, **more: float) -> float:
    """The share of time in which it is down, all states enumerated."""
    computed = downtime(found, up, lambda event: FREE, at_once=len(found), **more)  # type: ignore[arg-type]
    assert computed.rest_s == 0.0
    assert computed.unavailability.low == pytest.approx(computed.unavailability.high, rel=1e-12)
    return computed.unavailability.low


def series(failed: frozenset[str]) -> bool:
    return not failed


def parallel(failed: frozenset[str]) -> bool:
    return not failed >= set("abc")


def two_of_three(failed: frozenset[str]) -> bool:
    return len(failed & set("abc")) < 2


def bridge(failed: frozenset[str]) -> bool:
    """a and b from the source, c and d to the sink, e between: ways ac, bd, aed, bec."""
    return any(failed.isdisjoint(way) for way in ("ac", "bd", "aed", "bec"))


A, B, C, D, E = 1 / 10, 1 / 9, 1 / 8, 1 / 7, 1 / 6  # what `system` is down


def test_a_rate_is_a_cycle_of_failure_and_repair() -> None:
    each = rate(8760.0, 6.0)  # together a Julian year: 8766 h
    assert each.failures_a_year == pytest.approx(1.0)
    assert each.unavailability * YEAR_S == pytest.approx(6 * 3600)


def test_series() -> None:
    assert share(system(3), series) == pytest.approx(1 - (1 - A) * (1 - B) * (1 - C))


def test_parallel() -> None:
    assert share(system(3), parallel) == pytest.approx(A * B * C)


def test_two_of_three() -> None:
    expected = A * B * (1 - C) + A * (1 - B) * C + (1 - A) * B * C + A * B * C
    assert share(system(3), two_of_three) == pytest.approx(expected)


def test_the_bridge_by_its_middle() -> None:
    """With e up: (a or b) and (c or d). With e down: (a and c) or (b and d)."""
    with_e = (1 - A * B) * (1 - C * D)
    without = 1 - (1 - (1 - A) * (1 - C)) * (1 - (1 - B) * (1 - D))
    assert share(system(5), bridge) == pytest.approx(1 - ((1 - E) * with_e + E * without))


@pytest.mark.parametrize("at_once", [1, 2, 3, 4])
def test_what_is_not_enumerated_is_between_up_and_down(at_once: int) -> None:
    exact = share(system(5), bridge)
    found = downtime(system(5), bridge, lambda event: FREE, at_once=at_once).unavailability
    assert found.low <= exact * (1 + 1e-12) and exact <= found.high * (1 + 1e-12)
    assert found.low < found.high


def test_the_rest_of_two_in_parallel_is_both() -> None:
    found = downtime(system(2), lambda failed: len(failed) < 2, lambda event: FREE, at_once=1)
    assert found.rest_s == pytest.approx(A * B * YEAR_S)
    assert found.downtime_s == Range(0.0, found.rest_s)


def test_a_state_is_charged_to_those_without_whom_it_would_be_up() -> None:
    """a alone parts; b and c only together. So a pays whenever it is down, and b and c share what they do alone."""

    def up(failed: frozenset[str]) -> bool:
        return "a" not in failed and not failed >= {"b", "c"}

    found = downtime(system(3), up, lambda event: FREE, at_once=3)
    a, b, c = (each.apart_s.low / YEAR_S for each in found.contributions)
    both = A * B * C / 3  # without any one of the three it would be down all the same
    assert a == pytest.approx(A * (1 - B * C) + both)
    assert b == c == pytest.approx((1 - A) * B * C / 2 + both)
    assert found.by_kind()["link"].low == pytest.approx(found.downtime_s.low)


def test_what_theory_does_not_say_is_between_up_and_down() -> None:
    def up(failed: frozenset[str]) -> bool | None:
        return None if failed == {"a"} else "b" not in failed

    found = downtime(system(2), up, lambda event: FREE, at_once=2)
    assert found.downtime_s.low == pytest.approx(B * YEAR_S)
    assert found.downtime_s.high == pytest.approx((B + A * (1 - B)) * YEAR_S)
    assert found.not_known == (frozenset("a"),)
    a, b = found.contributions  # while both are down b is the reason
    assert a.apart_s == Range(0.0, pytest.approx(A * (1 - B) * YEAR_S))  # type: ignore[arg-type]
    assert b.apart_s.low == b.apart_s.high == pytest.approx(B * YEAR_S)


def test_each_failure_that_is_survived_costs_its_outage() -> None:
    """a fails YEAR_H / 10 times a year, and costs 2 to 3 s; where b is down as well, the upper end alone is known."""
    found = downtime(system(2), parallel, lambda event: Outage(Range(2.0, 3.0), "test"), at_once=2)
    a = found.contributions[0]
    assert a.switch_s.low == pytest.approx(YEAR_H / 10 * 2.0 * (1 - B))
    assert a.switch_s.high == pytest.approx(YEAR_H / 10 * 3.0)


def test_a_failure_that_is_not_survived_has_no_outage_but_the_repair() -> None:
    found = downtime(system(1), series, lambda event: Outage(Range(2.0, 3.0), "test"))
    assert found.contributions[0].outage is None
    assert found.downtime_s.low == found.downtime_s.high == pytest.approx(A * YEAR_S)


def test_coverage_of_two_in_parallel() -> None:
    """Down if both are, or if one is and the switch-over did not work."""
    found = system(2)
    either = A * (1 - B) + B * (1 - A)
    assert share(found, lambda f: len(f) < 2, coverage=0.9) == pytest.approx(A * B + 0.1 * either)
    assert share(system(2, switches=False), lambda f: len(f) < 2, coverage=0.9) == pytest.approx(A * B)


def test_coverage_as_the_markov_model_has_it() -> None:
    """One of two with incomplete coverage (A. Birolini, Reliability Engineering, 2007, figure 6.27), where a failure
    that was not covered is repaired as any other: in first order in lambda / mu it is down 2 (1 - C) lambda / mu."""
    found = [Event(name, "link", (name,), rate(1e6, 1.0)) for name in "ab"]
    assert share(found, lambda f: len(f) < 2, coverage=0.95) == pytest.approx(2 * 0.05 * 1e-6, rel=1e-4)


def test_a_switch_over_that_fails_costs_no_outage_but_the_repair() -> None:
    found = downtime(system(2), lambda f: len(f) < 2, lambda event: Outage(Range(9.0, 9.0), "test"), coverage=0.0)
    assert all(each.switch_s == Range() for each in found.contributions)
    assert found.contributions[0].uncovered_s.low == pytest.approx(A * (1 - B) * YEAR_S)


TWO = [Element("a", "link"), Element("b", "link")]


def test_a_common_cause_hits_all_of_a_kind() -> None:
    """1 of 2 with beta: beta q + ((1 - beta) q)^2, to the second order in q (IEC 61508-6, annex D)."""
    q = rate(1e5, 1.0).unavailability
    found = events(TWO, {"link": rate(1e5, 1.0)}, beta=0.1)
    assert [event.name for event in found] == ["a", "b", "every link"]
    assert share(found, lambda f: len(f) < 2) == pytest.approx(0.1 * q + (0.9 * q) ** 2, rel=1e-5)


def test_a_common_cause_takes_nothing_from_a_rate() -> None:
    """Each of the two still fails as often: alone, or with the other one."""
    found = events(TWO, {"link": rate(1e5, 1.0)}, beta=0.1)
    assert sum(1 / event.rate.mtbf_h for event in found if "a" in event.elements) == pytest.approx(1e-5)
    (every,) = events(TWO, {"link": rate(1e5, 1.0)}, beta=1.0)
    assert every.rate == rate(1e5, 1.0)


def test_one_of_a_kind_has_no_twins() -> None:
    (alone,) = events(TWO[:1], {"link": rate(1e5, 1.0)}, beta=0.1)
    assert alone.rate == rate(1e5, 1.0)
    assert events(TWO, {"link": rate(1e5, 1.0)})[0].rate == rate(1e5, 1.0)


@pytest.mark.parametrize("up", [series, parallel, two_of_three, bridge])
@pytest.mark.parametrize("twin_of", "abc")
def test_what_a_twin_saves_is_what_the_system_with_the_twin_saves(up: Up, twin_of: str) -> None:
    count = 5 if up is bridge else 3
    own = system(count)
    place = "abcdefgh".index(twin_of)
    twin = Event("twin", "link", ("twin",), own[place].rate)

    def doubled(failed: frozenset[str]) -> bool | None:
        return up(failed - {"twin"} if {twin_of, "twin"} <= failed else failed - {"twin", twin_of})

    found = downtime(own, up, lambda event: FREE, at_once=count).contributions[place].twin_saves_s
    assert found is not None
    saved = share(own, up) - share([*own, twin], doubled)
    assert found.low == found.high == pytest.approx(saved * YEAR_S)


def test_a_twin_has_to_take_over_and_shares_common_causes() -> None:
    """A lone element that parts: with a twin both must fail, by beta q + ((1 - beta) q)^2, or a switch-over."""
    q = rate(999.0, 1.0).unavailability
    found = events([Element("a", "link")], {"link": rate(999.0, 1.0)}, beta=0.2)
    saves = downtime(found, series, lambda event: FREE, coverage=0.9).contributions[0].twin_saves_s
    pair = 0.2 * q + (0.8 * q) ** 2 + 0.1 * 2 * q * (1 - q)
    assert saves is not None and saves.low == pytest.approx((q - pair) * YEAR_S)
    every = downtime(events(TWO, {"link": rate(9.0, 1.0)}, beta=0.2), series, lambda event: FREE).contributions[2]
    assert every.twin_saves_s is None


def test_nines() -> None:
    assert nines(1e-3) == pytest.approx(3.0)
    assert nines(0.0) == math.inf


def test_the_number_of_states() -> None:
    assert states(5, 2) == 1 + 5 + 10
    assert states(2, 9) == 4


# Against a simulation ------------------------------------------------------------------------------------------------

#: What a failure costs that happens alone and is survived, in hours, and how long and how often it is simulated.
OUTAGE_H, LONG_H, BATCHES = 0.05, 2000.0, 60


def simulated(found: Sequence[Event], up: Up, seed: int) -> list[float]:
    """The share of time that is lost in each of some batches: alternating renewal processes with exponential times,
    each failure that happens alone and is survived at the price of an outage."""
    drawn, batches = random.Random(seed), []
    failed: set[str] = set()
    queue = [(drawn.expovariate(1 / event.rate.mtbf_h), place) for place, event in enumerate(found)]
    heapq.heapify(queue)
    now_h = 0.0
    for batch in range(BATCHES):
        lost_h, end_h = 0.0, (batch + 1) * LONG_H
        while now_h < end_h:
            next_h = min(queue[0][0], end_h)
            lost_h += 0.0 if up(frozenset(failed)) else next_h - now_h
            now_h = next_h
            if next_h == end_h:
                break
            _, place = heapq.heappop(queue)
            name, times = found[place].name, found[place].rate
            failed ^= {name}
            if failed == {name} and up(frozenset(failed)):
                lost_h += OUTAGE_H
            mean_h = times.mttr_h if name in failed else times.mtbf_h
            heapq.heappush(queue, (now_h + drawn.expovariate(1 / mean_h), place))
        batches.append(lost_h / LONG_H)
    return batches


@pytest.mark.parametrize(("count", "up"), [(3, series), (3, two_of_three), (5, bridge)])
def test_a_simulation_agrees_within_its_own_interval(count: int, up: Up) -> None:
    """The 99.9 % interval of the mean of 60 batches, with the normal quantile 3.29."""
    found = system(count)
    batches = simulated(found, up, seed=7)
    half = 3.29 * statistics.stdev(batches) / math.sqrt(BATCHES)
    cost = Outage(Range(OUTAGE_H * 3600, OUTAGE_H * 3600), "test")
    computed = downtime(found, up, lambda event: cost, at_once=count)
    mean = statistics.fmean(batches)
    assert half < 0.05 * mean + 0.002  # it can fail
    exact = computed.unavailability.low
    assert abs(mean - exact) < half
