"""Distributions of times that theory knows: sums of uniform times, and what two of them make. Pure.

A time that ends at the next look of a clock, at whatever phase it begins, is uniform over the clock's period; several
independent clocks make sums and differences of these.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

#: Points of Gauss and Legendre's rule between two breaks: exact for polynomials up to degree 31.
_POINTS = 16


class Law(Protocol):
    """The distribution of a time between ``low_s`` and ``high_s``; a polynomial between any two of its `breaks_s`."""

    @property
    def low_s(self) -> float: ...

    @property
    def high_s(self) -> float: ...

    def cdf(self, time_s: float) -> float:
        """The probability of at most that time."""
        ...

    def breaks_s(self) -> list[float]: ...


@dataclass(frozen=True)
class Sum:
    """A fixed time and independent times, each uniform from 0 to a width, in seconds.

    For one width this is the uniform distribution, for two the trapezium; in general W. Feller, An Introduction to
    Probability Theory and Its Applications, volume 2, I.9.
    """

    low_s: float
    widths_s: tuple[float, ...] = ()

    @property
    def high_s(self) -> float:
        return self.low_s + math.fsum(self.widths_s)

    def cdf(self, time_s: float) -> float:
        if time_s >= self.high_s:
            return 1.0
        if time_s <= self.low_s:
            return 0.0
        widths = [width for width in self.widths_s if width > 0]
        terms = (
            (-1) ** size * max(0.0, time_s - self.low_s - math.fsum(part)) ** len(widths)
            for size in range(len(widths) + 1)
            for part in itertools.combinations(widths, size)
        )
        return min(1.0, max(0.0, math.fsum(terms) / (math.factorial(len(widths)) * math.prod(widths))))

    def breaks_s(self) -> list[float]:
        parts = (part for size in range(len(self.widths_s) + 1) for part in itertools.combinations(self.widths_s, size))
        return [self.low_s + math.fsum(part) for part in parts]


@dataclass(frozen=True)
class Longest:
    """The longest of independent times."""

    of: tuple[Law, ...]

    @property
    def low_s(self) -> float:
        return max(law.low_s for law in self.of)

    @property
    def high_s(self) -> float:
        return max(law.high_s for law in self.of)

    def cdf(self, time_s: float) -> float:
        return math.prod(law.cdf(time_s) for law in self.of)

    def breaks_s(self) -> list[float]:
        return [at for law in self.of for at in law.breaks_s()]


@dataclass(frozen=True)
class Apart:
    """How far apart two independent times are, whichever is the earlier."""

    one: Sum
    other: Sum

    @property
    def low_s(self) -> float:
        between = _between(self.one, self.other)
        return max(0.0, between.low_s, -between.high_s)

    @property
    def high_s(self) -> float:
        between = _between(self.one, self.other)
        return max(abs(between.low_s), abs(between.high_s))

    def cdf(self, time_s: float) -> float:
        between = _between(self.one, self.other)
        return between.cdf(time_s) - between.cdf(-time_s) if time_s > 0 else 0.0

    def breaks_s(self) -> list[float]:
        return [0.0, *(abs(at) for at in _between(self.one, self.other).breaks_s())]


@dataclass(frozen=True)
class Later:
    """How much later one of two independent times is than the other; 0 if it is the earlier."""

    one: Sum
    other: Sum

    @property
    def low_s(self) -> float:
        return max(0.0, _between(self.one, self.other).low_s)

    @property
    def high_s(self) -> float:
        return max(0.0, _between(self.one, self.other).high_s)

    def cdf(self, time_s: float) -> float:
        return _between(self.one, self.other).cdf(time_s) if time_s >= 0 else 0.0

    def breaks_s(self) -> list[float]:
        return [0.0, *(at for at in _between(self.one, self.other).breaks_s() if at > 0)]


@dataclass(frozen=True)
class First:
    """The shortest of independent times."""

    of: tuple[Law, ...]

    @property
    def low_s(self) -> float:
        return min(each.low_s for each in self.of)

    @property
    def high_s(self) -> float:
        return min(each.high_s for each in self.of)

    def cdf(self, time_s: float) -> float:
        return 1.0 - math.prod(1.0 - each.cdf(time_s) for each in self.of)

    def breaks_s(self) -> list[float]:
        found = {at for each in self.of for at in each.breaks_s()}
        return sorted(at for at in found if self.low_s <= at <= self.high_s)


@dataclass(frozen=True)
class Total:
    """The sum of independent times of any laws, counted in so many cells of equal width: exact to one cell of each."""

    of: tuple[Law, ...]
    cells: int = 1024

    @property
    def low_s(self) -> float:
        return math.fsum(each.low_s for each in self.of)

    @property
    def high_s(self) -> float:
        return math.fsum(each.high_s for each in self.of)

    def cdf(self, time_s: float) -> float:
        if time_s <= self.low_s:
            return 0.0
        if time_s >= self.high_s:
            return 1.0
        ends_s, shares = self._table
        return float(np.interp(time_s, ends_s, shares))

    def breaks_s(self) -> list[float]:
        return [float(each) for each in self._table[0]]

    @functools.cached_property
    def _table(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The ends of the cells, and the share of times up to each."""
        width_s = (self.high_s - self.low_s) / self.cells
        if not width_s:
            return np.array([self.low_s, self.high_s]), np.array([0.0, 1.0])
        found = np.array([1.0])
        for law in self.of:
            count = max(1, math.ceil((law.high_s - law.low_s) / width_s - 1e-9))
            shares = [law.cdf(min(law.low_s + place * width_s, law.high_s)) for place in range(count + 1)]
            shares[0], shares[-1] = 0.0, 1.0
            # What lies in a cell counts half at either end of it, which leaves the mean where it is.
            inside = np.diff(shares) / 2
            found = np.convolve(found, np.append(inside, 0.0) + np.append(0.0, inside))
        ends_s = self.low_s + width_s * np.arange(len(found))
        middle = np.cumsum(found) - found / 2
        middle[0], middle[-1] = 0.0, 1.0
        return np.minimum(ends_s, self.high_s), middle


