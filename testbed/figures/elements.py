"""The elements of an audit: the outage when each of them failed."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from testbed.figures.style import COLUMN_IN, THEORY, Drawing, caption, empty, legend_above
from testbed.results.result import Run

_HEADER = ("element", "kind", "survived", "outage_s", "bound_s")
_SURVIVED, _NOT = "#0072B2", "#D55E00"


def elements(run: Run) -> Drawing:
    """The outage that the failure of each element caused, and which of them the services did not survive."""
    text = (
        "Outage by the element that failed; crosses: single points of failure, or pairs without which traffic stops, up"
    )
    text += " to the repair. Grey: bound of theory."
    usable = [record for record in run.records if "survived" in record.metrics]
    if not usable:
        return empty(run, _HEADER, text, "no trial ended well")
    # First single points of failure, then the longest outages. The sort is stable: the rest keeps the plan's order.
    usable.sort(key=lambda r: (bool(r.metrics["survived"]), -float(r.metrics["outage_s"])))
    figure = Figure(figsize=(COLUMN_IN, 0.9 + 0.16 * len(usable)), layout="constrained")
    axes = figure.add_subplot()
    rows: list[tuple[Any, ...]] = []
    for place, record in enumerate(usable):
        found = record.metrics
        survived, outage_s, bound_s = bool(found["survived"]), float(found["outage_s"]), found.get("bound_s")
        alone = "+" not in str(found["element"])
        label = "survived" if survived else "single point of failure" if alone else "interrupted by two"
        if bound_s:
            axes.plot([bound_s], [place], "|", color=THEORY, markersize=9, label="bound of theory")
        axes.plot([outage_s], [place], "o" if survived else "X", color=_SURVIVED if survived else _NOT, label=label)
        rows.append((found["element"], found["kind"], survived, outage_s, bound_s))
    axes.set_yticks(range(len(rows)), [f"{row[0]} ({row[1]})" for row in rows], fontsize=6)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xscale("symlog", linthresh=1e-3)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlim(left=-2e-4)
    axes.set_xticks([0, 0.001, 0.01, 0.1, 1, 10], ["0", "1 ms", "10 ms", "0.1 s", "1 s", "10 s"])
    axes.minorticks_off()
    axes.set_xlabel("outage")
    legend_above(figure, axes, columns=3)
    return Drawing(figure, _HEADER, rows, caption(run, text))
