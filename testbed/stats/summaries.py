"""Medians, quartiles, percentiles and the interval of a median. A value may be censored, that is, a lower bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.stats.survival import median_of, medians_of, survival

#: Fewer values than these do not hold the median between their extremes with 95 % confidence: 1 - 2 (1/2)^n
#: (H. A. David, H. N. Nagaraja, Order Statistics, 7.1).
LEAST_FOR_INTERVAL = 6
RESAMPLES = 2000


@dataclass(frozen=True)
class Summary:
    """The median, the quartiles, the extremes and a 95 % confidence interval of the median, of ``n`` values.

    ``censored`` counts the values that are lower bounds. A median, a quartile or an end of the interval that is beyond
    the known values is infinite; ``most`` is the largest value, which may be a censored one.
    """

    n: int
    median: float
    quartile1: float
    quartile3: float
    least: float
    most: float
    interval: tuple[float, float] | None
    censored: int = 0

    @property
    def half_width(self) -> float:
        """Half the interval's width divided by the median; infinite if there is no interval or it has no end."""
        if self.interval is None or not np.isfinite(self.interval[1]):
            return float("inf")
        low, high = self.interval
        if low == high:
            return 0.0
        return (high - low) / 2 / abs(self.median) if self.median else float("inf")


def summary(values: Sequence[float], seed: int = 0, censored: Sequence[bool] = ()) -> Summary | None:
    """The summary of ``values``; None if there are none. ``censored`` marks those that are lower bounds."""
    if not values:
        return None
    data = np.asarray(values, dtype=np.float64)
    interval = median_interval(values, seed, censored=censored)
    if not any(censored):
        low, quartile1, median, quartile3, high = (float(q) for q in np.quantile(data, (0, 0.25, 0.5, 0.75, 1)))
        return Summary(len(data), median, quartile1, quartile3, low, high, interval)
    curve = survival(values, censored)
    median = median_of(data, np.asarray(censored, dtype=bool))
    quartiles = curve.quantile(0.25), curve.quantile(0.75)
    return Summary(len(data), median, *quartiles, float(data.min()), float(data.max()), interval, sum(censored))


def median_interval(
    values: Sequence[float], seed: int = 0, level: float = 0.95, censored: Sequence[bool] = ()
) -> tuple[float, float] | None:
    """A bootstrap percentile interval of the median; None for fewer than ``LEAST_FOR_INTERVAL`` values.

    B. Efron, R. Tibshirani, An Introduction to the Bootstrap, chapter 13; with censored values whole pairs are drawn
    and the median is Kaplan and Meier's (B. Efron, "Censored data and the bootstrap", JASA 76, 1981), infinite
    if the curve does not decrease to a half. The same seed gives the same interval.
    """
    if len(values) < LEAST_FOR_INTERVAL:
        return None
    data = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(data), (RESAMPLES, len(data)))
    cut = np.asarray(censored, dtype=bool) if len(censored) else np.zeros(len(data), dtype=bool)
    medians = medians_of(data, cut, drawn)
    # Infinite medians cannot be interpolated.
    low, high = np.quantile(
        medians, ((1 - level) / 2, (1 + level) / 2), method="nearest" if any(censored) else "linear"
    )
    return float(low), float(high)


def percentile(values: Sequence[float], percent: float, censored: Sequence[bool] = ()) -> float | None:
    """A percentile; None if there are too few values to have one beyond it on average: n >= 1 / (1 - p) is needed.

    With ``censored`` values it is the percentile of the Kaplan-Meier curve; infinite if the curve does not reach it.
    """
    beyond = 1 - percent / 100
    if not values or beyond <= 0 or len(values) * beyond < 1 - 1e-9:
        return None
    if any(censored):
        return survival(values, censored).quantile(percent / 100)
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent))


def ecdf(values: Sequence[float], total: int | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """The steps of the empirical distribution: sorted values and the share of ``total`` at or below each.

    ``total`` may exceed the number of values: trials without one (never recovered) then keep it below 1.
    """
    data = np.sort(np.asarray(values, dtype=np.float64))
    return data, np.arange(1, len(data) + 1) / (total or max(len(data), 1))
