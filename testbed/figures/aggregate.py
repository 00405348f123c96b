"""Bandwidth aggregation: goodput against the number of members, and its ratio to the ideal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, PercentFormatter

from testbed import stats, theory
from testbed.figures.members import links_of
from testbed.figures.style import BAND, COLUMN_IN, THEORY, Drawing, Series, caption, empty, legend_above, series
from testbed.results.result import Record, Run, quantities

_HEADER = (
    *("series", "members", "n", "failed", "median_mbps", "low_mbps", "high_mbps", "min_mbps", "max_mbps"),
    *("ideal_mbps", "best_mbps", "random_mbps", "random_low_mbps", "random_high_mbps"),
)
#: The metrics of a trial whose flows a hash placed at random: what such flows get, the mean and the ends of the band.
_RANDOM = ("random_mbps", "random_low_mbps", "random_high_mbps")

#: In Mbit/s: the mean over all random placements, and the band of 90 % of them.
Band = tuple[float, float, float]


@dataclass(frozen=True)
class _Cell:
    """The trials of a series at one number of members."""

    group: Series
    members: int
    records: list[Record]

    @property
    def values(self) -> list[float]:
        """The goodput of each trial that ended well, in Mbit/s."""
        return quantities([record for record in self.records if record.status == "ok"], "goodput_mbps")

    @property
    def failed(self) -> int:
        """How many trials did not end well."""
        return sum(record.status != "ok" for record in self.records)

    @property
    def ideal(self) -> float | None:
        """The most by theory, in Mbit/s."""
        return next(iter(quantities(self.records, "ideal_mbps")), None)

    @property
    def flows(self) -> int | None:
        """How many flows there were, if a hash places each of them."""
        record = next((record for record in self.records if record.status == "ok"), self.records[0])
        if record.case.get("mode") not in theory.HASH_MODES:
            return None
        flows = record.case.get("flows")
        return int(flows) if flows else sum(record.metrics.get("predicted_member_flows") or ()) or None

    @property
    def band(self) -> Band | None:
        """What so many flows get that are placed at random: from the metrics, or by theory."""
        found = [next(iter(quantities(self.records, name)), None) for name in _RANDOM]
        mean, low, high = found
        if mean is not None and low is not None and high is not None:
            return mean, low, high
        if not self.flows or not self.ideal:
            return None
        links = theory.random_links(self.flows, self.members).times(self.ideal / self.members)
        return links.mean, links.low, links.high

    def row(self) -> tuple[Any, ...]:
        """The row of the table."""
        found, ideal, flows = stats.summary(self.values), self.ideal, self.flows
        interval = (found and found.interval) or (None, None)
        middle = (found.median, *interval, found.least, found.most) if found else (None,) * 5
        best = ideal / self.members * min(flows, self.members) if ideal and flows else None
        counts = len(self.records), self.failed
        return self.group.name, self.members, *counts, *middle, ideal, best, *(self.band or (None,) * 3)


def aggregate(run: Run) -> Drawing:
    """Received goodput (a), and its ratio to the ideal (b), against the number of members.

    The axes of (a) are linear: what grows with the number of links is a straight line through the origin.
    """
    text = "Received goodput against member links (a), and its ratio to the ideal (b): every trial, or of"
    text += (
        f" {stats.LEAST_FOR_INTERVAL} trials and more the median with its 95 % confidence interval. Theory is known at"
    )
    text += " each number of members that was run, and joined by lines."
    if not all("members" in record.case for record in run.records):
        return empty(run, _HEADER, text, "the number of members is no factor of this run")
    cells: list[list[_Cell]] = []
    links = links_of(run)
    for group in series(run, without=("members",)):
        grouped: dict[int, list[Record]] = {}
        for record in group.records:
            grouped.setdefault(links[int(record.case["members"])], []).append(record)
        cells.append([_Cell(group, members, records) for members, records in sorted(grouped.items())])
    every = [cell for own in cells for cell in own]
    levels = sorted({cell.members for cell in every})
    peak = max([*(value for cell in every for value in cell.values), *(cell.ideal or 0.0 for cell in every)])
    scale, unit = (1e3, "Gbit/s") if peak >= 2000 else (1.0, "Mbit/s")
    figure = Figure(figsize=(COLUMN_IN, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1))
    _ideal(upper, lower, cells, levels, scale)
    for own in cells:
        _placement(upper, lower, own, scale)
    for place, own in enumerate(cells):
        size = 4.0 + 5.0 * (len(cells) - 1 - place) / max(len(cells) - 1, 1)
        _points(upper, own, place, size, {cell.members: scale for cell in own})
        _points(lower, own, place, size, {cell.members: cell.ideal for cell in own if cell.ideal})
    _failures(upper, every)
    upper.set_xlim(0, levels[-1] * 1.06)
    upper.set_ylim(0, peak / scale * 1.08 or 1.0)
    upper.set_ylabel(f"received goodput ({unit})")
    lower.set_ylim(min(0.9, lower.get_ylim()[0]), max(1.05, lower.get_ylim()[1]))
    lower.set_ylabel("part of the ideal")
    lower.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    lower.xaxis.set_major_locator(FixedLocator(levels))
    lower.set_xlabel("member links")
    for letter, axes in (("(a)", upper), ("(b)", lower)):
        axes.set_title(letter, loc="left")
    legend_above(figure, upper, lower, columns=2)
    return Drawing(figure, _HEADER, [cell.row() for cell in every], caption(run, text))


def _points(axes: Axes, own: list[_Cell], place: int, size: float, units: dict[int, float]) -> None:
    """The trials of a series in its ``units``, or the medians of cells with enough of them for an interval.

    All stand at their number of members. The markers are open, and those in front smaller, so that all are visible.
    """
    look: dict[str, Any] = {
        "linestyle": "",
        "marker": own[0].group.look.marker,
        "color": own[0].group.look.colour,
        "markerfacecolor": "none",
        "markeredgewidth": 0.9,
        "markersize": size,
        "clip_on": False,
        "zorder": 3 + place,
    }
    points = []
    for cell in own:
        unit, found = units.get(cell.members), stats.summary(cell.values)
        if unit is None or found is None:
            continue
        if found.interval is None:
            points += [(cell.members, value / unit) for value in cell.values]
            continue
        low, high = found.interval
        reach = [[(found.median - low) / unit], [(high - found.median) / unit]]
        axes.errorbar([cell.members], [found.median / unit], yerr=reach, elinewidth=0.9, capsize=2, **look)
    look["clip_on"] = not points  # a series without points has no extent, which the layout cannot take
    axes.plot([across for across, _ in points], [up for _, up in points], label=own[0].group.name, **look)


def _ideal(upper: Axes, lower: Axes, cells: list[list[_Cell]], levels: list[int], scale: float) -> None:
    """The ideal of each series: a line through the origin, or a level where one link is the most."""
    right = levels[-1]
    for own in cells:
        ideals = {cell.members: cell.ideal for cell in own if cell.ideal}
        if not ideals:
            continue
        members, ideal = max(ideals.items())
        if members > 1 and len(ideals) > 1 and len(set(ideals.values())) == 1:
            style, label, ends = ":", "ideal, one link", (ideal, ideal)
        else:
            style, label, ends = "-", "ideal, all links", (0.0, ideal / members * right)
        upper.plot([0, right], [end / scale for end in ends], color=THEORY, lw=0.9, linestyle=style, label=label)
    lower.plot([0, right], [1, 1], color=THEORY, lw=0.9, linestyle="-")


def _placement(upper: Axes, lower: Axes, own: list[_Cell], scale: float) -> None:
    """What the best placement of so few flows reaches, and the mean and the band of random ones."""
    known = [(cell, cell.ideal, cell.flows) for cell in own if cell.ideal and cell.flows]
    for axes, units in ((upper, [scale] * len(known)), (lower, [ideal for _, ideal, _ in known])):
        across = [cell.members for cell, _, _ in known]
        if any(flows < cell.members for cell, _, flows in known):  # a flow takes one member, so some stay idle
            best = [ideal * min(1.0, flows / cell.members) for cell, ideal, flows in known]
            heights = [value / unit for value, unit in zip(best, units, strict=True)]
            axes.plot(across, heights, color=THEORY, lw=0.9, linestyle="-.", label=f"{known[0][2]} flows placed best")
        bands = [cell.band for cell, _, _ in known]
        if len(known) < 2 or None in bands:
            continue
        mean, low, high = (
            [band[at] / unit for band, unit in zip(bands, units, strict=True) if band] for at in range(3)
        )
        words = f"{known[0][2]} flows placed at random"
        axes.fill_between(across, low, high, color=BAND, linewidth=0, zorder=0, label=f"{words}: 90 % of placements")
        axes.plot(across, mean, color=THEORY, lw=0.9, linestyle="--", label=f"{words}: mean")


def _failures(axes: Axes, every: list[_Cell]) -> None:
    """How many trials of a number of members did not end well, beside a cross on the axis."""
    for members in sorted({cell.members for cell in every if cell.failed}):
        alike = [cell for cell in every if cell.members == members]
        failed, total = sum(cell.failed for cell in alike), sum(len(cell.records) for cell in alike)
        axes.plot([members], [0], marker="x", color="black", clip_on=False, zorder=9)
        words = axes.annotate(
            f"{failed} of {total} failed",
            (members, 0),
            (3, 2),
            textcoords="offset points",
            rotation=90,
            fontsize=6,
            va="bottom",
        )
        words.set_in_layout(False)  # it is inside the panel, whose size it must not change
