"""The figures of a run: drawn from its files alone, so that they can be drawn again at any time.

One style: the widths of an IEEE column and page, embedded fonts, colours that the colour-blind tell apart and
that differ in grey as well, each with its own marker and line. The same run gives the same bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, ScalarFormatter

from testbed import stats, theory
from testbed.errors import unknown
from testbed.result import Record, Run, quantities

#: IEEE "Preparation of papers": the width of a column and of a page, in inches.
COLUMN_IN, PAGE_IN = 3.5, 7.16

STYLE: dict[str, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 4,
    "patch.linewidth": 0.5,
    "hatch.linewidth": 0.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "testbed",
}
#: No dates, no versions: the same run gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
_THEORY = "0.35"


@dataclass(frozen=True)
class _Look:
    colour: str
    marker: str
    line: Any
    hatch: str


#: Colours of M. Okabe, K. Ito, "Color Universal Design", 2008; a mode looks the same in every figure.
_MODES = {
    "balance-rr": _Look("#E69F00", "^", "-", "////"),
    "active-backup": _Look("#0072B2", "o", (0, (5, 1.5)), ""),
    "balance-xor": _Look("#009E73", "s", (0, (1, 1)), "...."),
    "broadcast": _Look("#999999", "v", (0, (3, 1, 1, 1)), "xxxx"),
    "802.3ad": _Look("#D55E00", "D", (0, (6, 1.5, 1, 1.5)), "\\\\\\\\"),
    "balance-tlb": _Look("#CC79A7", "P", (0, (3, 1, 1, 1, 1, 1)), "||||"),
    "balance-alb": _Look("#56B4E9", "X", (0, (8, 2)), "----"),
}


@dataclass(frozen=True)
class Drawing:
    """A figure, the table of exactly what it shows, and its caption."""

    figure: Figure
    header: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    caption: str


@dataclass(frozen=True)
class Series:
    """Records that belong together in a figure, under one name and look."""

    name: str
    look: _Look
    records: tuple[Record, ...]

    @property
    def usable(self) -> list[Record]:
        """Those that gave their metrics."""
        return [record for record in self.records if record.status == "ok"]

    def count(self) -> str:
        """How many trials there are, and how many of them did not end well."""
        text = f"n = {len(self.records)}"
        for status in ("failed", "censored"):
            if number := sum(record.status == status for record in self.records):
                text += f", {number} {status}"
        return text


def series(run: Run, *, without: Sequence[str] = ()) -> list[Series]:
    """The run's records grouped by the factors that vary, leaving out ``without``; named by those factors."""
    names = [name for name in run.varied() if name not in without]
    grouped: dict[tuple[Any, ...], list[Record]] = {}
    for record in run.records:
        grouped.setdefault(tuple(record.case.get(name) for name in names), []).append(record)
    looks = list(_MODES.values())
    modes = {record.case.get("mode") for record in run.records}
    found = []
    for place, (levels, records) in enumerate(grouped.items()):
        words = [str(v) if n == "mode" else f"{n} {v}" for n, v in zip(names, levels, strict=True)]
        mode = records[0].case.get("mode")
        # Several series of one mode must differ too: then the looks are given in turn.
        look = _MODES[mode] if mode in _MODES and len(modes) == len(grouped) else looks[place % len(looks)]
        found.append(Series(", ".join(words) or str(mode or run.experiment), look, tuple(records)))
    return found


def _caption(run: Run, text: str) -> str:
    statuses = [record.status for record in run.records]
    bad = [f"{statuses.count(s)} {s}" for s in ("failed", "censored") if s in statuses]
    trials = f"{len(statuses)} trials" + (f" ({', '.join(bad)})" if bad else "")
    return f"{text} {trials}, seed {run.manifest.get('seed')}."


def _flows(record: Record) -> int | None:
    flows = record.case.get("flows")
    return int(flows) if flows else sum(record.metrics.get("predicted_member_flows") or ()) or None


