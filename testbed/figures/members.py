"""The share of each member in the octets of a transfer."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, PercentFormatter

from testbed import stats
from testbed.figures.style import COLUMN_IN, Drawing, Series, caption, empty, series, wrapped
from testbed.results.result import Run

_HEADER = ("series", "members", "member", "n", "median_share", "min_share", "max_share", "equal_share")


def members(run: Run) -> Drawing:
    """The share of each member in the octets of a transfer, at the largest number of members."""
    text = "Share of the octets that each member of the sending bond sent, in the order in which they joined it: the"
    text += " median, with whiskers from the least to the most of several trials."
    if not all("members" in record.case for record in run.records):
        return empty(run, _HEADER, text, "the number of members is no factor of this run")
    links = links_of(run)
    figure = Figure(figsize=(COLUMN_IN, 2.3), layout="constrained")
    axes = figure.add_subplot()
    rows: list[tuple[Any, ...]] = []
    ticks: list[tuple[float, str]] = []
    start = 0.0
    for group in series(run, without=("members",)):
        most = max(links[int(record.case["members"])] for record in group.records)
        own_records = tuple(r for r in group.records if links[int(r.case["members"])] == most)
        largest = Series(group.name, group.look, own_records)
        own = _shares(largest, most)
        middle = start + (most - 1) / 2
        if own:
            _bars(axes, largest, start, own)
        else:
            axes.plot([middle], [0], marker="x", color=group.look.colour, clip_on=False, zorder=9)
            own = [(group.name, most, None, len(largest.records), None, None, None, 1 / most)]
        axes.plot(
            [start - 0.5, start + most - 0.5],
            [1 / most] * 2,
            color="black",
            linewidth=0.9,
            label="equal share",
        )
        rows += own
        ticks.append((middle, f"{wrapped(group.name)}\n{most} members\n{largest.count()}"))
        start += most + 1.5
    axes.xaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
    axes.set_xticklabels([text for _, text in ticks], fontsize=6.5)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("share of octets sent")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_ylim(0, min(1.08, axes.get_ylim()[1] * 1.05))
    axes.legend(*[[found[0]] for found in axes.get_legend_handles_labels()], loc="upper right")
    return Drawing(figure, _HEADER, rows, caption(run, text))


def links_of(run: Run) -> dict[int, int]:
    """For each level of the factor members how many member links the sending bond has: in `mlag`, twice as many.

    It is what the trials counted; the level itself where no trial did.
    """
    found: dict[int, int] = {}
    for record in run.records:
        level = int(record.case["members"])
        found[level] = len(record.metrics.get("member_tx_bytes") or ()) or found.get(level, level)
    return found


def _shares(group: Series, count: int) -> list[tuple[Any, ...]]:
    carried = [octets for record in group.usable if sum(octets := record.metrics.get("member_tx_bytes") or [])]
    rows: list[tuple[Any, ...]] = []
    for place in range(count):
        found = stats.summary([octets[place] / sum(octets) for octets in carried])
        if found:
            values = (found.median, found.least, found.most, 1 / count)
            rows.append((group.name, count, place, len(group.records), *values))
    return rows


def _bars(axes: Axes, group: Series, start: float, rows: list[tuple[Any, ...]]) -> None:
    look = group.look
    for _, _, place, _, median, least, most, _ in rows:
        across = start + place
        axes.bar(across, median, 0.88, color=look.colour, edgecolor="white", hatch=look.hatch)
        if most - least > 0.002:  # less is not visible
            axes.errorbar(across, median, [[median - least], [most - median]], color="black", elinewidth=0.6, capsize=1)