@dataclass(frozen=True)
class Wait:
    """The time from an instant of no matter which phase to the next of a row of packets, or since the last one.

    The packets are apart by independent times, each uniform from ``least_s`` to ``most_s``. Either has the density
    (1 - F(time)) / mean (D. R. Cox, Renewal Theory, 1962, 5.2).
    """

    least_s: float
    most_s: float

    @property
    def low_s(self) -> float:
        return 0.0

    @property
    def high_s(self) -> float:
        return self.most_s

    def cdf(self, time_s: float) -> float:
        time_s, spread_s = min(max(time_s, 0.0), self.most_s), self.most_s - self.least_s
        area_s = min(time_s, self.least_s)
        if time_s > self.least_s:
            area_s += (spread_s**2 - (self.most_s - time_s) ** 2) / (2 * spread_s)
        return area_s * 2 / (self.least_s + self.most_s)

    def breaks_s(self) -> list[float]:
        return [0.0, self.least_s, self.most_s]


@dataclass(frozen=True)
class Rest:
    """What is left, at an instant of no matter which phase, of ``total_s`` since the last of a row of packets: less
    their `Wait`."""

    total_s: float
    least_s: float
    most_s: float

    @property
    def low_s(self) -> float:
        return self.total_s - self.most_s

    @property
    def high_s(self) -> float:
        return self.total_s

    def cdf(self, time_s: float) -> float:
        return 1.0 - Wait(self.least_s, self.most_s).cdf(self.total_s - time_s)

    def breaks_s(self) -> list[float]:
        return [self.low_s, self.total_s - self.least_s, self.total_s]


def _between(one: Sum, other: Sum) -> Sum:
    """``one`` less ``other``: the negative of a uniform time is a uniform time again, of the same width."""
    return Sum(one.low_s - other.high_s, (*one.widths_s, *other.widths_s))


def mean_s(law: Law) -> float:
    """The mean: the high end less the integral of the distribution, exact between any two breaks."""
    if law.high_s <= law.low_s:
        return law.low_s
    breaks = sorted({law.low_s, law.high_s, *(at for at in law.breaks_s() if law.low_s < at < law.high_s)})
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    below = 0.0
    for begin_s, end_s in itertools.pairwise(breaks):
        half_s = (end_s - begin_s) / 2
        values = [law.cdf(begin_s + half_s * (1 + float(node))) for node in nodes]
        below += half_s * float(np.dot(weights, values))
    return law.high_s - below


def quantile_s(law: Law, share: float) -> float:
    """The time that this share of all times does not exceed."""
    low_s, high_s = law.low_s, law.high_s
    for _ in range(60):
        middle_s = (low_s + high_s) / 2
        if law.cdf(middle_s) < share:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s


def quantiles_s(law: Law, count: int = 21) -> list[float]:
    """``count`` quantiles, evenly from the low end (0 %) to the high end (100 %)."""
    inner: Sequence[float] = [quantile_s(law, step / (count - 1)) for step in range(1, count - 1)]
    return [law.low_s, *inner, law.high_s]
