"""How long a monitor took to detect faults, against the uniform distribution of theory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed import stats
from testbed.figures.style import COLUMN_IN, PAGE_IN, THEORY, Drawing, Series, caption, empty, legend_above, series
from testbed.results.result import Run, quantities

#: If times are longer than others by this factor, they need an axis of their own.
_APART = 10.0
_HEADER = ("series", "detection_s", "share", "low_s", "high_s", "n", "unnoticed", "ks_distance", "ks_p")


def detection(run: Run) -> Drawing:
    """The distribution of detection times and the uniform one, with the p value of the Kolmogorov-Smirnov test."""
    text = "Share of faults that were detected within each time, with the uniform distribution of theory (grey) and"
    text += " the band that holds 95 % of samples of that size; p: Kolmogorov-Smirnov test."
    panels = _panels([found for group in series(run) if (found := _Found.of(group)).times])
    if not panels:
        return empty(run, _HEADER, text, "no trial has a detection time")
    alone = len(panels) == 1
    figure = Figure(figsize=(COLUMN_IN if alone else PAGE_IN, 2.6), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    rows: list[tuple[Any, ...]] = []
    for axes, panel in zip(grid, panels, strict=True):
        left_s, right_s = min(found.low_s for found in panel), max(found.most_s for found in panel)
        scale, unit = (1.0, "s") if right_s >= 1 else (1e3, "ms")
        for found in panel:
            rows += _draw(axes, found, right_s, scale)
        axes.set_xlim(max(0.0, left_s - 0.15 * (right_s - left_s)) * scale, (right_s + 0.08 * right_s) * scale)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel(f"detection time ({unit})")
    grid[0].set_ylabel("share of faults")
    legend_above(figure, *grid, columns=1 if alone else 2)
    return Drawing(figure, _HEADER, rows, caption(run, text))


@dataclass(frozen=True)
class _Found:
    """The detection times of a series, how many faults were not detected, and the interval of theory for the times."""

    group: Series
    times: list[float]
    unnoticed: int
    window: tuple[float, float] | None

    @classmethod
    def of(cls, group: Series) -> _Found:
        return cls(group, *_times(group), _window(group))

    @property
    def low_s(self) -> float:
        """The smallest value that is drawn."""
        return min(self.times + list(self.window or ()))

    @property
    def most_s(self) -> float:
        """The largest value that is drawn."""
        return max(self.times + list(self.window or ()))


def _panels(groups: list[_Found]) -> list[list[_Found]]:
    """The series of each panel: those that can be distinguished on one axis."""
    panels: list[list[_Found]] = []
    for found in sorted(groups, key=lambda found: found.most_s):  # stable: equal ones stay in the order of the plan
        if panels and found.most_s <= _APART * panels[-1][0].most_s:
            panels[-1].append(found)
        else:
            panels.append([found])
    order = {id(found): place for place, found in enumerate(groups)}
    return [sorted(panel, key=lambda found: order[id(found)]) for panel in panels]


def _draw(axes: Axes, found: _Found, right_s: float, scale: float) -> list[tuple[Any, ...]]:
    """Draw a series; its rows of the table."""
    group, times = found.group, found.times
    fit = stats.uniform_fit(times, *found.window) if found.window else None
    across, up = stats.ecdf(times, len(times) + found.unnoticed)
    if found.window:
        _theory(axes, found.window, len(times), scale)
    words = f"{group.name}: n = {len(times)}" + (f", p = {fit.p:.2g}" if fit else "")
    words += f", {found.unnoticed} unnoticed" if found.unnoticed else ""
    ends = np.concatenate([[0.0], across, [right_s * 1.2]]) * scale
    shares = np.concatenate([[0.0], up, up[-1:]])
    axes.step(ends, shares, where="post", color=group.look.colour, linestyle=group.look.line, label=words, zorder=3)
    verdict = (fit.distance, fit.p) if fit else (None, None)
    shared = *(found.window or (None, None)), len(times), found.unnoticed, *verdict
    return [(group.name, float(at), float(share), *shared) for at, share in zip(across, up, strict=True)]


def _times(group: Series) -> tuple[list[float], int]:
    """Every detection time of a series, and how many faults were not detected."""
    found: list[float] = []
    unnoticed = 0
    for record in group.records:
        listed = record.metrics.get("detections_s", [record.metrics.get("detection_s")])
        if record.status == "failed":
            continue
        times = [float(value) for value in listed if isinstance(value, int | float)]
        found += times
        unnoticed += len(listed) - len(times)
    return found, unnoticed


def _window(group: Series) -> tuple[float, float] | None:
    """The interval of the uniform distribution of theory: its mean and its end are metrics."""
    expected, bound = (next(iter(quantities(group.records, name)), None) for name in ("expected_s", "bound_s"))
    return None if expected is None or bound is None or bound <= 0 else (2 * expected - bound, bound)


def _theory(axes: Axes, window: tuple[float, float], n: int, scale: float) -> None:
    low, high = window
    across = np.linspace(low, high, 101)
    shares = (across - low) / (high - low)
    below, above = stats.dkw_band(shares, n)
    axes.fill_between(across * scale, below, above, color="0.85", linewidth=0, zorder=0, label="95 % of samples")
    axes.plot(across * scale, shares, color=THEORY, linewidth=1.2, zorder=1, label="uniform, by theory")
