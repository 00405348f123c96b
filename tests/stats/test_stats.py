"""Statistics against numbers computed by hand, and intervals against their confidence level."""

from __future__ import annotations

import numpy as np
import pytest

from testbed import stats
from testbed.stats.survival import median_of, medians_of


def test_summary_of_a_few_values() -> None:
    found = stats.summary([4.0, 1.0, 3.0, 2.0, 5.0])
    assert found == stats.Summary(5, 3.0, 2.0, 4.0, 1.0, 5.0, None)


def test_no_values_have_no_summary() -> None:
    assert stats.summary([]) is None
    assert stats.median_interval([]) is None
    assert stats.percentile([], 50) is None


def test_five_values_have_no_95_percent_interval_six_have_one() -> None:
    # The chance that all n values lie on one side of the median is 2 / 2^n: 6.25 % for 5, 3.1 % for 6.
    assert stats.median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert stats.median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) is not None


def test_equal_values_have_an_interval_without_width() -> None:
    assert stats.median_interval([7.0] * 10) == (7.0, 7.0)


def test_one_seed_gives_one_interval() -> None:
    values = list(np.random.default_rng(1).normal(size=30))
    assert stats.median_interval(values, 3) == stats.median_interval(values, 3)


@pytest.mark.slow
def test_the_interval_covers_the_median_about_as_often_as_its_level() -> None:
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


def test_a_censored_trial_lowers_the_distribution() -> None:
    # By hand (E. L. Kaplan, P. Meier): of 4, one ends at 1 (3/4 left), one is censored at 2, then one of two
    # ends at 3 (3/8 left), the last at 4 (none left).
    curve = stats.survival([1.0, 2.0, 3.0, 4.0], [False, True, False, False])
    assert list(curve.times) == [1.0, 3.0, 4.0]
    assert list(curve.shares) == pytest.approx([0.25, 0.625, 1.0])
    assert (curve.n, curve.censored, curve.pointwise) == (4, 1, True)
    assert curve.quantile(0.5) == 3.0
    assert all(curve.low <= curve.shares) and all(curve.shares <= curve.high)


def test_greenwoods_band_against_a_textbook() -> None:
    # M. Greenwood's variance at the first end is p q / n, as for any share: 0.75 of 20 left, on the log(-log) scale
    # exp(-exp(ln(-ln 0.75) +- 1.96 sqrt(0.25 / (20 * 0.75)) / |ln 0.75|)).
    values = [1.0] * 5 + [2.0] * 15
    curve = stats.survival(values, [False] * 5 + [True] * 15)
    error = 1.959964 * np.sqrt(0.25 / (20 * 0.75)) / abs(np.log(0.75))
    ends = sorted(1 - 0.75 ** np.exp(sign * error) for sign in (1, -1))
    assert (curve.low[0], curve.high[0]) == pytest.approx(ends, rel=1e-6)


def test_without_censored_trials_it_is_the_plain_distribution() -> None:
    values = list(np.random.default_rng(5).uniform(0, 1, 50))
    curve, plain = stats.survival(values), stats.ecdf(values)
    assert list(curve.times) == list(plain[0])
    assert list(curve.shares) == pytest.approx(list(plain[1]))


def test_the_band_contains_the_whole_distribution_as_often_as_its_level() -> None:
    chance = np.random.default_rng(6)
    hits = 0
    for _ in range(300):
        curve = stats.survival(list(chance.uniform(0, 1, 40)))
        before = np.concatenate([[0.0], curve.shares[:-1]])  # just left of each step the lower value counts
        reach = curve.high[0] - curve.shares[0]
        hits += bool(
            (np.abs(curve.shares - curve.times) <= reach).all() and (np.abs(before - curve.times) <= reach).all()
        )
    assert hits >= 275  # at least 285 expected; a binomial standard deviation is 3.8


