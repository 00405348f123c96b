"""Every kind of bond under every fault: the outages of each cell, and whether they are within the bound of theory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from testbed import stats
from testbed.faults.catalogue import FAULTS
from testbed.figures.style import COLUMN_IN, PAGE_IN, PLAIN, Drawing, caption, duration, empty, legend_above
from testbed.results.result import Record, Run, observations, quantities

_HEADER = (
    *("row", "fault", "n", "failed", "censored", "median_outage_s", "longest_outage_s", "bound_s"),
    "verdict",
)
#: The kinds of faults by what they hit, in the order of the figure (Fault.element), each with its word there.
_KINDS = {
    "cable": "link",
    "switch": "switch",
    "controller": "controller",
    "controller or switch": "controller",
    "host": "host",
    "any": "no fault",
}
_OTHER_KIND = "other"
#: The width and the height of a cell, of the names of faults, and of a letter, in inches.
_CELL_IN, _HEIGHT_IN, _NAMES_IN, _LETTER_IN = 0.34, 0.31, 1.05, 0.052


@dataclass(frozen=True)
class _Verdict:
    """How a cell is drawn: its colour (different from the others in grey as well), hatch, and colour of the words."""

    name: str
    colour: str
    hatch: str
    ink: str


_WITHIN = _Verdict("within the bound", "#CFE8DD", "", "black")
_FREE = _Verdict("no bound, recovered", "#FFFFFF", "", "black")
_NEVER = _Verdict("no bound, not noticed before the repair", "#B5B5B5", "", "black")
_APART = _Verdict("no path left, by theory", "#FFFFFF", "......", "black")
_BEYOND = _Verdict("beyond the bound", "#A63A00", "", "white")
_FAILED = _Verdict("trial failed", "#FFFFFF", "xxxx", "black")
_UNFIT = _Verdict("does not apply", "#EFEFEF", "////", "black")
_MISSING = _Verdict("not carried out", "#FFFFFF", "--", "black")
_VERDICTS = (_WITHIN, _FREE, _NEVER, _APART, _BEYOND, _FAILED, _UNFIT, _MISSING)


def matrix(run: Run) -> Drawing:
    """The median and the longest outage of every mode under every fault, coloured by the verdict of theory."""
    text = "Outage of each combination: the median, the longest of the trials if it is another, and in parentheses the"
    text += " bound of theory, to which a tolerance is added; > : it had not ended when the fault was repaired."
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in run.records:
        cells.setdefault((_name(run, record), _failure(record.case)), []).append(record)
    kinds = {_failure(record.case): _kind(str(record.case.get("fault", "-"))) for record in run.records}
    columns, rows = list(dict.fromkeys(key[0] for key in cells)), _by_kind(kinds)
    if not any(_words(records)[0] for records in cells.values()):
        return empty(run, _HEADER, text, "no trial has an outage, and none failed")
    counts = sorted({len(records) for records in cells.values()})
    text += f" n = {' to '.join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))} trials in each."
    groups = [place for place in range(1, len(rows)) if kinds[rows[place]] != kinds[rows[place - 1]]]
    needed = _NAMES_IN + _CELL_IN * len(columns)
    width = COLUMN_IN if needed <= COLUMN_IN + 0.1 else max(PAGE_IN, needed)
    longest = max(len(name) for name in columns)
    height = 0.75 + _HEIGHT_IN * len(rows) + _LETTER_IN * longest
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    table: list[tuple[Any, ...]] = []
    for down, row in enumerate(rows):
        for across, column in enumerate(columns):
            records = cells.get((column, row), [])
            words, verdict = _words(records) if records else ("", _absent(run, column, row))
            if records and counts[0] != counts[-1]:
                words += f"\nn = {len(records)}"
            _cell(axes, across, down, words, verdict)
            table.append(_entry(column, row, records, verdict))
    _frame(axes, [(row, kinds[row]) for row in rows], columns, groups)
    seen = {entry[-1] for entry in table}
    for verdict in _VERDICTS:
        if verdict.name in seen:
            key = Rectangle((0, 0), 0, 0, facecolor=verdict.colour, edgecolor="0.4", hatch=verdict.hatch)
            key.set_label(verdict.name)
            axes.add_patch(key)
    legend_above(figure, axes, columns=3)
    return Drawing(figure, _HEADER, table, caption(run, text))


def _name(run: Run, record: Record) -> str:
    """The technique or mode, and every other factor that varies except the fault."""
    names = [name for name in run.varied() if name not in (*PLAIN, "fault", "failure")]
    plain = next((str(record.case[name]) for name in ("technique", "mode") if name in record.case), "")
    words = [plain, *(f"{name} {record.case.get(name)}" for name in names)]
    return ", ".join(word for word in words if word) or run.experiment


def _kind(fault: str) -> str:
    """The word for what a fault hits."""
    return _KINDS.get(FAULTS[fault].element, _OTHER_KIND) if fault in FAULTS else _OTHER_KIND


def _failure(case: Mapping[str, Any]) -> str:
    """What a row is about: a failure, where that stands for a fault with its parameters, or a fault."""
    return str(case.get("failure", case.get("fault", "-")))


def _by_kind(kinds: Mapping[str, str]) -> list[str]:
    """The faults, those of one kind together; ``kinds`` has that of each."""
    order = [*dict.fromkeys(_KINDS.values()), _OTHER_KIND]
    return sorted(kinds, key=lambda fault: order.index(kinds[fault]))


def _absent(run: Run, column: str, fault: str) -> _Verdict:
    """Why there is no trial in a cell: the combination does not apply, or the run is not complete."""
    for text in run.manifest.get("left_out", ()):
        levels = dict(word.split("=", 1) for word in str(text).partition(": ")[0].split() if "=" in word)
        plain = levels.get("technique", levels.get("mode", ""))
        words = [plain, *(f"{name} {levels.get(name)}" for name in run.varied())]
        if _failure(levels) == fault and all(part in words for part in column.split(", ")):
            return _UNFIT
    return _MISSING


def _entry(column: str, fault: str, records: Sequence[Record], verdict: _Verdict) -> tuple[Any, ...]:
    """The row of the table for a cell."""
    statuses = [record.status for record in records]
    values, cut = observations(records, "outage_s")
    found = stats.summary(values, censored=cut)
    median = None if found is None or math.isinf(found.median) else found.median
    longest, bound = max(values, default=None), max(quantities(records, "bound_s"), default=None)
    counts = len(records), statuses.count("failed"), statuses.count("censored")
    return column, fault, *counts, median, longest, bound, verdict.name


def _words(records: Sequence[Record]) -> tuple[str, _Verdict]:
    """The words in a cell, and how it is drawn."""
    failed = sum(record.status == "failed" for record in records)
    trouble = f"\n{failed} of {len(records)} failed" if failed else ""
    having = [record for record in records if isinstance(record.metrics.get("outage_s"), int | float)]
    if not having:
        return (f"{failed} failed" if failed else ""), _FAILED
    values = sorted((r.status == "censored", float(r.metrics["outage_s"])) for r in having)
    lines = [_time(*values[(len(values) - 1) // 2])]
    if (longest := _time(*values[-1])) != lines[0]:
        lines.append(longest)
    bounds = quantities(having, "bound_s")
    if bounds:
        lines.append(f"({duration(max(bounds))})")
    words = "\n".join(lines) + trouble
    if False in [record.metrics.get("within_bound") for record in having]:
        return words, _BEYOND
    if trouble:
        return words, _FAILED
    if bounds:
        return words, _WITHIN
    if not values[-1][0]:
        return words, _FREE
    return words, _APART if all(r.metrics.get("connected_by_theory") is False for r in having) else _NEVER


def _time(cut: bool, seconds: float) -> str:
    """An outage in a cell, in whole milliseconds: the probe sends no more often."""
    return ("> " if cut else "") + duration(round(seconds, 3) if 1e-3 <= seconds < 1 else seconds)


def _cell(axes: Axes, column: int, row: int, words: str, verdict: _Verdict) -> None:
    axes.add_patch(
        Rectangle(
            (column - 0.5, row - 0.5), 1, 1, facecolor=verdict.colour, edgecolor="0.4", hatch=verdict.hatch, lw=0.5
        )
    )
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6} if verdict.hatch and words else None
    axes.text(
        column,
        row,
        words,
        ha="center",
        va="center",
        fontsize=5.5,
        color=verdict.ink,
        bbox=box,
        linespacing=1.05,
        weight="bold" if verdict is _BEYOND else "normal",
    )


def _frame(axes: Axes, rows: list[tuple[str, str]], columns: list[str], groups: list[int]) -> None:
    """The names of modes above and of faults at the left, and what the faults of a group hit at the right."""
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=6.5)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=6.5)
    for place in groups:
        axes.axhline(place - 0.5, color="black", linewidth=1.4, zorder=3)
    for first, last in zip([0, *groups], [*groups, len(rows)], strict=True):
        axes.annotate(
            rows[first][1],
            (1.01, (first + last - 1) / 2),
            xycoords=("axes fraction", "data"),
            rotation=90 if last - first > 1 else 0,
            va="center",
            fontsize=6,
        )
    axes.tick_params(length=0, top=False, bottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
