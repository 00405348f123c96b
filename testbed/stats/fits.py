"""A sample compared with the distribution of theory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kstest


@dataclass(frozen=True)
class Fit:
    """The Kolmogorov-Smirnov test: the largest distance between the distributions, and the probability that chance
    alone makes it as large."""

    n: int
    distance: float
    p: float


def uniform_fit(values: Sequence[float], low: float, high: float) -> Fit | None:
    """``values`` compared with the uniform distribution on (low, high]; None if there are none."""
    if not values:
        return None
    found = kstest(np.asarray(values, dtype=np.float64), "uniform", args=(low, high - low))
    return Fit(len(values), float(found.statistic), float(found.pvalue))