def test_a_median_beyond_the_known_values_is_infinite() -> None:
    found = stats.summary([1.0, 2.0, 3.0, 3.0, 3.0, 3.0], censored=[False, False, True, True, True, True])
    assert found is not None
    assert (found.median, found.most, found.censored) == (float("inf"), 3.0, 4)
    assert found.interval is not None and found.interval[1] == float("inf")
    assert found.half_width == float("inf")


def test_without_the_censored_trials_the_median_would_be_too_small() -> None:
    values, marks = [*range(1, 9), 9.0, 9.0, 9.0, 9.0], [False] * 8 + [True] * 4
    whole = stats.summary([float(v) for v in values], censored=marks)
    without = stats.summary([float(v) for v in values[:8]])
    assert whole is not None and without is not None
    assert (whole.median, without.median) == (6.5, 4.5)


def test_half_the_interval_over_the_median() -> None:
    found = stats.summary([10.0] * 8)
    assert found is not None and found.half_width == 0
    found = stats.summary([0.0] * 3 + [1.0] * 2)
    assert found is not None and found.half_width == float("inf")  # too few for an interval
    values = [float(v) for v in range(90, 111)]
    found = stats.summary(values)
    assert found is not None and found.interval is not None
    assert found.half_width == pytest.approx((found.interval[1] - found.interval[0]) / 200)


def test_cliffs_delta_by_hand() -> None:
    # Pairs of [1, 3] and [2, 4]: larger, larger, smaller, larger.
    assert stats.delta([1.0, 3.0], [2.0, 4.0]) == 0.5
    assert stats.delta([1.0, 2.0], [1.0, 2.0]) == 0
    assert stats.delta([1.0, 2.0], [3.0, 4.0]) == 1
    # At least 2 may be more or less than 3: such a pair counts as neither.
    assert stats.delta([3.0], [2.0], None, [True]) == 0
    assert stats.delta([2.0], [2.0], None, [True]) == 1


def test_a_shift_is_found_and_its_interval_contains_it() -> None:
    chance = np.random.default_rng(8)
    first, second = list(chance.normal(10, 1, 40)), list(chance.normal(11, 1, 40))
    found = stats.difference(first, second)
    assert found.p is not None and found.p < 1e-3
    assert found.interval is not None and found.interval[0] < 1 < found.interval[1]
    assert found.delta > 0.3 and not found.identical


@pytest.mark.slow
def test_chance_is_taken_for_a_difference_as_rarely_as_the_level_says() -> None:
    chance = np.random.default_rng(9)
    samples = [(list(chance.normal(size=12)), list(chance.normal(size=12))) for _ in range(400)]
    plain = [stats.difference(*pair).p for pair in samples]
    assert sum(p < 0.05 for p in plain if p is not None) <= 35  # 20 expected; a standard deviation is 4.4
    cut = [[value > 0.8 for value in values] for pair in samples for values in pair]
    capped = [tuple([min(value, 0.8) for value in values] for values in pair) for pair in samples]
    censored = [stats.difference(one, other, (cut[2 * n], cut[2 * n + 1])).p for n, (one, other) in enumerate(capped)]
    assert 5 <= sum(p < 0.05 for p in censored if p is not None) <= 38


def test_the_form_for_censored_values_agrees_with_the_plain_one_without_them() -> None:
    # One value beyond all others may as well be a lower bound: the ranks are the same, the p values close.
    chance = np.random.default_rng(10)
    first, second = list(chance.normal(0, 1, 30)), [*chance.normal(0.7, 1, 29), 100.0]
    plain = stats.difference(first, second).p
    censored = stats.difference(first, second, ((), [False] * 29 + [True])).p
    assert plain is not None and censored == pytest.approx(plain, rel=0.05)


def test_too_few_values_have_no_p() -> None:
    # 3 and 3 can be arranged in 20 ways: even the two extreme ones together are not rarer than 1 in 10.
    assert stats.difference([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]).p is None
    assert stats.difference([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]).p == pytest.approx(2 / 70)
    assert stats.difference([1.0] * 5, [1.0] * 5).p == 1.0


