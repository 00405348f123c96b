"""The parts of a panel that shows one distribution: its steps, and the distribution that theory predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes

from testbed import stats
from testbed.figures.style import BAND, THEORY, Look, Series, series
from testbed.results.result import Run, quantities

#: With more values than these, markers would hide the steps.
_MOST_MARKERS = 40


@dataclass(frozen=True)
class Law:
    """A distribution of theory: the times, in seconds, at which its ``shares`` are reached."""

    times: tuple[float, ...]
    shares: tuple[float, ...]
    label: str


def law_of(group: Series) -> Law | None:
    """The distribution that theory gives for the times of a series; None if it gives none.

    The metric `law_quantiles_s` has the times at equal steps of the share from 0 to 1. Without it, times whose mean
    `expected_s` is the middle between `low_s` and `bound_s` are uniform; another mean is that of an unknown law.
    """
    for record in group.records:
        quantiles = record.metrics.get("law_quantiles_s")
        if isinstance(quantiles, list) and len(quantiles) > 1:
            shares = np.linspace(0.0, 1.0, len(quantiles))
            return Law(tuple(map(float, quantiles)), tuple(shares.tolist()), "distribution by theory")
    low, mean, high = (next(iter(quantities(group.records, key)), None) for key in ("low_s", "expected_s", "bound_s"))
    if mean is None or high is None:
        return None
    low = 2 * mean - high if low is None else low
    if not 0 <= low < high or abs(low + high - 2 * mean) > 1e-6 * high:
        return None
    return Law((low, high), (0.0, 1.0), "uniform, by theory")


def draw_law(axes: Axes, law: Law, n: int, right_s: float, scale: float) -> None:
    """The distribution of theory from 0 to ``right_s``, and the band that holds 95 % of samples of ``n`` values."""
    inner = np.linspace(law.times[0], law.times[-1], 201)
    ends = np.concatenate([[0.0], inner, [max(right_s, law.times[-1])]])
    shares = np.interp(ends, law.times, law.shares, left=0.0, right=1.0)
    if n:
        below, above = stats.dkw_band(shares, n)
        axes.fill_between(
            ends * scale, below, above, color=BAND, linewidth=0, zorder=0, label="95 % of such samples by theory"
        )
    axes.plot(ends * scale, shares, color=THEORY, linewidth=1.2, zorder=1, label=law.label)


def draw_steps(axes: Axes, values: Sequence[float], total: int, look: Look, right_s: float, scale: float) -> None:
    """The share of ``total`` at or below each time, from 0 to ``right_s``, with a marker at each value."""
    across, up = stats.ecdf(values, total)
    ends = np.concatenate([[0.0], across, [right_s]]) * scale
    shares = np.concatenate([[0.0], up, up[-1:] if len(up) else [0.0]])
    axes.step(ends, shares, where="post", color=look.colour, linestyle=look.line, zorder=3)
    if 0 < len(across) <= _MOST_MARKERS:  # without a marker it has no extent, which the layout cannot take
        axes.plot(
            across * scale,
            up,
            linestyle="",
            marker=look.marker,
            color=look.colour,
            markersize=3.5,
            markeredgecolor="white",
            markeredgewidth=0.3,
            clip_on=False,
            zorder=4,
        )


def briefly(run: Run, *, without: Sequence[str] = ()) -> list[Series]:
    """The series of a run (`style.series`), but if several factors vary, levels that are words without their factor's
    name, to save room."""
    names, groups = [name for name in run.varied() if name not in without], series(run, without=without)
    if len(names) < 2:
        return groups
    found = []
    for group in groups:
        levels = [(name, group.records[0].case.get(name)) for name in names]
        words = [level if isinstance(level, str) else f"{name} {level}" for name, level in levels]
        found.append(replace(group, name=", ".join(words)))
    return found