def aggregate(run: Run) -> Drawing:
    """Received goodput against the number of members, with the ideal and what random hashing lets expect."""
    groups = series(run, without=("members",))
    levels = sorted({int(record.case["members"]) for record in run.records})
    peak = max(
        [*quantities(run.records, "goodput_mbps"), *quantities(run.records, "ideal_mbps")], default=0.0
    )
    scale, unit = (1e3, "Gbit/s") if peak >= 2000 else (1.0, "Mbit/s")
    figure = Figure(figsize=(COLUMN_IN, 2.75), layout="constrained")
    axes = figure.add_subplot()
    rows: list[tuple[Any, ...]] = []
    lines: dict[tuple[float, ...], bool] = {}
    expected: dict[int, float] = {}
    flow_counts: set[int] = set()
    width = max(levels, default=1) / 60
    for place, group in enumerate(groups):
        shift = (place - (len(groups) - 1) / 2) * width
        points: list[tuple[int, stats.Summary]] = []
        ideals: dict[int, float] = {}
        for members in levels:
            records = [record for record in group.records if record.case["members"] == members]
            if not records:
                continue
            ok = [record for record in records if record.status == "ok"]
            found = stats.summary(quantities(ok, "goodput_mbps"))
            ideal = next(iter(quantities(ok, "ideal_mbps")), None)
            hashed: float | None = None
            if ideal is not None:
                ideals[members] = ideal / scale
                flows = _flows(ok[0])
                if flows and records[0].case.get("mode") in theory.HASH_MODES:
                    hashed = ideal / members * theory.expected_links_used(flows, members)
                    expected[members] = hashed / scale
                    flow_counts.add(flows)
            failed = len(records) - len(ok)
            if found is not None:
                points.append((members, found))
            if failed:
                _failed(axes, members + shift, group.look.colour, f"{failed} of {len(records)}")
            values = (found.median, found.least, found.most) if found else (None, None, None)
            rows.append((group.name, members, len(records), failed, *values, ideal, hashed))
        if len(ideals) == len(levels):
            lines[tuple(ideals.values())] = True
        if points:
            axes.errorbar(
                [members + shift for members, _ in points],
                [found.median / scale for _, found in points],
                yerr=[
                    [(found.median - found.least) / scale for _, found in points],
                    [(found.most - found.median) / scale for _, found in points],
                ],
                label=group.name,
                color=group.look.colour,
                marker=group.look.marker,
                linestyle=group.look.line,
                markeredgecolor="white",
                markeredgewidth=0.4,
                capsize=1.5,
                elinewidth=0.7,
                zorder=3 + place,
            )
    for ideal_line in sorted(lines, reverse=True):
        flat = len(set(ideal_line)) == 1 and len(ideal_line) > 1
        label = "ideal, one link" if flat else "ideal, all links"
        axes.plot(
            levels, ideal_line, color=_THEORY, linewidth=0.7, linestyle=":" if flat else "-", label=label
        )
    if len(flow_counts) == 1 and len(expected) > 1:
        label = f"expected, {flow_counts.pop()} flows hashed at random"
        axes.plot(
            list(expected), list(expected.values()), color=_THEORY, linewidth=0.7, linestyle="--", label=label
        )
    axes.set_xlabel("member links")
    axes.set_ylabel(f"received goodput ({unit})")
    axes.xaxis.set_major_locator(FixedLocator(levels))
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    header = (
        "series",
        "members",
        "n",
        "failed",
        "median_mbps",
        "min_mbps",
        "max_mbps",
        "ideal_mbps",
        "random_hash_mbps",
    )
    text = "Goodput against member links: median of the trials, whiskers from least to most."
    return Drawing(figure, header, rows, _caption(run, text))


