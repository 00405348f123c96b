"""Failover: the outage of every trial, the bound of theory, and the distribution of outages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from testbed import stats
from testbed.figures.style import PAGE_IN, THEORY, Drawing, Series, caption, legend_above, series, wrapped
from testbed.results.result import Run, quantities

_MEDIAN: dict[str, Any] = {"color": "black", "linewidth": 1.6}
_BOUND: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 0.8}
_MEAN: dict[str, Any] = {"color": THEORY, "linestyle": ":", "linewidth": 1.0}
#: If the ratio of the largest to the smallest bound is larger, a linear axis would hide the small ones.
_WIDE = 30.0
#: In the legend, in inches: an entry without its text, and a letter of average width.
_LEGEND_IN, _LETTER_IN = 0.45, 0.047
#: Entries of the legend that are not series: median, bound, mean, and the two kinds of trials without outage.
_OTHERS = 5
#: With this many series or more, their names are upright below the axis.
_CROWDED = 8


def outage(run: Run) -> Drawing:
    """The outage of every trial with the bound of theory, and their distribution."""
    groups = _briefly(run, series(run))
    columns = _columns(groups)
    rows_of_legend = -(-(len(groups) + _OTHERS) // columns)
    names_in = _LETTER_IN * max(len(group.name) for group in groups) if len(groups) >= _CROWDED else 0.0
    figure = Figure(figsize=(PAGE_IN, 2.35 + 0.15 * rows_of_legend + names_in), layout="constrained")
    strip, steps = figure.subplots(1, 2, width_ratios=(max(len(groups), 2), 2.2))
    rows: list[tuple[Any, ...]] = []
    bounds = [value * 1e3 for value in quantities(run.records, "bound_s")]
    shown = [value * 1e3 for group in groups for value in quantities(group.usable, "outage_s")]
    ceiling = max([*shown, *bounds, 1.0])
    for label, line in (("median", _MEDIAN), ("bound of theory", _BOUND), ("mean by theory", _MEAN)):
        strip.plot([], [], label=label, **line)
    for place, group in enumerate(groups):
        bound = next((value * 1e3 for value in quantities(group.records, "bound_s")), None)
        mean = next((value * 1e3 for value in quantities(group.records, "expected_s")), None)
        values = [value * 1e3 for value in quantities(group.usable, "outage_s")]
        _strip(strip, place, group, values, bound, mean)
        _steps(steps, group, values, ceiling, bound, mean)
        for record in group.records:
            found = quantities([record], "outage_s")
            rows.append((group.name, record.repetition, record.status, found[0] * 1e3 if found else None, bound, mean))
    wide = ceiling > _WIDE * min((value for value in bounds if value > 0), default=ceiling)
    _finish(strip, steps, groups, ceiling, wide=wide)
    legend_above(figure, strip, steps, columns=columns)
    header = ("series", "repetition", "status", "outage_ms", "bound_ms", "expected_mean_ms")
    text = (
        "Outage of every trial (a) and the share of trials with at most that outage (b);"
        " thin lines in (b): the distribution that theory predicts."
    )
    return Drawing(figure, header, rows, caption(run, text))


def _briefly(run: Run, groups: list[Series]) -> list[Series]:
    """If several factors vary, levels that are words are shown without their factor's name, to save room."""
    names = run.varied()
    if len(names) < 2:
        return groups
    found = []
    for group in groups:
        levels = [(name, group.records[0].case.get(name)) for name in names]
        words = [level if isinstance(level, str) else f"{name} {level}" for name, level in levels]
        found.append(replace(group, name=", ".join(words)))
    return found


def _columns(groups: list[Series]) -> int:
    """How many columns of the legend fit on a page."""
    longest = max(len(text) for text in (*(group.name for group in groups), "bound of theory"))
    return max(1, min(7, int(PAGE_IN / (_LEGEND_IN + _LETTER_IN * longest))))


def _strip(axes: Axes, place: int, group: Series, values: list[float], bound: float | None, mean: float | None) -> None:
    """One series as dots, with its median, bound and predicted mean; trials without a value are at the edge."""
    look = group.look
    axes.plot(
        [place + _spread(number) for number in range(len(values))],
        values,
        linestyle="",
        marker=look.marker,
        color=look.colour,
        markeredgecolor="white",
        markeredgewidth=0.3,
        clip_on=False,
        zorder=3,
    )
    if found := stats.summary(values):
        axes.plot([place - 0.3, place + 0.3], [found.median] * 2, zorder=2.5, **_MEDIAN)
    if mean is not None:
        axes.plot([place - 0.4, place + 0.4], [mean] * 2, **_MEAN)
    if bound is not None:
        axes.plot([place - 0.4, place + 0.4], [bound] * 2, **_BOUND)
        text = f"{bound / 1e3:g} s" if bound >= 1000 else f"{bound:g} ms"
        axes.annotate(text, (place + 0.4, bound), (0, 2), textcoords="offset points", ha="right", fontsize=6.5)
    for status, marker, label, side in (("censored", "^", "never recovered", -1), ("failed", "x", "trial failed", 1)):
        number = sum(record.status == status for record in group.records)
        axes.plot(
            [place + side * (0.06 + 0.05 * i) for i in range(number)],
            [0.97] * number,
            linestyle="",
            marker=marker,
            color="black",
            markerfacecolor="none",
            transform=axes.get_xaxis_transform(),
            label=label if number else None,
            zorder=5,
        )


def _steps(
    axes: Axes, group: Series, values: list[float], ceiling: float, bound: float | None, mean: float | None
) -> None:
    """The distribution of one series over all its trials, and the uniform one that theory predicts."""
    look = group.look
    across, up = stats.ecdf(values, len(group.records))
    if len(across):
        ends = [0.0, *across, 2 * ceiling]
        axes.step(ends, [0.0, *up, up[-1]], where="post", color=look.colour, linestyle=look.line, label=group.name)
    if mean is not None and bound is not None:
        axes.plot([2 * mean - bound, bound], [0, 1], color=look.colour, linewidth=0.5)


def _finish(strip: Axes, steps: Axes, groups: list[Series], ceiling: float, *, wide: bool) -> None:
    if wide:
        for set_scale, axis in ((strip.set_yscale, strip.yaxis), (steps.set_xscale, steps.xaxis)):
            set_scale("symlog", linthresh=1.0)
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_locator(NullLocator())
    strip.set_ylim(0, ceiling * (4 if wide else 1.2))
    steps.set_xlim(0, ceiling * (1.5 if wide else 1.1))
    strip.set_xlim(-0.6, len(groups) - 0.4)
    strip.xaxis.set_major_locator(FixedLocator(range(len(groups))))
    if len(groups) < _CROWDED:
        strip.set_xticklabels([f"{wrapped(group.name)}\n{group.count()}" for group in groups])
    else:
        names = [f"{group.name} ({group.count().replace(chr(10), ', ')})" for group in groups]
        strip.set_xticklabels(names, rotation=90, fontsize=6)
    strip.tick_params(axis="x", length=0)
    strip.grid(axis="x", visible=False)
    strip.set_ylabel("outage (ms)")
    steps.set_xlabel("outage (ms)")
    steps.set_ylabel("share of trials")
    steps.set_ylim(0, 1.03)
    for letter, axes in (("(a)", strip), ("(b)", steps)):
        axes.set_title(letter, loc="left")


def _spread(number: int) -> float:
    """A fixed sideways place for the n-th dot, so that dots at one height do not overlap (golden ratio sequence)."""
    return ((number * 0.6180339887 + 0.5) % 1 - 0.5) * 0.5