def test_holms_correction_by_hand() -> None:
    # Smallest first: 3 x 0.01, 2 x 0.02, 1 x 0.03, none below one before it.
    assert stats.holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_fishers_tea() -> None:
    # R. A. Fisher, The Design of Experiments: 3 of 4 cups right each, two-sided p = 0.486.
    assert stats.fisher((3, 1), (1, 3)) == pytest.approx(0.4857, abs=1e-4)


def test_a_uniform_sample_fits_and_others_do_not() -> None:
    chance = np.random.default_rng(12)
    even = stats.uniform_fit(list(chance.uniform(0, 0.1, 200)), 0.0, 0.1)
    assert even is not None and even.n == 200 and even.p > 0.01
    for values in (chance.uniform(0, 0.08, 200), chance.uniform(0.02, 0.1, 200), 0.1 * chance.random(200) ** 2):
        other = stats.uniform_fit(list(values), 0.0, 0.1)
        assert other is not None and other.p < 0.01
    assert stats.uniform_fit([], 0.0, 0.1) is None
    assert stats.uniform_fit([0.1, 0.1], 0.1, 0.1) is None


def test_the_quick_computation_of_many_medians_agrees_with_the_slow_one() -> None:
    chance = np.random.default_rng(14)
    data, drawn = chance.uniform(0, 1, 9).round(1), chance.integers(0, 9, (200, 9))
    for cut in (data > 2, data >= data.max(), data > 0.6):
        slow = [median_of(data[places], cut[places]) for places in drawn]
        assert list(medians_of(data, cut, drawn)) == pytest.approx(slow)


def test_the_end_of_a_uniform_distribution_by_the_largest_of_200() -> None:
    """A largest value of 103.50 ms gives 103.50 to 105.06 ms: 103.50 / 0.05^(1/200), 0.05^(1/200) = exp(-0.014979)."""
    values = [*np.linspace(1, 100, 199), 103.50]
    assert stats.high_end_interval(values, 0.0) == pytest.approx((103.50, 105.06), abs=0.005)
    assert stats.low_end_interval([104 - value for value in values], 104.0) == pytest.approx((-1.06, 0.5), abs=0.005)


@pytest.mark.parametrize("n", [5, 50, 200])
def test_the_interval_of_an_end_holds_it_in_95_of_100_samples(n: int) -> None:
    chance = np.random.default_rng(n)
    held = [0, 0]
    for _ in range(3000):
        values = list(chance.uniform(2.0, 3.0, n))
        for place, (low, high) in enumerate(
            (stats.high_end_interval(values, 2.0), stats.low_end_interval(values, 3.0))
        ):
            held[place] += low <= 3.0 - place <= high
    # A binomial with 3000 trials of 0.95 has a standard deviation of 12.
    assert all(abs(count - 2850) < 48 for count in held)


@pytest.mark.parametrize(("end", "power"), [(104.0, 0.01), (100.0, 0.03), (110.0, 0.08), (112.0, 0.18), (130.0, 0.97)])
def test_the_power_of_the_test_against_other_ends(end: float, power: float) -> None:
    """Found by others with a simulation of their own: n = 200, level 0.01, the law's end at 104 ms."""
    found = stats.uniform_power(200, (0.0, 104.0), (0.0, end), 0.01)
    assert found == pytest.approx(power, abs=0.035)


def test_a_sample_is_compared_with_quantiles_as_with_the_distribution_that_they_are_of() -> None:
    values = list(np.random.default_rng(2).uniform(1, 3, 80))
    by_quantiles, exactly = stats.quantile_fit(values, list(np.linspace(1, 3, 21))), stats.uniform_fit(values, 1, 3)
    assert by_quantiles is not None and exactly is not None
    assert by_quantiles.p == pytest.approx(exactly.p)
    assert stats.quantile_fit([], [0, 1]) is None
