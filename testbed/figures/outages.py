"""Failover: the outage of every trial in a panel for each case, with the bound and the distribution of theory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from testbed import stats
from testbed.figures.curves import briefly, draw_law, draw_steps, law_of
from testbed.figures.style import COLUMN_IN, THEORY, Drawing, Series, apart, caption, duration, entitle, legend_above
from testbed.results.result import Run, quantities

_HEADER = ("series", "repetition", "status", "outage_ms", "bound_ms", "limit_ms", "expected_mean_ms", "within_bound")
#: If the longest panel is longer than the shortest by this factor, a linear axis would hide the short one.
_WIDE = 100.0
#: More series than these are dots in one panel.
_MOST_PANELS = 12
#: The height of a panel and of a row of dots, in inches.
_PANEL_IN, _ROW_IN = 0.68, 0.16


@dataclass(frozen=True)
class _Case:
    """The trials of a series and what theory says of them; times in seconds."""

    group: Series
    values: list[float]
    misses: list[float]
    bound_s: float | None
    limit_s: float | None

    @classmethod
    def of(cls, group: Series) -> _Case:
        values = quantities(group.usable, "outage_s")
        misses = quantities([r for r in group.usable if r.metrics.get("within_bound") is False], "outage_s")
        bound_s, limit_s = (max(quantities(group.records, key), default=None) for key in ("bound_s", "limit_s"))
        if bound_s is not None and limit_s is None:  # older runs have no limit_s: what they judged to be within
            kept = [r for r in group.usable if r.metrics.get("within_bound")]
            limit_s = max([bound_s, *quantities(kept, "outage_s")])
        return cls(group, values, misses, bound_s, limit_s)

    @property
    def most_s(self) -> float:
        """The largest time that is drawn."""
        return max([*self.values, self.bound_s or 0.0])


def outage(run: Run) -> Drawing:
    """The outage of every trial, the share of trials with at most each outage, and what theory predicts."""
    text = "Share of trials with at most each outage; every marker is a trial."
    text += " Dashed: the longest outage by theory, without the tolerance of the instrument."
    cases = [_Case.of(group) for group in briefly(run)]
    rows: list[tuple[Any, ...]] = []
    for case in cases:
        mean_s = next(iter(quantities(case.group.records, "expected_s")), None)
        for record in case.group.records:
            found = next(iter(quantities([record], "outage_s")), None)
            times = [None if s is None else s * 1e3 for s in (found, case.bound_s, case.limit_s, mean_s)]
            within = record.metrics.get("within_bound")
            rows.append((case.group.name, record.repetition, record.status, *times, within))
    right_s = 1.1 * max([*(case.most_s for case in cases), *(case.limit_s or 0.0 for case in cases), 1e-3])
    lengths = [case.most_s for case in cases if case.most_s > 0]
    wide = right_s > _WIDE * min(lengths, default=right_s)
    scale = 1.0 if wide or right_s >= 2 else 1e3
    figure = _many(cases, scale) if len(cases) > _MOST_PANELS else _panels(cases, right_s, scale)
    for axes in figure.axes:
        _axis(axes, right_s * scale, wide=wide)
    figure.axes[-1].set_xlabel("outage" if wide else f"outage ({'s' if scale == 1.0 else 'ms'})")
    legend_above(figure, *figure.axes, columns=3)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _panels(cases: list[_Case], right_s: float, scale: float) -> Figure:
    """A panel for each series: steps, law, bound, median, and marks for trials without an outage."""
    heads = [_head(case) for case in cases]
    lines = sum(1 + left.count("\n") for left, _ in heads)
    height = 1.0 + _PANEL_IN * len(cases) + 0.1 * lines
    figure = Figure(figsize=(COLUMN_IN, height), layout="constrained")
    grid = figure.subplots(len(cases), 1, squeeze=False, sharex=True)[:, 0]
    for axes, case, (left, right) in zip(grid, cases, heads, strict=True):
        law = law_of(case.group)
        if law:
            draw_law(axes, law, len(case.group.records), right_s, scale)
        draw_steps(axes, case.values, len(case.group.records), case.group.look, right_s, scale)
        _bound(axes, case, scale, 0.0, 1.0)
        _beyond(axes, case, scale, [at / len(case.group.records) for at in range(1, len(case.values) + 1)])
        if found := stats.summary(case.values):
            axes.plot([found.median * scale] * 2, [0.3, 0.7], color="black", linewidth=1.6, zorder=5, label="median")
        _without(axes, case.group)
        axes.set_ylim(-0.04, 1.06)
        axes.set_yticks([0, 0.5, 1], ["0", "", "1"])
        entitle(axes, left, right)
    figure.supylabel("share of trials", fontsize=8)
    return figure


def _head(case: _Case) -> tuple[str, str]:
    """The words above a panel: the series with its n, the median, and the bound's value."""
    left = f"{case.group.name}: {case.group.count().replace(chr(10), ', ')}"
    found = stats.summary(case.values)
    words = [f"median {duration(found.median)}"] if found else []
    right = ", ".join(words + ([] if case.bound_s is None else [f"bound {duration(case.bound_s)}"]))
    return apart(left, right), right


