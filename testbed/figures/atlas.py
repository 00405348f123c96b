"""The atlas: every technique as a point, how long it leaves traffic without a way against how much of it is usable."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed import stats
from testbed.figures.style import PAGE_IN, THEORY, Drawing, Series, caption, empty, legend_above, series
from testbed.results.result import Record, Run, observations, quantities

_FIRST = (
    *("technique", "failure", "n", "failed", "censored"),
    *("median_outage_s", "longest_outage_s", "bound_s", "within_law"),
)
#: After these the medians of metrics, each beside what theory says of it.
_HEADER = (
    *_FIRST,
    *(f"{law}usable_{time}_links" for time in ("before", "during", "after") for law in ("", "law_")),
    *(f"{law}wire_cost_{time}" for time in ("before", "during", "after") for law in ("", "law_")),
    *("duplicated", "reordered"),
    "median_reversion_outage_s",
)
#: The panel of the return, beside one for each failure.
_RETURN = "return"
#: Outages from here on down are shown on the left edge: a probe cannot tell them from none.
_LEAST_S = 1e-3
_ACROSS = 3
_TIMES = ("outage_s", "reversion_outage_s", "bound_s")
#: How far apart two techniques are drawn that carry the same.
_APART_LINKS = 0.03


def atlas(run: Run) -> Drawing:
    """A panel for each failure and one for the return: outage, logarithmic, against usable links; size: octets sent."""
    text = "Each technique as a point: the median outage against what could be used while the failure lasted, in links'"
    text += " worth; in the last panel the outage at the return against what could be used afterwards. The area of a"
    text += " point is what a packet costs on the wire. Lines: from the shortest to the longest outage; a bar at the"
    text += " right: the bound of theory; an arrow: not over before the repair. At the left edge: 1 ms or less. Points"
    text += " are set apart a little where they would hide each other."
    groups = _in_order(series(run, without=[name for name in run.varied() if name != "technique"]), run, "technique")
    found = dict.fromkeys(str(r.case["failure"]) for r in run.records if "failure" in r.case)
    failures = [str(level) for level in run.manifest["factors"].get("failure", ()) if str(level) in found]
    rows = [_row(group, failure) for group in groups for failure in failures if _of(group, failure)]
    if not any(row[5] is not None or row[4] for row in rows):
        return empty(run, _HEADER, text, "no trial has an outage")
    panels = [*failures, _RETURN]
    usable = [quantities(run.records, f"usable_{time}_links") for time in ("during", "after")]
    longest_s = max([10 * _LEAST_S, *(value for name in _TIMES for value in quantities(run.records, name))])
    most = max([1.0, *usable[0], *usable[1]]) + _APART_LINKS * len(groups) / 2
    down = math.ceil(len(panels) / _ACROSS)
    figure = Figure(figsize=(PAGE_IN, 1.0 + 1.75 * down), layout="constrained")
    all_axes = figure.subplots(down, _ACROSS, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, panel in zip(all_axes, panels, strict=False):
        for place, group in enumerate(groups):
            _point(axes, group, panel, _APART_LINKS * (place - (len(groups) - 1) / 2))
        axes.set_title(panel, loc="left")
        axes.set_xscale("log")
        axes.set_xlim(_LEAST_S / 1.5, 4 * longest_s)
        axes.set_ylim(-0.05 * most, 1.1 * most)
        axes.tick_params(labelbottom=True)
    for axes in all_axes[len(panels) :]:
        axes.set_visible(False)
    for axes in all_axes[len(panels) - _ACROSS if len(panels) > _ACROSS else 0 : len(panels)]:
        axes.set_xlabel("outage (s)")
    for axes in all_axes[::_ACROSS]:
        axes.set_ylabel("usable (links)")
    legend_above(figure, *all_axes, columns=6, grow=True)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _in_order(groups: list[Series], run: Run, factor: str) -> list[Series]:
    """The series in the order of the plan, not of the trials."""
    levels = list(run.manifest["factors"].get(factor, ()))
    return sorted(groups, key=lambda group: levels.index(group.records[0].case[factor]) if levels else 0)


def _of(group: Series, failure: str) -> list[Record]:
    return [record for record in group.records if record.case.get("failure") == failure]


def _point(axes: Axes, group: Series, panel: str, apart: float) -> None:
    """One technique in one panel; nothing where no trial has both quantities."""
    back = panel == _RETURN
    records = list(group.records) if back else _of(group, panel)
    outages, cut = (quantities(records, "reversion_outage_s"), None) if back else observations(records, "outage_s")
    usable = stats.summary(quantities(records, f"usable_{'after' if back else 'during'}_links"))
    if not outages or usable is None:
        return
    look, cost = group.look, stats.summary(quantities(records, "wire_cost_before"))
    shown = sorted(max(_LEAST_S, value) for value in outages)
    middle, high = shown[(len(shown) - 1) // 2], usable.median + apart
    axes.plot([shown[0], shown[-1]], [high, high], color=look.colour, linewidth=0.8, zorder=2)
    size = 14 * (cost.median if cost else 1.0)
    style: dict[str, Any] = {"marker": look.marker, "edgecolors": look.colour, "facecolors": "none", "linewidths": 0.9}
    axes.scatter([middle], [high], s=size, zorder=3, clip_on=False, label=group.name, **style)
    if cut is not None and any(cut):
        axes.annotate("", (shown[-1] * 2, high), (shown[-1], high), arrowprops={"arrowstyle": "->", "lw": 0.8})
    bounds = [] if back else quantities(records, "bound_s")
    if bounds and max(bounds) > 0:
        axes.plot([max(_LEAST_S, *bounds)], [high], marker="|", color=THEORY, markersize=7, linestyle="", zorder=1)


def _row(group: Series, failure: str) -> tuple[Any, ...]:
    records = _of(group, failure)
    statuses = [record.status for record in records]
    values, cut = observations(records, "outage_s")
    found = stats.summary(values, censored=cut)
    median = None if found is None or math.isinf(found.median) else found.median
    laws = [record.metrics.get("within_bound") for record in records]
    known = [law for law in laws if law is not None]
    names = (*_HEADER[len(_FIRST) : -1], "reversion_outage_s")
    middles = [each.median if (each := stats.summary(quantities(records, name))) else None for name in names]
    return (
        group.name,
        failure,
        *(len(records), statuses.count("failed"), statuses.count("censored")),
        *(median, max(values, default=None), max(quantities(records, "bound_s"), default=None)),
        f"{sum(bool(law) for law in known)} of {len(known)}" if known else "no law",
        *middles,
    )
