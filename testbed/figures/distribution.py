"""The distribution of outages, from milliseconds to minutes, including trials that never recovered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from testbed import stats
from testbed.figures.style import (
    COLUMN_IN,
    THEORY,
    Drawing,
    Series,
    caption,
    duration,
    empty,
    legend_above,
    series,
)
from testbed.results.result import Run, observations

#: Outages to compare with: the 50 ms of SONET's protection switching (Telcordia GR-253), a second, and
#: LACP's short and long timeouts (IEEE 802.1AX, 6.4.4).
GUIDES_S = (0.05, 1.0, 3.0, 90.0)
#: The place of an outage of 0 on an axis without zero.
LEAST_S = 1e-4
#: More bands than these hide each other.
_MOST_BANDS = 4
#: More series than these cannot be told apart in one panel.
_CROWDED = 4
_HEADER = ("series", "outage_s", "share", "band_low", "band_high", "n", "censored", "failed")


def ecdf(run: Run) -> Drawing:
    """The share of trials with at most each outage, on a logarithmic axis, with its 95 % band and guides."""
    text = (
        f"Share of trials whose outage was at most that long, from {stats.LEAST_FOR_INTERVAL} trials on with its 95 %"
    )
    text += " confidence band; + marks a trial that had not recovered when its fault ended. Outages of less than 0.1 ms"
    text += " stand at the left edge. Dotted, to compare with: 50 ms (SONET's protection switching), 1 s, and the short"
    text += " and long timeouts of LACP (3 s, 90 s)."
    facets = _facets(run)
    values = [value for _, groups in facets for group in groups for value in observations(group.records, "outage_s")[0]]
    if not values:
        return empty(run, _HEADER, text, "no trial has an outage")
    across = min(len(facets), 2)
    down = -(-len(facets) // across)
    names = {group.name for _, groups in facets for group in groups}
    height = 0.6 + (2.1 if across == 1 else 1.3) * down + 0.14 * len(names) / (1 if across == 1 else 2)
    figure = Figure(figsize=(COLUMN_IN, height), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    right = max(max(values), *(guide for guide in GUIDES_S if guide <= max(max(values) * 1.5, 1.0))) * 1.6
    rows: list[tuple[Any, ...]] = []
    for axes, (title, groups) in zip(grid, facets, strict=False):
        for group in groups:
            rows += _series(axes, group, title, right, band=len(groups) <= _MOST_BANDS)
        _frame(axes, title, right, alone=len(facets) == 1)
    for axes in grid[len(facets) :]:
        axes.set_visible(False)
    for axes in grid[::across]:
        axes.set_ylabel("share of trials")
    legend_above(figure, *grid, columns=2)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _facets(run: Run) -> list[tuple[str, list[Series]]]:
    """The series of each panel, under its title: by fault if there are too many for one panel."""
    if "fault" not in run.varied() or len(series(run)) <= _CROWDED:
        return [("", series(run))]
    faults = dict.fromkeys(str(record.case.get("fault")) for record in run.records)
    parts = {fault: [r for r in run.records if str(r.case.get("fault")) == fault] for fault in faults}
    return [
        (fault, series(replace(run, records=tuple(records)), without=("fault",))) for fault, records in parts.items()
    ]


def _series(axes: Axes, group: Series, title: str, right: float, *, band: bool) -> list[tuple[Any, ...]]:
    """Draw one series; its rows of the table."""
    name = f"{group.name}, fault {title}" if title else group.name
    values, cut = observations(group.records, "outage_s")
    if not values:
        return []
    curve = stats.survival(values, cut)
    counts = curve.n, curve.censored, sum(record.status == "failed" for record in group.records)
    _curve(axes, group, curve, right, band=band)
    _marks(axes, group, curve, [value for value, mark in zip(values, cut, strict=True) if mark])
    steps = zip(curve.times, curve.shares, curve.low, curve.high, strict=True)
    rows = [(name, *(float(each) for each in step), *counts) for step in steps]
    return rows or [(name, None, None, None, None, *counts)]


def _frame(axes: Axes, title: str, right: float, *, alone: bool) -> None:
    for guide in GUIDES_S:
        if guide >= right:
            continue
        axes.axvline(guide, color=THEORY, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=1)
        axes.annotate(
            duration(guide),
            (guide, 1.0),
            (0, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=6.5 if alone else 5.5,
            color=THEORY,
        )
    axes.set_title(title, loc="left", pad=10)
    axes.set_xscale("log")
    axes.set_xlim(LEAST_S * 0.8, right)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
    axes.xaxis.set_major_locator(LogLocator(10 if alone else 100, numticks=6))
    axes.tick_params(axis="x", labelsize=7 if alone else 6)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("outage")


def _curve(axes: Axes, group: Series, curve: stats.Survival, right: float, *, band: bool) -> None:
    look = group.look
    across = np.concatenate([[LEAST_S * 0.5], np.maximum(curve.times, LEAST_S), [right * 2]])
    ends = [np.concatenate([[0.0], part, part[-1:] if len(part) else [0.0]]) for part in (curve.shares, curve.low)]
    high = np.concatenate([[0.0], curve.high, curve.high[-1:] if len(curve.high) else [0.0]])
    if band and curve.n >= stats.LEAST_FOR_INTERVAL:
        axes.fill_between(across, ends[1], high, step="post", color=look.colour, alpha=0.15, linewidth=0)
    axes.step(
        across,
        ends[0],
        where="post",
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        markersize=3.2,
        markeredgecolor="white",
        markeredgewidth=0.3,
        label=group.name,
        zorder=3,
    )


def _marks(axes: Axes, group: Series, curve: stats.Survival, censored: list[float]) -> None:
    """Each censored trial at the time up to which it had not recovered, on its curve."""
    if not censored:
        return
    at = [float(curve.shares[curve.times <= value][-1]) if (curve.times <= value).any() else 0.0 for value in censored]
    across = [max(value, LEAST_S) for value in censored]
    axes.plot(
        across, at, linestyle="", marker="+", color=group.look.colour, markeredgewidth=1.0, zorder=5, clip_on=False
    )
