"""A sample compared with a distribution of theory: the test, what it could find, and the interval of the parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Fewer values than these say little about a distribution.
LEAST_FOR_LAW = 10
#: So many samples are drawn for a power, always the same ones.
POWER_SAMPLES = 2000
_SEED = 1958


@dataclass(frozen=True)
class Fit:
    """The Kolmogorov-Smirnov test: the largest distance between the distributions, and the probability that chance
    alone makes it as large."""

    n: int
    distance: float
    p: float


def uniform_fit(values: Sequence[float], low: float, high: float) -> Fit | None:
    """``values`` compared with the uniform distribution on (low, high]; None without values, or without a width."""
    if not values or high <= low:
        return None
    from scipy.stats import kstest

    found = kstest(np.asarray(values, dtype=np.float64), "uniform", args=(low, high - low))
    return Fit(len(values), float(found.statistic), float(found.pvalue))


def quantile_fit(values: Sequence[float], quantiles: Sequence[float]) -> Fit | None:
    """``values`` compared with a distribution that is given by evenly spaced quantiles, from 0 to 100 %, and straight
    between them; None if there are none."""
    if not values:
        return None
    from scipy.stats import kstest

    shares = np.linspace(0, 1, len(quantiles))
    found = kstest(np.asarray(values, dtype=np.float64), lambda at: np.interp(at, quantiles, shares))
    return Fit(len(values), float(found.statistic), float(found.pvalue))


def uniform_power(n: int, law: tuple[float, float], other: tuple[float, float], level: float) -> float:
    """The chance that the test of ``uniform_fit`` at that level rejects ``law`` if ``n`` values come from ``other``.

    Both are ends of uniform distributions. By ``POWER_SAMPLES`` drawn samples: the standard error is 0.011 at most. A
    law that is not rejected is supported only as far as this is near 1.
    """
    from scipy.stats import kstwo

    chance = np.random.default_rng(_SEED)
    drawn = np.sort(chance.uniform(*other, (POWER_SAMPLES, n)), axis=1)
    shares = np.clip((drawn - law[0]) / (law[1] - law[0]), 0, 1)
    steps = np.arange(n + 1) / n
    distances = np.maximum((steps[1:] - shares).max(axis=1), (shares - steps[:-1]).max(axis=1))
    return float((distances > kstwo.isf(level, n)).mean())


def high_end_interval(values: Sequence[float], low: float, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of the high end of a uniform distribution whose low end is known, from the largest value.

    P(largest <= x) = ((x - low) / (high - low))^n, so the high end is at least the largest value m, and at most
    low + (m - low) / (1 - level)^(1/n) with that confidence: the shortest interval (H. A. David, H. N. Nagaraja, Order
    Statistics, 2.1; G. Casella, R. Berger, Statistical Inference, 9.2). It needs one value or more.
    """
    largest = max(values)
    return largest, low + (largest - low) / (1 - level) ** (1 / len(values))


def low_end_interval(values: Sequence[float], high: float, level: float = 0.95) -> tuple[float, float]:
    """The same of the low end, from the smallest value, if the high end is known."""
    least = min(values)
    return high - (high - least) / (1 - level) ** (1 / len(values)), least
