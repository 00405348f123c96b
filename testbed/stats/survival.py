"""The distribution of times of which some are censored: E. L. Kaplan, P. Meier, JASA 53, 1958.

Censoring means that the time would have ended later. An outage that nothing ends before the repair, because no path is
left or nothing has to notice the fault, is no such time: its trial is `censored` in a run, and its metric
``ends_by_theory`` is false. Curves of lifetimes leave such trials out, or say that these are among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


@dataclass(frozen=True)
class Survival:
    """The share of trials at or below each time, with its 95 % confidence band.

    ``times`` ascend; at each of them at least one trial ended. Without censored trials ``shares`` is the empirical
    distribution. The band from ``low`` to ``high`` is pointwise if trials are censored, or else holds for all times at
    once (`pointwise`).
    """

    times: Values
    shares: Values
    low: Values
    high: Values
    n: int
    censored: int

    @property
    def pointwise(self) -> bool:
        """Whether the band holds for each single time only."""
        return self.censored > 0

    def quantile(self, share: float) -> float:
        """The earliest time at which that share of the trials has ended; infinite if it is not known."""
        reached = np.flatnonzero(self.shares >= share - 1e-12)
        return float(self.times[reached[0]]) if len(reached) else float("inf")


def survival(values: Sequence[float], censored: Sequence[bool] = (), level: float = 0.95) -> Survival:
    """The estimated distribution of ``values``; ``censored`` marks the lower bounds.

    Without censored values the band is that of A. Dvoretzky, J. Kiefer and J. Wolfowitz with P. Massart's constant.
    With them it is M. Greenwood's variance on the scale of log(-log S), which keeps it between 0 and 1 (J. D.
    Kalbfleisch, R. L. Prentice, The Statistical Analysis of Failure Time Data, 1.4).
    """
    data = np.asarray(values, dtype=np.float64)
    cut = np.asarray(censored, dtype=bool) if len(censored) else np.zeros(len(data), dtype=bool)
    times, ended, left = _ends(data, cut)
    surviving: Values = np.cumprod(1 - ended / left)
    shares = 1 - surviving
    if not cut.any():
        low, high = dkw_band(shares, len(data), level)
    else:
        low, high = _greenwood(surviving, ended, left, level)
    return Survival(times, shares, low, high, len(data), int(cut.sum()))


def _ends(data: Values, cut: NDArray[np.bool_]) -> tuple[Values, Values, Values]:
    """The times at which trials ended, how many ended at each, and how many had not ended right before."""
    times, ended = np.unique(data[~cut], return_counts=True)
    left = len(data) - np.searchsorted(np.sort(data), times, side="left")
    return times, ended.astype(np.float64), left.astype(np.float64)


def median_of(data: Values, cut: NDArray[np.bool_]) -> float:
    """The Kaplan-Meier median: the mean of the two middle values if there are two, as without censoring."""
    times, ended, left = _ends(data, cut)
    surviving = np.cumprod(1 - ended / left)
    if not len(times) or surviving[-1] > 0.5 + 1e-12:
        return float("inf")
    first = int(np.argmax(surviving <= 0.5 + 1e-12))
    if abs(surviving[first] - 0.5) > 1e-12:
        return float(times[first])
    return float((times[first] + times[first + 1]) / 2) if first + 1 < len(times) else float("inf")


def medians_of(data: Values, cut: NDArray[np.bool_], drawn: NDArray[Any]) -> Values:
    """`median_of` each of the samples whose places are the rows of ``drawn``."""
    if not cut.any() or cut.all() or data[cut].min() >= data[~cut].max():
        # The order is known: every censored value is larger than all others.
        return np.asarray(np.median(np.where(cut, np.inf, data)[drawn], axis=1))
    return np.array([median_of(data[places], cut[places]) for places in drawn])


def dkw_band(shares: Values, n: int, level: float = 0.95) -> tuple[Values, Values]:
    """The band around an empirical distribution of ``n`` values that contains the whole true one: P. Massart, 1990."""
    if not n:
        return shares, shares
    reach = np.sqrt(np.log(2 / (1 - level)) / (2 * n))
    return np.clip(shares - reach, 0, 1), np.clip(shares + reach, 0, 1)


def _greenwood(surviving: Values, ended: Values, left: Values, level: float) -> tuple[Values, Values]:
    from scipy.special import ndtri

    width = float(ndtri((1 + level) / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        error: Any = np.sqrt(np.cumsum(ended / (left * (left - ended)))) / np.log(surviving)
        ends = [surviving ** np.exp(sign * width * error) for sign in (1, -1)]
    # If no trial is left (or none has ended yet) the variance is not defined: the band is from 0 to 1.
    low_s = np.where(np.isfinite(ends[1]), np.minimum(*ends), 0.0)
    high_s = np.where(np.isfinite(ends[0]), np.maximum(*ends), 1.0)
    return 1 - high_s, 1 - low_s
