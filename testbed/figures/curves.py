"""The parts of a panel that shows one distribution: its steps, and the distribution that theory predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from testbed import stats
from testbed.figures.style import BAND, THEORY, Look, Series, series
from testbed.results.result import Run, quantities

#: With more values than these, markers would hide the steps.
_MOST_MARKERS = 40


def law_of(group: Series) -> tuple[float, float] | None:
    """The interval (low, high], in seconds, over which theory has the times of a series uniform; None if it has not.

    The metrics `bound_s` and `expected_s` are its end and its mean; `low_s` is its begin, where there is one.
    """
    low, mean, high = (next(iter(quantities(group.records, key)), None) for key in ("low_s", "expected_s", "bound_s"))
    if mean is None or high is None or high <= 0:
        return None
    if low is None:
        low = 2 * mean - high
    # Another mean than the middle is that of another distribution.
    return (low, high) if 0 <= low < high and abs(low + high - 2 * mean) < 1e-6 * high else None


def quantiles_of(group: Series) -> list[float] | None:
    """The distribution of a series by theory: evenly spaced quantiles from 0 to 100 %, in seconds; None if unknown.

    The metric `law_quantiles_s` has them; without it, a uniform distribution has two.
    """
    found = next((record.metrics.get("law_quantiles_s") for record in group.records), None)
    if isinstance(found, list) and found[-1] > found[0]:
        return [float(each) for each in found]
    uniform = law_of(group)
    return None if uniform is None else list(uniform)


def draw_law(axes: Axes, quantiles_s: Sequence[float], n: int, right_s: float, scale: float) -> None:
    """The distribution of theory from 0 to ``right_s``, and the band that holds 95 % of samples of ``n`` values."""
    low, high = quantiles_s[0], quantiles_s[-1]
    ends = np.concatenate([[0.0], np.linspace(low, high, 201), [right_s]])
    shares = np.interp(ends, quantiles_s, np.linspace(0.0, 1.0, len(quantiles_s)))
    steps = np.diff(quantiles_s)
    label = "uniform, by theory" if np.allclose(steps, steps[0], rtol=1e-6) else "distribution by theory"
    if n:
        below, above = stats.dkw_band(shares, n)
        axes.fill_between(
            ends * scale, below, above, color=BAND, linewidth=0, zorder=0, label="95 % of such samples by theory"
        )
    axes.plot(ends * scale, shares, color=THEORY, linewidth=1.2, zorder=1, label=label)


def draw_steps(axes: Axes, values: Sequence[float], total: int, look: Look, right_s: float, scale: float) -> None:
    """The share of ``total`` at or below each time, from 0 to ``right_s``, with a marker at each value."""
    across, up = stats.ecdf(values, total)
    ends = np.concatenate([[0.0], across, [right_s]]) * scale
    shares = np.concatenate([[0.0], up, up[-1:] if len(up) else [0.0]])
    axes.step(ends, shares, where="post", color=look.colour, linestyle=look.line, zorder=3)
    if len(across) <= _MOST_MARKERS:
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