def members(run: Run) -> Drawing:
    """How the octets of a transfer were shared among the members, at the largest number of members."""
    figure = Figure(figsize=(COLUMN_IN, 2.3), layout="constrained")
    axes = figure.add_subplot()
    rows: list[tuple[Any, ...]] = []
    ticks: list[tuple[float, str]] = []
    start = 0.0
    for group in series(run, without=("members",)):
        most = max(int(record.case.get("members", 0)) for record in group.records)
        group = Series(
            group.name, group.look, tuple(r for r in group.records if int(r.case.get("members", 0)) == most)
        )
        carried = [r.metrics["member_tx_bytes"] for r in group.usable if r.metrics.get("member_tx_bytes")]
        count = len(carried[0]) if carried else max(most, 1)
        shares = [[octets[place] / max(sum(octets), 1) for octets in carried] for place in range(count)]
        found = [summary for values in shares if (summary := stats.summary(values))]
        for place, summary in enumerate(found):
            axes.bar(
                start + place,
                summary.median,
                0.86,
                yerr=[[summary.median - summary.least], [summary.most - summary.median]],
                color=group.look.colour,
                edgecolor="white",
                hatch=group.look.hatch,
                error_kw={"elinewidth": 0.6, "capsize": 1.2},
            )
            row = (group.name, count, place, len(group.records), summary.median, summary.least, summary.most)
            rows.append((*row, 1 / count))
        middle = start + (count - 1) / 2
        if found:
            axes.plot([start - 0.5, start + count - 0.5], [1 / count] * 2, color="black", linewidth=0.9)
        else:
            _failed(axes, middle, group.look.colour, f"{len(group.records)} of {len(group.records)}")
            rows.append((group.name, count, None, len(group.records), None, None, None, 1 / count))
        ticks.append((middle, f"{group.name}\n{count} members\n{group.count()}"))
        start += count + 1.5
    axes.plot([], [], color="black", linewidth=0.9, label="equal share")
    axes.xaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
    axes.set_xticklabels([text for _, text in ticks])
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("share of octets sent")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    header = ("series", "members", "member", "n", "median_share", "min_share", "max_share", "equal_share")
    text = (
        "Octets per member of the sending bond, members in the order they joined it: median, least and most."
    )
    return Drawing(figure, header, rows, _caption(run, text))


def outage(run: Run) -> Drawing:
    """The outage of every trial with the bound of theory, and their distribution."""
    groups = series(run)
    figure = Figure(figsize=(PAGE_IN, 2.5), layout="constrained")
    strip, steps = figure.subplots(1, 2, width_ratios=(max(len(groups), 2), 2.2))
    rows: list[tuple[Any, ...]] = []
    values = [value * 1e3 for value in quantities(run.records, "outage_s")]
    bounds = [value * 1e3 for value in quantities(run.records, "bound_s")]
    ceiling = max([*values, *bounds, 1.0])
    wide = ceiling > 30 * min([value for value in bounds if value > 0], default=ceiling)
    for place, group in enumerate(groups):
        look = group.look
        measured = [
            (r, r.metrics["outage_s"] * 1e3) for r in group.usable if r.metrics.get("outage_s") is not None
        ]
        bound = next((value * 1e3 for value in quantities(group.records, "bound_s")), None)
        mean = next((value * 1e3 for value in quantities(group.records, "expected_s")), None)
        strip.plot(
            [place + _spread(number) for number in range(len(measured))],
            [value for _, value in measured],
            linestyle="",
            marker=look.marker,
            color=look.colour,
            markeredgecolor="white",
            markeredgewidth=0.3,
            alpha=0.85,
        )
        found = stats.summary([value for _, value in measured])
        if found is not None:
            strip.plot([place - 0.33, place + 0.33], [found.median] * 2, color="black", linewidth=1.6)
        if bound is not None:
            strip.plot(
                [place - 0.42, place + 0.42], [bound] * 2, color="black", linestyle="--", linewidth=0.8
            )
            strip.annotate(
                f"{bound:g} ms",
                (place + 0.42, bound),
                (0, 2),
                textcoords="offset points",
                ha="right",
                fontsize=6.5,
            )
        if mean is not None:
            strip.plot([place - 0.42, place + 0.42], [mean] * 2, color=_THEORY, linestyle=":", linewidth=0.9)
        for record in group.records:
            shown = record.metrics.get("outage_s")
            rows.append(
                (
                    group.name,
                    record.repetition,
                    record.status,
                    None if shown is None else shown * 1e3,
                    bound,
                    mean,
                )
            )
        _no_value(strip, place, group)
        across, up = stats.ecdf([value for _, value in measured], len(group.records))
        if len(across):
            steps.step(
                [0.0, *across, ceiling * 1.1],
                [0.0, *up, up[-1]],
                where="post",
                color=look.colour,
                linestyle=look.line,
                label=f"{group.name} ({group.count()})",
            )
        if mean is not None and bound is not None:
            # Uniform between its lower end and the bound: the straight line of that distribution.
            steps.plot([2 * mean - bound, bound], [0, 1], color=look.colour, linewidth=0.6, linestyle=":")
    _outage_axes(strip, steps, groups, ceiling, wide=wide)
    header = ("series", "repetition", "status", "outage_ms", "bound_ms", "expected_mean_ms")
    text = "Outage of every trial (left) and its distribution (right); dotted on the right: uniform, as theory has it."
    return Drawing(figure, header, rows, _caption(run, text))


