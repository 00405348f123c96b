"""Distributions of times against textbook formulas and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trapezoid, triang

from testbed import theory


def test_a_sum_of_none_is_a_fixed_time() -> None:
    fixed = theory.Sum(0.3)
    assert (fixed.low_s, fixed.high_s, theory.mean_s(fixed)) == (0.3, 0.3, 0.3)
    assert (fixed.cdf(0.29), fixed.cdf(0.3)) == (0, 1)


def test_a_sum_of_one_is_uniform() -> None:
    law = theory.Sum(2.0, (1.0,))
    assert [law.cdf(at) for at in (1.9, 2.25, 2.5, 3.1)] == pytest.approx([0, 0.25, 0.5, 1])
    assert theory.quantiles_s(law, 5) == pytest.approx([2, 2.25, 2.5, 2.75, 3])


@pytest.mark.parametrize(("one", "other"), [(1.0, 0.104), (0.5, 0.5)])
def test_a_sum_of_two_is_the_trapezium(one: float, other: float) -> None:
    law = theory.Sum(1.0, (one, other))
    scale = one + other
    textbook = trapezoid(min(one, other) / scale, max(one, other) / scale, loc=1.0, scale=scale)
    for at in np.linspace(1.0, 1.0 + scale, 23):
        assert law.cdf(float(at)) == pytest.approx(float(textbook.cdf(at)), abs=1e-9)
    assert theory.mean_s(law) == pytest.approx(1.0 + scale / 2)
    if one == other:
        assert law.cdf(1.3) == pytest.approx(float(triang(0.5, 1.0, 1.0).cdf(1.3)))


def test_the_longest_of_two_equal_uniform_times_is_two_thirds_on_average() -> None:
    law = theory.Longest((theory.Sum(0.0, (1.0,)), theory.Sum(0.0, (1.0,))))
    assert theory.mean_s(law) == pytest.approx(2 / 3)  # order statistics: n / (n + 1)


def test_two_equal_uniform_times_are_a_third_apart_on_average() -> None:
    law = theory.Apart(theory.Sum(0.0, (1.0,)), theory.Sum(0.0, (1.0,)))
    assert theory.mean_s(law) == pytest.approx(1 / 3)
    assert law.cdf(0.5) == pytest.approx(0.75)  # 1 - (1 - t)^2


@given(st.floats(0, 5), st.lists(st.floats(0.01, 3), max_size=3), st.floats(0, 5), st.lists(st.floats(0.01, 3)))
def test_means_and_ends_are_those_of_a_sample(low: float, widths: list[float], other: float, more: list[float]) -> None:
    chance = np.random.default_rng(1)

    def drawn(low_s: float, widths_s: list[float]) -> np.ndarray:
        return low_s + sum((chance.uniform(0, width, 20_000) for width in widths_s), np.zeros(20_000))

    laws = theory.Sum(low, tuple(widths)), theory.Sum(other, tuple(more[:2]))
    samples = drawn(low, widths), drawn(other, more[:2])
    found = (
        (laws[0], samples[0]),
        (theory.Longest(laws), np.maximum(*samples)),
        (theory.Apart(*laws), abs(samples[0] - samples[1])),
        (theory.Later(*laws), np.maximum(samples[0] - samples[1], 0)),
    )
    for law, sample in found:
        assert theory.mean_s(law) == pytest.approx(sample.mean(), abs=0.06)
        assert law.low_s - 1e-9 <= sample.min()
        assert sample.max() <= law.high_s + 1e-9
