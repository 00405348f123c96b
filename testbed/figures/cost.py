"""The cost of emulation: wall time as the network grows. Only this figure depends on the machine."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from testbed import stats
from testbed.figures.style import COLUMN_IN, LOOKS, Drawing, caption, empty, legend_above
from testbed.results.result import Run

_HEADER = ("run_s", "probes", "interfaces", "n", "median_wall_s", "min_wall_s", "max_wall_s")


def cost(run: Run) -> Drawing:
    """Wall time of a trial against the interfaces of its network, for each time that the network ran."""
    text = "Wall time of a trial against the interfaces of its network: median, least and most, on one machine."
    usable = [record for record in run.records if record.status == "ok" and "interfaces" in record.metrics]
    if not usable:
        return empty(run, _HEADER, text, "no trial ended well")
    figure = Figure(figsize=(COLUMN_IN, 2.5), layout="constrained")
    axes = figure.add_subplot()
    rows: list[tuple[Any, ...]] = []
    kinds = sorted({(float(record.case["run_s"]), int(record.case.get("probes", 0))) for record in usable})
    for look, (run_s, probes) in zip(LOOKS * len(kinds), kinds, strict=False):
        own: list[tuple[Any, ...]] = []
        alike = [r for r in usable if (float(r.case["run_s"]), int(r.case.get("probes", 0))) == (run_s, probes)]
        for interfaces in sorted({int(record.metrics["interfaces"]) for record in alike}):
            found = stats.summary([r.wall_s for r in alike if r.metrics["interfaces"] == interfaces])
            if found:
                own.append((run_s, probes, interfaces, found.n, found.median, found.least, found.most))
        words = f"{run_s:g} s of its own time" if run_s else "set up, and ended"
        axes.plot(
            [row[2] for row in own],
            [row[4] for row in own],
            label=words + (f", {probes} probed pairs" if probes else ""),
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
        )
        several = [row for row in own if row[3] > 1]
        axes.vlines(
            [row[2] for row in several],
            [row[5] for row in several],
            [row[6] for row in several],
            color=look.colour,
        )
        rows += own
    axes.set_xlabel("interfaces")
    axes.set_ylabel("wall time of a trial (s)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    legend_above(figure, axes, columns=1)
    return Drawing(figure, _HEADER, rows, caption(run, text))
