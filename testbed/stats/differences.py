"""Whether two samples differ, and by how much: effect size, test, interval, and the correction for many tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from testbed.stats.summaries import LEAST_FOR_INTERVAL, RESAMPLES
from testbed.stats.survival import median_of, medians_of


@dataclass(frozen=True)
class Difference:
    """The second sample compared with the first.

    ``delta`` is Cliff's delta: the share of pairs in which the second value is larger, minus the share in which it is
    smaller (1: always larger; 0: neither). ``shift`` is the second median minus the first, with its 95 % ``interval``
    if there are enough values. ``p`` is the probability of a delta as far from 0 by chance; None if no sample of that
    size can have a p below 5 %.
    """

    before: float
    after: float
    delta: float
    shift: float
    interval: tuple[float, float] | None
    p: float | None
    identical: bool


def difference(
    first: Sequence[float],
    second: Sequence[float],
    censored: tuple[Sequence[bool], Sequence[bool]] = ((), ()),
    seed: int = 0,
) -> Difference:
    """How ``second`` differs from ``first``; neither may be empty. ``censored`` marks the lower bounds in each."""
    samples = [np.asarray(values, dtype=np.float64) for values in (first, second)]
    cuts = [
        np.asarray(marks, dtype=bool) if len(marks) else np.zeros(len(data), dtype=bool)
        for marks, data in zip(censored, samples, strict=True)
    ]
    medians = [median_of(data, cut) for data, cut in zip(samples, cuts, strict=True)]
    identical = sorted(zip(samples[0], cuts[0], strict=True)) == sorted(zip(samples[1], cuts[1], strict=True))
    return Difference(
        medians[0],
        medians[1],
        delta(samples[0], samples[1], cuts[0], cuts[1]),
        _shift(medians[0], medians[1]),
        _interval(samples, cuts, seed),
        _p(samples, cuts),
        identical,
    )


def _shift(before: float, after: float) -> float:
    return 0.0 if before == after else after - before  # two infinite ones do not differ


def _scores(first: Any, second: Any, cut1: Any, cut2: Any) -> Any:
    """For each pair 1 if the second value is known to be larger, -1 if the first is, or else 0 (E. A. Gehan, 1965)."""
    a, b = first[:, None], second[None, :]
    ca, cb = cut1[:, None], cut2[None, :]
    larger = ~ca & ((b > a) | (cb & (b >= a)))
    smaller = ~cb & ((a > b) | (ca & (a >= b)))
    return larger.astype(np.float64) - smaller


def delta(first: Any, second: Any, cut1: Any = None, cut2: Any = None) -> float:
    """Cliff's delta of ``second`` over ``first`` (N. Cliff, Psychological Bulletin 114, 1993).

    A pair with a censored value counts as neither if it is not known which is larger.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    marks = [
        np.zeros(len(data), bool) if cut is None else np.asarray(cut, bool)
        for data, cut in ((one, cut1), (other, cut2))
    ]
    return float(_scores(one, other, *marks).mean())


def _p(samples: Sequence[Any], cuts: Sequence[Any]) -> float | None:
    """The Mann-Whitney test, exact if possible; with censored values Gehan's form of it.

    The variance of Gehan's form is the permutation variance (N. Mantel, Biometrics 23, 1967).
    """
    sizes = [len(data) for data in samples]
    if 2 / comb(sum(sizes), sizes[0]) >= 0.05:  # even samples without overlap would not be rare enough
        return None
    if not any(cut.any() for cut in cuts):
        if np.ptp(np.concatenate(samples)) == 0:
            return 1.0
        from scipy.stats import mannwhitneyu

        return float(mannwhitneyu(samples[0], samples[1]).pvalue)
    data, cut = np.concatenate(samples), np.concatenate(cuts)
    ranks = _scores(data, data, cut, cut).sum(axis=0)  # for each: how many are smaller, minus how many are larger
    total = len(data)
    variance = sizes[0] * sizes[1] * float(np.sum(ranks**2)) / (total * (total - 1))
    if variance == 0:
        return 1.0
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(float(ranks[sizes[0] :].sum())) / np.sqrt(variance)))


def _interval(samples: Sequence[Any], cuts: Sequence[Any], seed: int) -> tuple[float, float] | None:
    """A bootstrap percentile interval of the difference of medians."""
    if min(len(data) for data in samples) < LEAST_FOR_INTERVAL:
        return None
    chance = np.random.default_rng(seed)
    drawn = []
    for data, cut in zip(samples, cuts, strict=True):
        places = chance.integers(0, len(data), (RESAMPLES, len(data)))
        drawn.append(medians_of(data, cut, places))
    with np.errstate(invalid="ignore"):
        shifts = np.where(drawn[0] == drawn[1], 0.0, drawn[1] - drawn[0])
    low, high = np.quantile(shifts, (0.025, 0.975), method="nearest")
    return float(low), float(high)


def fisher(first: tuple[int, int], second: tuple[int, int]) -> float:
    """The probability that chance divides (yes, no) as unevenly between two samples: Fisher's exact test."""
    from scipy.stats import fisher_exact

    return float(fisher_exact([first, second]).pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """The p values corrected for their number, in the same order (S. Holm, Scand. J. Statist. 6, 1979)."""
    found = [0.0] * len(ps)
    most = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda at: ps[at])):
        most = max(most, min(1.0, ps[place] * (len(ps) - rank)))
        found[place] = most
    return found
