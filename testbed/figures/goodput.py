"""Bandwidth aggregation: goodput against members, and the share of each member."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, PercentFormatter

from testbed import stats, theory
from testbed.figures.style import (
    COLUMN_IN,
    THEORY,
    Drawing,
    Look,
    Series,
    caption,
    empty,
    legend_above,
    series,
    wrapped,
)
from testbed.results.result import Record, Run, quantities

#: The width of the points of one number of members, as a part of the distance to the next.
_CLUSTER = 0.7


_AGGREGATE = (
    *("series", "members", "n", "failed", "median_mbps", "min_mbps", "max_mbps"),
    *("ideal_mbps", "best_mbps", "random_hash_mbps"),
)
_MEMBERS = ("series", "members", "member", "n", "median_share", "min_share", "max_share", "equal_share")
_NO_MEMBERS = "the number of members is no factor of this run"


def _flows(record: Record) -> int | None:
    flows = record.case.get("flows")
    return int(flows) if flows else sum(record.metrics.get("predicted_member_flows") or ()) or None


def _row(group: Series, members: int, records: list[Record]) -> tuple[Any, ...]:
    """The row of the table for one series at one number of members."""
    ok = [record for record in records if record.status == "ok"]
    found = stats.summary(quantities(ok, "goodput_mbps"))
    ideal = next(iter(quantities(ok, "ideal_mbps")), None)
    best = hashed = None
    if ideal is not None and ok[0].case.get("mode") in theory.HASH_MODES and (flows := _flows(ok[0])):
        best = ideal / members * min(flows, members)
        hashed = ideal / members * theory.expected_links_used(flows, members)
    values = (found.median, found.least, found.most) if found else (None, None, None)
    return group.name, members, len(records), len(records) - len(ok), *values, ideal, best, hashed


def aggregate(run: Run) -> Drawing:
    """Received goodput against the number of members, with the ideal and the expectation of random hashing."""
    text = "Received goodput against member links: median, and whiskers from the least to the most of the trials."
    if not _has_members(run):
        return empty(run, _AGGREGATE, text, _NO_MEMBERS)
    groups = series(run, without=("members",))
    levels = sorted({int(record.case["members"]) for record in run.records})
    peak = max([*quantities(run.records, "goodput_mbps"), *quantities(run.records, "ideal_mbps")], default=0.0)
    scale, unit = (1e3, "Gbit/s") if peak >= 2000 else (1.0, "Mbit/s")
    figure = Figure(figsize=(COLUMN_IN, 2.9), layout="constrained")
    axes = figure.add_subplot()
    rows: list[tuple[Any, ...]] = []
    for place, group in enumerate(groups):
        at = {n: i + _CLUSTER * ((place + 0.5) / len(groups) - 0.5) for i, n in enumerate(levels)}
        own: list[tuple[Any, ...]] = []
        for members in levels:
            records = [record for record in group.records if record.case["members"] == members]
            if records:
                own.append(_row(group, members, records))
        _points(axes, group, at, own, scale, place)
        rows += own
    _theory(axes, levels, rows, scale, sorted({f for r in run.records if (f := _flows(r))}))
    axes.set_xlabel("member links")
    axes.set_ylabel(f"received goodput ({unit})")
    axes.xaxis.set_major_locator(FixedLocator(range(len(levels))))
    axes.set_xticklabels([str(members) for members in levels])
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, max(peak / scale * 1.05, 1e-3))
    legend_above(figure, axes, columns=2)
    return Drawing(figure, _AGGREGATE, rows, caption(run, text))


def _has_members(run: Run) -> bool:
    return all("members" in record.case for record in run.records)


def _points(
    axes: Axes, group: Series, at: dict[int, float], rows: list[tuple[Any, ...]], scale: float, place: int
) -> None:
    shown = [(at[row[1]], *(value / scale for value in row[4:7])) for row in rows if row[4] is not None]
    axes.errorbar(
        [across for across, *_ in shown],
        [median for _, median, _, _ in shown],
        yerr=[
            [median - least for _, median, least, _ in shown],
            [most - median for _, median, _, most in shown],
        ],
        label=group.name,
        color=group.look.colour,
        marker=group.look.marker,
        linestyle=group.look.line,
        linewidth=0.5,
        markeredgecolor="white",
        markeredgewidth=0.4,
        capsize=1.5,
        elinewidth=0.8,
        zorder=3 + place,
    )
    for _, members, n, failed, *_ in rows:
        if failed:
            _cross(axes, at[members], group.look, f"{failed} of {n} failed")


def _theory(axes: Axes, levels: list[int], rows: list[tuple[Any, ...]], scale: float, flows: list[int]) -> None:
    """A level over each cluster for each value of theory."""
    ideals: dict[str, set[float]] = {}
    for name, *_, ideal, _, _ in rows:
        ideals.setdefault(name, set()).add(ideal)
    how_many = f"{flows[0]} flows" if len(flows) == 1 else "flows"
    for name, members, *_, ideal, best, hashed in rows:
        # An ideal that does not grow with the members is the ideal of one link.
        one_link = members > 1 and len(levels) > 1 and len(ideals[name] - {None}) == 1
        for label, line, value in (
            ("ideal, one link" if one_link else "ideal, all links", ":" if one_link else "-", ideal),
            # A flow takes one member: fewer flows than members leave some idle, however well they are placed.
            (f"{how_many} placed best", "-.", best if best != ideal else None),
            (f"{how_many} hashed at random", "--", hashed if members > 1 else None),
        ):
            if value is not None:
                middle = levels.index(members)
                ends = [middle - _CLUSTER / 2 - 0.08, middle + _CLUSTER / 2 + 0.08]
                axes.plot(ends, [value / scale] * 2, color=THEORY, linewidth=0.8, linestyle=line, label=label)


def members(run: Run) -> Drawing:
    """The share of each member in the octets of a transfer, at the largest number of members."""
    text = "Share of the octets that each member of the sending bond sent, in the order in which they joined it."
    if not _has_members(run):
        return empty(run, _MEMBERS, text, _NO_MEMBERS)
    figure = Figure(figsize=(COLUMN_IN, 2.3), layout="constrained")
    axes = figure.add_subplot()
    rows: list[tuple[Any, ...]] = []
    ticks: list[tuple[float, str]] = []
    start = 0.0
    for group in series(run, without=("members",)):
        most = max(int(record.case["members"]) for record in group.records)
        largest = Series(group.name, group.look, tuple(r for r in group.records if r.case["members"] == most))
        own = _shares(largest, most)
        middle = start + (most - 1) / 2
        if own:
            _bars(axes, largest, start, own)
        else:
            _cross(axes, middle, largest.look, "")
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
    return Drawing(figure, _MEMBERS, rows, caption(run, text))


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


def _cross(axes: Axes, at: float, look: Look, text: str) -> None:
    """Trials that failed: a cross on the axis."""
    axes.plot([at], [0], marker="x", color=look.colour, clip_on=False, zorder=9)
    axes.annotate(
        text,
        (at, 0),
        (0, 5),
        textcoords="offset points",
        rotation=90,
        fontsize=6,
        ha="center",
        va="bottom",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        zorder=9,
    )
