"""What repeated trials of a case say together: thin over numpy. Values keep the unit they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Fewer values than these do not hold the median between their extremes with 95 % confidence: 1 - 2 (1/2)^n
#: (H. A. David, H. N. Nagaraja, Order Statistics, 7.1).
LEAST_FOR_INTERVAL = 6
_RESAMPLES = 2000


@dataclass(frozen=True)
class Summary:
    """Of ``n`` values: the median, the quartiles, the extremes and a 95 % confidence interval of the median."""

    n: int
    median: float
    quartile1: float
    quartile3: float
    least: float
    most: float
    interval: tuple[float, float] | None


def summary(values: Sequence[float], seed: int = 0) -> Summary | None:
    """The summary of ``values``; None if there are none."""
    if not values:
        return None
    data = np.asarray(values, dtype=np.float64)
    low, quartile1, median, quartile3, high = (float(q) for q in np.quantile(data, (0, 0.25, 0.5, 0.75, 1)))
    return Summary(len(data), median, quartile1, quartile3, low, high, median_interval(values, seed))


def median_interval(values: Sequence[float], seed: int = 0, level: float = 0.95) -> tuple[float, float] | None:
    """A bootstrap percentile interval of the median; None for fewer than ``LEAST_FOR_INTERVAL`` values.

    B. Efron, R. Tibshirani, An Introduction to the Bootstrap, chapter 13. The same seed gives the same interval.
    """
    if len(values) < LEAST_FOR_INTERVAL:
        return None
    data = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(data), (_RESAMPLES, len(data)))
    low, high = np.quantile(np.median(data[drawn], axis=1), ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def percentile(values: Sequence[float], percent: float) -> float | None:
    """That percentile, if there are values enough to have some beyond it on average: n >= 1 / (1 - p)."""
    beyond = 1 - percent / 100
    if not values or beyond <= 0 or len(values) * beyond < 1 - 1e-9:
        return None
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent))


def ecdf(values: Sequence[float], total: int | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """The steps of the empirical distribution: sorted values and the share of ``total`` at or below each.

    ``total`` may exceed the number of values: trials without one (never recovered) then keep it below 1.
    """
    data = np.sort(np.asarray(values, dtype=np.float64))
    return data, np.arange(1, len(data) + 1) / (total or max(len(data), 1))