def _outage_axes(strip: Axes, steps: Axes, groups: Sequence[Series], ceiling: float, *, wide: bool) -> None:
    strip.plot([], [], color="black", linewidth=1.6, label="median")
    strip.plot([], [], color="black", linestyle="--", linewidth=0.8, label="bound")
    strip.plot([], [], color=_THEORY, linestyle=":", linewidth=0.9, label="expected mean")
    if wide:
        for set_scale, axis in ((strip.set_yscale, strip.yaxis), (steps.set_xscale, steps.xaxis)):
            set_scale("symlog", linthresh=1.0)
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_locator(NullLocator())
    strip.set_ylim(bottom=0, top=ceiling * (3 if wide else 1.18))
    steps.set_xlim(left=0, right=ceiling * 1.1)
    strip.set_xlim(-0.6, len(groups) - 0.4)
    strip.xaxis.set_major_locator(FixedLocator(range(len(groups))))
    strip.set_xticklabels([f"{group.name.replace(', ', chr(10))}\n{group.count()}" for group in groups])
    strip.tick_params(axis="x", length=0)
    strip.grid(axis="x", visible=False)
    strip.set_ylabel("outage (ms)")
    strip.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, borderaxespad=0.2)
    steps.set_xlabel("outage (ms)")
    steps.set_ylabel("share of trials")
    steps.set_ylim(0, 1.03)
    if steps.get_legend_handles_labels()[0]:
        steps.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, borderaxespad=0.2)


def _no_value(axes: Axes, place: int, group: Series) -> None:
    """Trials without an outage to plot: an arrow at the top for those that never recovered, a cross for failed."""
    for status, marker, height in (("censored", "^", 0.965), ("failed", "x", 0.02)):
        number = sum(record.status == status for record in group.records)
        axes.plot(
            [place + _spread(i) for i in range(number)],
            [height] * number,
            linestyle="",
            marker=marker,
            color="black",
            markerfacecolor="none",
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )


def _failed(axes: Axes, at: float, colour: str, text: str) -> None:
    axes.plot([at], [0], marker="x", color=colour, clip_on=False, zorder=9)
    axes.annotate(
        f"{text} failed", (at, 0), (0, 5), textcoords="offset points", rotation=90, fontsize=6, ha="center"
    )


def _spread(number: int) -> float:
    """A fixed sideways place for the n-th dot, so that dots of one height stay apart (golden ratio sequence)."""
    return ((number * 0.6180339887 + 0.5) % 1 - 0.5) * 0.5


def _legend(figure: Figure, axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, columnspacing=1.2
        )


FIGURES: dict[str, Callable[[Run], Drawing]] = {"aggregate": aggregate, "members": members, "outage": outage}


def names(run: Run) -> list[str]:
    """The figures that the run's experiment asks for. Errors: SpecError for a name that nobody knows."""
    wanted = [str(name) for name in run.manifest.get("figures", ())]
    for name in wanted:
        if name not in FIGURES:
            raise unknown("figure", name, FIGURES)
    return wanted


def draw(run: Run, directory: Path) -> list[Path]:
    """Draw the run's figures into ``directory``: each as PDF, SVG and PNG, beside the CSV of what it shows."""
    directory.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    with matplotlib.style.context(["default", STYLE]):
        for name in names(run) if run.records else []:
            drawing = FIGURES[name](run)
            for kind, metadata in _METADATA.items():
                path = directory / f"{name}.{kind}"
                drawing.figure.savefig(path, format=kind, metadata=metadata)
                paths.append(path)
            table = directory / f"{name}.csv"
            with table.open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(drawing.header)
                rows.writerows(drawing.rows)
            paths.append(table)
    return paths
