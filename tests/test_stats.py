"""Statistics against numbers worked out by hand, and against what an interval promises."""

from __future__ import annotations

import numpy as np
import pytest

from testbed import stats


def test_summary_of_a_few_values() -> None:
    found = stats.summary([4.0, 1.0, 3.0, 2.0, 5.0])
    assert found == stats.Summary(5, 3.0, 2.0, 4.0, 1.0, 5.0, None)


def test_nothing_has_no_summary() -> None:
    assert stats.summary([]) is None
    assert stats.median_interval([]) is None
    assert stats.percentile([], 50) is None


def test_five_values_hold_no_95_percent_interval_six_do() -> None:
    # The chance that all n values lie on one side of the median is 2 / 2^n: 6.25 % for 5, 3.1 % for 6.
    assert stats.median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert stats.median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) is not None


def test_equal_values_have_an_interval_without_width() -> None:
    assert stats.median_interval([7.0] * 10) == (7.0, 7.0)


def test_one_seed_gives_one_interval() -> None:
    values = list(np.random.default_rng(1).normal(size=30))
    assert stats.median_interval(values, 3) == stats.median_interval(values, 3)


def test_the_interval_covers_the_median_about_as_often_as_it_says() -> None:
    chance = np.random.default_rng(2)
    hits = 0
    for trial in range(200):
        interval = stats.median_interval(list(chance.uniform(0, 1, 25)), trial)
        assert interval is not None
        hits += interval[0] <= 0.5 <= interval[1]
    assert 180 <= hits <= 200  # 190 expected; a binomial standard deviation is 3


@pytest.mark.parametrize(("percent", "least"), [(50, 2), (90, 10), (95, 20), (99, 100)])
def test_a_percentile_needs_values_beyond_it(percent: float, least: int) -> None:
    values = [float(i) for i in range(least)]
    assert stats.percentile(values, percent) == pytest.approx((least - 1) * percent / 100)
    assert stats.percentile(values[:-1], percent) is None


def test_ecdf_counts_those_without_a_value() -> None:
    values, shares = stats.ecdf([3.0, 1.0], total=4)
    assert list(values) == [1.0, 3.0]
    assert list(shares) == [0.25, 0.5]
    assert list(stats.ecdf([2.0, 1.0])[1]) == [0.5, 1.0]
