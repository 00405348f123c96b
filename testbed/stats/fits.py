"""A sample against the distribution that theory gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kstest


@dataclass(frozen=True)
class Fit:
    """The test of Kolmogorov and Smirnov: the largest distance between the distributions, and how often chance alone
    makes it as large."""

    n: int
    distance: float
    p: float


def uniform_fit(values: Sequence[float], low: float, high: float) -> Fit | None:
    """``values`` against the uniform distribution on (low, high]; None if there are none."""
    if not values:
        return None
    found = kstest(np.asarray(values, dtype=np.float64), "uniform", args=(low, high - low))
    return Fit(len(values), float(found.statistic), float(found.pvalue))
