"""The atlas: every technique as a point, how long it leaves traffic without a way against how much of it is usable."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import BboxBase

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
#: Where what was not over before the repair is shown: so many times the longest outage.
_BEYOND = 4.0
#: The radius of a point whose packets cost one packet, and its number's letters, in points.
_RADIUS_PT, _LETTERS_PT = 3.6, 5.0
#: Where a point is moved aside, in radii, the nearest place first; a step to a side, where the outage is, counts more.
_ASIDE = sorted(itertools.product(range(-9, 10), range(-14, 15)), key=lambda at: (2 * abs(at[0]) + abs(at[1]), at))


def atlas(run: Run) -> Drawing:
    """A panel for each failure and one for the return: outage, logarithmic, against usable links; area: octets sent."""
    text = "Each technique as a numbered point: the median outage against what could be used while the failure lasted,"
    text += " in links' worth; in the last panel the outage at the return against what could be used afterwards. The"
    text += (
        " area of a point is what a packet costs on the wire. Lines: from the shortest to the longest outage; a bar:"
    )
    text += " the bound of theory. Left edge: 1 ms or less; right edge: not over before the repair. Points that would"
    text += " hide each other are moved aside."
    groups = _in_order(series(run, without=["failure"], always=["technique"]), run, "technique")
    found = dict.fromkeys(str(r.case["failure"]) for r in run.records if "failure" in r.case)
    failures = [str(level) for level in run.manifest["factors"].get("failure", ()) if str(level) in found]
    rows = [_row(group, failure) for group in groups for failure in failures if _of(group, failure)]
    if not any(row[5] is not None or row[4] for row in rows):
        return empty(run, _HEADER, text, "no trial has an outage")
    panels = [*failures, _RETURN]
    usable = [quantities(run.records, f"usable_{time}_links") for time in ("during", "after")]
    longest_s = max([10 * _LEAST_S, *(value for name in _TIMES for value in quantities(run.records, name))])
    never_s = longest_s * _BEYOND
    most = max([1.0, *usable[0], *usable[1]])
    down = math.ceil(len(panels) / _ACROSS)
    figure = Figure(figsize=(PAGE_IN, 1.0 + 1.75 * down), layout="constrained")
    all_axes = figure.subplots(down, _ACROSS, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, panel in zip(all_axes, panels, strict=False):
        axes.set_title(panel, loc="left")
        axes.set_xscale("log")
        axes.set_xlim(_LEAST_S / 2, never_s * 2)
        axes.set_ylim(-0.15 * most, 1.35 * most)
        axes.tick_params(labelbottom=True)
        _ticks(axes, longest_s, never_s)
    for axes in all_axes[len(panels) :]:
        axes.set_visible(False)
    for axes in all_axes[len(panels) - _ACROSS if len(panels) > _ACROSS else 0 : len(panels)]:
        axes.set_xlabel("outage (s)")
    for axes in all_axes[::_ACROSS]:
        axes.set_ylabel("usable (links)")
    for number, group in enumerate(groups, start=1):
        look = {"color": group.look.colour, "marker": f"${number}$", "markersize": 3 + 3 * len(str(number))}
        all_axes[0].plot([], [], linestyle="", label=group.name, **look)
    legend_above(figure, all_axes[0], columns=6, grow=True)
    figure.draw_without_rendering()  # lays the axes out, so that points can be told from each other
    for axes, panel in zip(all_axes, panels, strict=False):
        points = [_point(group, number, panel, never_s) for number, group in enumerate(groups, start=1)]
        _drawn(axes, [point for point in points if point is not None])
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _ticks(axes: Axes, longest_s: float, never_s: float) -> None:
    """A decade each, and what the two edges mean."""
    decades = [10.0**power for power in range(-2, math.floor(math.log10(longest_s)) + 1)]
    labels = [f"{decade:g}" for decade in decades]
    axes.set_xticks([_LEAST_S, *decades, never_s], ["\N{LESS-THAN OR EQUAL TO}0.001", *labels, "never"])
    axes.minorticks_off()


@dataclass(frozen=True)
class _Point:
    """What a technique did in a panel: times in seconds, usable links, and the cost of a packet in packets."""

    number: int
    colour: str
    median_s: float
    shortest_s: float
    longest_s: float
    bound_s: float | None
    links: float
    cost: float


def _in_order(groups: list[Series], run: Run, factor: str) -> list[Series]:
    """The series in the order of the plan, not of the trials."""
    levels = list(run.manifest["factors"].get(factor, ()))
    return sorted(groups, key=lambda group: levels.index(group.records[0].case[factor]) if levels else 0)


def _of(group: Series, failure: str) -> list[Record]:
    return [record for record in group.records if record.case.get("failure") == failure]


def _point(group: Series, number: int, panel: str, never_s: float) -> _Point | None:
    """One technique in one panel; None where no trial has both quantities."""
    back = panel == _RETURN
    records = list(group.records) if back else _of(group, panel)
    outages, cut = (quantities(records, "reversion_outage_s"), ()) if back else observations(records, "outage_s")
    found = stats.summary(outages, censored=cut)
    usable = stats.summary(quantities(records, f"usable_{'after' if back else 'during'}_links"))
    if found is None or usable is None:
        return None
    cost = stats.summary(quantities(records, "wire_cost_before"))
    times = (found.median, min(outages), never_s if any(cut) else max(outages))
    median_s, shortest_s, longest_s = (min(never_s, max(_LEAST_S, value)) for value in times)
    bounds = [] if back else quantities(records, "bound_s")
    bound_s = max(_LEAST_S, *bounds) if bounds and max(bounds) > 0 else None
    links, packets = usable.median, cost.median if cost else 1.0
    return _Point(number, group.look.colour, median_s, min(shortest_s, median_s), longest_s, bound_s, links, packets)


def _drawn(axes: Axes, points: Sequence[_Point]) -> None:
    """The points of a panel, each at its place or as near to it as others leave room."""
    taken: list[tuple[float, float, float]] = []
    scale = axes.figure.dpi / 72 if axes.figure else 1.0
    for point in points:
        radius = _RADIUS_PT * math.sqrt(point.cost) * scale
        true = axes.transData.transform((point.median_s, point.links))
        x, y = _free(float(true[0]), float(true[1]), radius, taken, axes.bbox)
        taken.append((x, y, radius))
        at = axes.transData.inverted().transform((x, y))
        axes.plot([point.shortest_s, point.longest_s], [at[1], at[1]], color=point.colour, linewidth=0.8, zorder=2)
        if point.bound_s is not None:
            axes.plot([point.bound_s], [at[1]], marker="|", color=THEORY, markersize=7, linestyle="", zorder=1)
        size = (2 * _RADIUS_PT) ** 2 * point.cost
        axes.scatter(
            [at[0]], [at[1]], s=size, zorder=3, clip_on=False, c="white", edgecolors=point.colour, linewidths=0.8
        )
        middle: dict[str, Any] = {"ha": "center", "va": "center_baseline", "zorder": 4}
        axes.text(at[0], at[1], str(point.number), fontsize=_LETTERS_PT, clip_on=False, **middle)


def _free(
    x: float, y: float, radius: float, taken: Sequence[tuple[float, float, float]], page: BboxBase
) -> tuple[float, float]:
    """The place nearest to (x, y) on the ``page`` where a disc hides none of those drawn; up or down rather than to a
    side."""
    for right, up in _ASIDE:
        at = x + right * radius, y + up * radius
        inside = page.x0 + radius <= at[0] <= page.x1 - radius and page.y0 + radius <= at[1] <= page.y1 - radius
        if inside and all(math.dist(at, other[:2]) >= radius + other[2] for other in taken):
            return at
    return x, y


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
