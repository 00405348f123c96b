"""Displacement: the share of flows that leave their member when one of N fails, and when it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed import stats
from testbed.figures.curves import briefly
from testbed.figures.style import COLUMN_IN, THEORY, Drawing, Series, caption, empty, legend_above
from testbed.results.result import Run, quantities

_HEADER = (
    "series",
    "members",
    "n",
    "flows",
    *(f"{prefix}{what}_share" for what in ("moved", "in_vain", "back", "astray") for prefix in ("", "law_")),
)
_PANELS = (("(a) a member fails", "moved"), ("(b) it returns", "back"))


def displacement(run: Run) -> Drawing:
    """The flows that move on a failure (a) and on the return (b) against the number of members, with theory's."""
    text = "Share of all flows that leave their member when one of N fails (a) and when it returns (b): medians, and in"
    text += " grey theory's curves. Dotted: 1/N, the flows of the member that fails, which have to move."
    rows: list[tuple[Any, ...]] = []
    figure = Figure(figsize=(COLUMN_IN, 4.2), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    levels = sorted({count for record in run.records if (count := _count(record.metrics)) > 1})
    groups = briefly(run, without=("members",))
    for place, group in enumerate(groups):
        own = [row for level in levels if (row := _row(group, level))]
        size = 3.5 + 4 * (len(groups) - 1 - place) / max(len(groups) - 1, 1)
        for axes, (_, what) in zip(panels, _PANELS, strict=True):
            _curve(axes, group, own, what, size)
        rows += own
    if not rows:
        return empty(run, _HEADER, text, "no trial ended well")
    for axes, (title, _) in zip(panels, _PANELS, strict=True):
        shares, dash = [1 / level for level in levels], _dash(levels)
        axes.plot(levels, shares, color=THEORY, linewidth=0.8, linestyle=":", label="1/N", **dash)
        axes.set_title(title, loc="left")
        axes.set_ylabel("share of flows that move")
        axes.set_ylim(-0.02, 1.02)
        axes.set_xticks(levels)
    panels[1].set_xlabel("members N")
    legend_above(figure, *panels, columns=2)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _curve(axes: Axes, group: Series, rows: list[tuple[Any, ...]], what: str, size: float) -> None:
    """One series of a panel: theory's curve, and above it what was measured."""
    at, measured, law = (_HEADER.index(name) for name in ("members", f"{what}_share", f"law_{what}_share"))
    across = [row[at] for row in rows]
    dash = _dash(across)
    axes.plot(
        across, [row[law] for row in rows], color=THEORY, linewidth=1.6, alpha=0.5, label="theory", zorder=1, **dash
    )
    axes.plot(
        across,
        [row[measured] for row in rows],
        linestyle="",
        marker=group.look.marker,
        color=group.look.colour,
        markerfacecolor="none",
        markeredgewidth=0.9,
        markersize=size,
        clip_on=False,
        label=group.name,
        zorder=2,
    )


def _dash(across: Sequence[int]) -> dict[str, Any]:
    """How a line is drawn that has one point: by a dash there."""
    return {"marker": "_", "markersize": 22} if len(across) == 1 else {}


def _count(metrics: Any) -> int:
    """How many members the flows of a trial were placed on; 0 if it does not say."""
    found = metrics.get("measured_member_flows")
    return len(found) if isinstance(found, list) else 0


def _row(group: Series, members: int) -> tuple[Any, ...] | None:
    """The row of the table for a series and a number of members; None if no trial has all metrics."""
    records = [record for record in group.usable if _count(record.metrics) == members]
    found = [stats.summary(quantities(records, name)) for name in _HEADER[3:]]
    medians = [each.median for each in found if each]
    return (group.name, members, len(records), *medians) if len(medians) == len(found) else None