def _bound(axes: Axes, case: _Case, scale: float, bottom: float, top: float) -> None:
    """The bound and the tolerance beyond it."""
    if case.bound_s is None or case.limit_s is None:
        return
    axes.plot(
        [case.bound_s * scale] * 2,
        [bottom, top],
        color="black",
        linestyle="--",
        linewidth=0.9,
        zorder=2,
        label="bound of theory",
        clip_on=False,
    )
    if case.limit_s > case.bound_s:
        axes.fill_between(
            [case.bound_s * scale, case.limit_s * scale],
            bottom,
            top,
            facecolor="none",
            edgecolor=THEORY,
            hatch="//////",
            linewidth=0,
            zorder=1.5,
            label="its tolerance",
        )


def _beyond(axes: Axes, case: _Case, scale: float, heights: Sequence[float]) -> None:
    """A ring around each trial beyond the bound and its tolerance; ``heights`` are those of the sorted values."""
    found = [pair for pair in zip(sorted(case.values), heights, strict=True) if pair[0] in case.misses]
    if found:
        axes.plot(
            [value * scale for value, _ in found],
            [height for _, height in found],
            linestyle="",
            marker="o",
            markersize=7,
            markerfacecolor="none",
            markeredgecolor="#A63A00",
            clip_on=False,
            zorder=5,
            label="beyond the bound",
        )


def _without(axes: Axes, group: Series) -> None:
    """A mark at the right edge for each trial that did not end well."""
    for status, marker, label, height in (
        ("censored", "^", "never recovered", 0.75),
        ("failed", "x", "trial failed", 0.25),
    ):
        number = sum(record.status == status for record in group.records)
        axes.plot(
            [0.985 - 0.03 * place for place in range(number)],
            [height] * number,
            linestyle="",
            marker=marker,
            color="black",
            markerfacecolor="none",
            transform=axes.transAxes,
            label=label if number else None,
            zorder=5,
        )


def _many(cases: list[_Case], scale: float) -> Figure:
    """One row of dots for each series, where panels would be too many."""
    figure = Figure(figsize=(COLUMN_IN, 1.0 + _ROW_IN * len(cases)), layout="constrained")
    axes = figure.add_subplot()
    for place, case in enumerate(cases):
        _bound(axes, case, scale, place + 0.4, place - 0.4)
        _beyond(axes, case, scale, [place] * len(case.values))
        axes.plot(
            [value * scale for value in case.values],
            [place] * len(case.values),
            linestyle="",
            marker="o",
            markersize=3,
            markerfacecolor="none",
            color="#0072B2",
            clip_on=not case.values,  # without a marker it has no extent, which the layout cannot take
            label="trial",
        )
        for status, marker, label, right in (
            ("censored", "^", "never recovered", 0.985),
            ("failed", "x", "trial failed", 0.955),
        ):
            if number := sum(record.status == status for record in case.group.records):
                transform = axes.get_yaxis_transform()
                axes.plot([right], [place], marker, color="black", mfc="none", transform=transform, label=label)
                axes.annotate(
                    f"{number}",
                    (right, place),
                    (-4, 0),
                    xycoords=transform,
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize=5.5,
                )
    names = [f"{case.group.name} ({case.group.count().replace(chr(10), ', ')})" for case in cases]
    axes.set_yticks(range(len(cases)), names, fontsize=5.5)
    axes.set_ylim(len(cases) - 0.4, -0.6)
    return figure


def _axis(axes: Axes, right: float, *, wide: bool) -> None:
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, right * (1.5 if wide else 1.0))
    if wide:
        axes.set_xscale("symlog", linthresh=1e-3)
        axes.set_xlim(0, right * 1.5)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value) if value else "0"))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6))
