"""Reordering: the effect of unequal delays on the packets of one flow, and on the goodput of TCP."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from testbed import stats
from testbed.figures.style import PAGE_IN, THEORY, Drawing, caption, empty, legend_above, series
from testbed.results.result import Run, quantities

_HEADER = ("series", "difference_ms", "n", "reordered_ratio", "expected_reordered_ratio", "links_worth")


def reordering(run: Run) -> Drawing:
    """The share of packets that were overtaken, with that of theory (a), and the goodput of one TCP flow (b)."""
    text = (
        "Share of one flow's packets that are overtaken (a; grey: theory) and goodput of one TCP flow in links' worth"
    )
    text += " (b), against how much slower the last member is: medians."
    rows: list[tuple[Any, ...]] = []
    figure = Figure(figsize=(PAGE_IN, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    levels = sorted({float(record.case["difference_ms"]) for record in run.records if "difference_ms" in record.case})
    for group in series(run, without=("difference_ms",)):
        own: list[tuple[Any, ...]] = []
        for level in levels:
            records = [record for record in group.usable if record.case["difference_ms"] == level]
            found = {
                name: stats.summary(quantities(records, name))
                for name in ("reordered_ratio", "expected_reordered_ratio", "links_worth")
            }
            if all(found.values()):
                own.append((group.name, level, len(records), *(each.median for each in found.values() if each)))
        if own:
            across = [levels.index(row[1]) for row in own]
            look = {"color": group.look.colour, "marker": group.look.marker, "linestyle": group.look.line}
            left.plot(across, [row[4] for row in own], color=THEORY, linewidth=4, alpha=0.3, label="theory")
            left.plot(across, [row[3] for row in own], label=group.name, **look)
            right.plot(across, [row[5] for row in own], label=group.name, **look)
        rows += own
    if not rows:
        return empty(run, _HEADER, text, "no trial ended well")
    for letter, axes, label in (("(a)", left, "share of packets overtaken"), ("(b)", right, "goodput (links)")):
        axes.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
        axes.set_xlabel("the last member is slower by (ms)")
        axes.set_ylabel(label)
        axes.set_ylim(0, max(axes.get_ylim()[1] * 1.05, 0.1))
        axes.set_title(letter, loc="left")
    legend_above(figure, left, right, columns=3)
    return Drawing(figure, _HEADER, rows, caption(run, text))
