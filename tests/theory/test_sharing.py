"""What flows get of links, against placements worked by hand, brute force, and a simulation of another kind."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import theory
from testbed.errors import SpecError

Places = list[tuple[int, int]]


def shared(places: Places, links: int) -> Fraction:
    """Max-min fairness by its definition, one flow and link at a time, in exact arithmetic."""
    left = {(stage, link): Fraction(1) for stage in (0, 1) for link in range(links)}
    rates: dict[int, Fraction] = {}
    while len(rates) < len(places):
        open_ = [flow for flow in range(len(places)) if flow not in rates]
        on = {at: [flow for flow in open_ if places[flow][at[0]] == at[1]] for at in left}
        fair = {at: left[at] / len(flows) for at, flows in on.items() if flows}
        tightest = min(fair, key=lambda at: fair[at])
        for flow in on[tightest]:
            rates[flow] = fair[tightest]
            for stage in (0, 1):
                left[stage, places[flow][stage]] -= fair[tightest]
    return sum(rates.values(), Fraction(0))


@pytest.mark.parametrize(
    ("places", "fair", "most"),
    [
        ([(0, 0), (1, 1)], 2, 2),
        ([(0, 0), (0, 1)], 1, 1),  # one link out of the bond
        ([(0, 0), (1, 0)], 1, 1),  # one link into the other host
        # Links 0 out and 1 in have two flows each: all get a half, and so 1.5 links; 2 fit, if the middle one yields.
        ([(0, 0), (0, 1), (1, 1)], 1.5, 2),
        # Three on link 0 out: a third each; the flow on link 1 gets what the third leaves of link 1 in: two thirds.
        ([(0, 0), (0, 0), (0, 1), (1, 1)], 1 + 2 / 3, 2),
        ([], 0, 0),
    ],
)
def test_placements_worked_by_hand(places: Places, fair: float, most: int) -> None:
    assert theory.max_min_links(places, 2) == pytest.approx(fair)
    assert theory.most_links(places) == most


@given(st.integers(1, 5).flatmap(lambda k: st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)))))
def test_shares_are_those_of_the_definition_and_never_more_than_fits(places: Places) -> None:
    fair = theory.max_min_links(places, 5)
    assert fair == pytest.approx(float(shared(places, 5)))
    assert fair <= theory.most_links(places) + 1e-9
    used = (len({entry for entry, _ in places}), len({leave for _, leave in places}))
    assert theory.most_links(places) <= min(used)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6))
def test_the_most_that_fits_is_the_largest_set_of_flows_that_share_no_link(places: Places) -> None:
    best = max(
        size
        for size in range(len(places) + 1)
        for chosen in itertools.combinations(places, size)
        if len({entry for entry, _ in chosen}) == len({leave for _, leave in chosen}) == size
    )
    assert theory.most_links(places) == best


@pytest.mark.parametrize(("links", "mean"), [(2, 1.98), (4, 3.42), (8, 5.52)])
def test_the_expectation_of_two_hashes_is_that_of_another_simulation(links: int, mean: float) -> None:
    """16 flows. ``mean`` was found by others with a program of their own; here 800 placements are shared exactly."""
    chance = random.Random(9)
    drawn = [
        float(shared([(chance.randrange(links), chance.randrange(links)) for _ in range(16)], links))
        for _ in range(800)
    ]
    found = theory.random_links(16, links)
    assert found.error < 0.005
    assert found.mean == pytest.approx(mean, abs=0.02)
    assert found.mean == pytest.approx(sum(drawn) / len(drawn), abs=0.09)
    inside = sum(found.low - 1e-9 <= one <= found.high + 1e-9 for one in drawn) / len(drawn)
    assert inside >= 0.87 or links == 2  # with two links most placements are the band's own end


def test_the_expectation_of_few_flows_is_that_of_every_placement() -> None:
    every = list(itertools.product(itertools.product(range(2), repeat=2), repeat=3))
    mean = sum(float(shared(list(places), 2)) for places in every) / len(every)
    assert theory.random_links(3, 2).mean == pytest.approx(mean, abs=0.02)


def test_one_hash_fills_every_link_that_it_uses() -> None:
    band = theory.random_links(16, 8, stages=1)
    assert band.mean == pytest.approx(8 * (1 - (7 / 8) ** 16))
    chance = random.Random(4)
    used = sorted(len({chance.randrange(8) for _ in range(16)}) for _ in range(4000))
    assert (band.low, band.high) == (used[200], used[3799])
    assert band.times(100.0).high == 800.0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="0 flows on 4 links by 2 hashes"):
        theory.random_links(0, 4)
