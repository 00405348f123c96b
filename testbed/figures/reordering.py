"""Reordering: the effect of unequal delays on the packets of one flow, and on the goodput of TCP."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from testbed import stats
from testbed.figures.curves import briefly
from testbed.figures.style import COLUMN_IN, THEORY, Drawing, Series, caption, empty, legend_above
from testbed.results.result import Run, quantities

_HEADER = ("series", "difference_ms", "n", "reordered_ratio", "expected_reordered_ratio", "links_worth")


def reordering(run: Run) -> Drawing:
    """The share of packets that were overtaken, with that of theory (a), and the goodput of one TCP flow (b)."""
    text = "Share of one flow's packets that are overtaken (a; grey bars: theory) and goodput of one TCP flow in links'"
    text += " worth (b), against how much slower the last member is: medians. The axis has no scale."
    rows: list[tuple[Any, ...]] = []
    figure = Figure(figsize=(COLUMN_IN, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    levels = sorted({float(record.case["difference_ms"]) for record in run.records if "difference_ms" in record.case})
    groups = briefly(run, without=("difference_ms",))
    for place, group in enumerate(groups):
        own = [row for level in levels if (row := _row(group, level))]
        if own:
            across = [levels.index(row[1]) for row in own]
            look: dict[str, Any] = {
                "linestyle": "",
                "marker": group.look.marker,
                "color": group.look.colour,
                "markerfacecolor": "none",
                "markeredgewidth": 0.9,
                "markersize": 4 + 5 * (len(groups) - 1 - place) / max(len(groups) - 1, 1),
                "clip_on": False,
            }
            ends = [at - 0.25 for at in across], [at + 0.25 for at in across]
            upper.hlines([row[4] for row in own], *ends, color=THEORY, linewidth=4, alpha=0.3, label="theory")
            upper.plot(across, [row[3] for row in own], label=group.name, **look)
            lower.plot(across, [row[5] for row in own], label=group.name, **look)
        rows += own
    if not rows:
        return empty(run, _HEADER, text, "no trial ended well")
    for letter, axes, label in (("(a)", upper, "share of packets overtaken"), ("(b)", lower, "goodput (links)")):
        axes.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
        axes.set_xlim(-0.5, len(levels) - 0.5)
        axes.set_ylabel(label)
        axes.set_ylim(0, max(axes.get_ylim()[1] * 1.05, 0.1))
        axes.set_title(letter, loc="left")
    lower.set_xlabel("the last member is slower by (ms)")
    legend_above(figure, upper, lower, columns=2)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _row(group: Series, level: float) -> tuple[Any, ...] | None:
    """The row of the table for a series at one difference of delays; None if no trial has all metrics."""
    records = [record for record in group.usable if record.case["difference_ms"] == level]
    names = ("reordered_ratio", "expected_reordered_ratio", "links_worth")
    found = [stats.summary(quantities(records, name)) for name in names]
    medians = [each.median for each in found if each]
    return (group.name, level, len(records), *medians) if len(medians) == len(names) else None
