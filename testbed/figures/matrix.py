"""Every kind of bond under every fault: the outage of each cell, and whether it is within the bound of theory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from testbed.figures.style import COLUMN_IN, PAGE_IN, Drawing, caption, duration, empty, legend_above
from testbed.results.result import Record, Run, quantities

_HEADER = ("row", "fault", "n", "failed", "censored", "longest_outage_s", "bound_s", "verdict")


@dataclass(frozen=True)
class _Verdict:
    """How a cell is drawn: its colour (different from the others in grey as well), hatch, and colour of the words."""

    name: str
    colour: str
    hatch: str
    ink: str


_WITHIN = _Verdict("within the bound", "#CFE8DD", "", "black")
_FREE = _Verdict("no bound, recovered", "#FFFFFF", "", "black")
_NEVER = _Verdict("no bound, not noticed before the repair", "#BFBFBF", "", "black")
_BEYOND = _Verdict("beyond the bound", "#A63A00", "", "white")
_FAILED = _Verdict("trial failed", "#FFFFFF", "xxxx", "black")
_VERDICTS = (_WITHIN, _FREE, _NEVER, _BEYOND, _FAILED)


def matrix(run: Run) -> Drawing:
    """The longest outage of every mode under every fault, coloured by whether it is within the bound."""
    text = "Longest outage of each combination, and in parentheses the bound of theory, to which a tolerance is added;"
    text += " > : it had not ended when the fault was repaired. Empty: not part of the run."
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in run.records:
        cells.setdefault((_row(run, record), str(record.case.get("fault", "-"))), []).append(record)
    rows, columns = _ordered(key[0] for key in cells), _ordered(key[1] for key in cells)
    if not any(_words(records)[0] for records in cells.values()):
        return empty(run, _HEADER, text, "no trial has an outage, and none failed")
    width = COLUMN_IN if len(columns) <= 3 else PAGE_IN
    longest = max(len(name) for name in columns)
    upright = longest * 0.062 > (width - 1.3) / len(columns)
    figure = Figure(
        figsize=(width, 0.8 + 0.34 * len(rows) + (0.055 * longest if upright else 0.12)), layout="constrained"
    )
    axes = figure.add_subplot()
    table: list[tuple[Any, ...]] = []
    seen = set()
    for (row, column), records in cells.items():
        words, verdict = _words(records)
        seen.add(verdict)
        _cell(axes, columns.index(column), rows.index(row), words, verdict)
        statuses = [record.status for record in records]
        values, bounds = quantities(records, "outage_s"), quantities(records, "bound_s")
        counts = len(records), statuses.count("failed"), statuses.count("censored")
        longest_s, bound_s = max(values, default=None), max(bounds, default=None)
        table.append((row, column, *counts, longest_s, bound_s, verdict.name))
    _frame(axes, rows, columns, upright=upright)
    for verdict in _VERDICTS:
        if verdict in seen:
            key = Rectangle((0, 0), 0, 0, facecolor=verdict.colour, edgecolor="0.4", hatch=verdict.hatch)
            key.set_label(verdict.name)
            axes.add_patch(key)
    legend_above(figure, axes, columns=1 if width == COLUMN_IN else 3)
    return Drawing(figure, _HEADER, table, caption(run, text))


def _ordered(words: Any) -> list[str]:
    return list(dict.fromkeys(words))


def _row(run: Run, record: Record) -> str:
    """The mode, and every other factor that varies except the fault."""
    names = [name for name in run.varied() if name not in ("mode", "fault")]
    words = [str(record.case.get("mode", "")), *(f"{name} {record.case.get(name)}" for name in names)]
    return ", ".join(word for word in words if word) or run.experiment


def _words(records: Sequence[Record]) -> tuple[str, _Verdict]:
    """The words in a cell, and how it is drawn."""
    failed = sum(record.status == "failed" for record in records)
    trouble = f"\n{failed} of {len(records)} failed" if failed else ""
    having = [record for record in records if isinstance(record.metrics.get("outage_s"), int | float)]
    if not having:
        return (f"{failed} failed" if failed else ""), _FAILED
    worst = max(having, key=lambda record: (record.status == "censored", record.metrics["outage_s"]))
    cut = worst.status == "censored"
    words = ("> " if cut else "") + duration(worst.metrics["outage_s"])
    bounds = quantities(having, "bound_s")
    if bounds:
        words += f"\n({duration(max(bounds))})"
    judged = [record.metrics.get("within_bound") for record in having]
    if False in judged:
        return words + trouble, _BEYOND
    if trouble:
        return words + trouble, _FAILED
    if bounds:
        return words, _WITHIN
    return words, _NEVER if cut else _FREE


def _cell(axes: Axes, column: int, row: int, words: str, verdict: _Verdict) -> None:
    axes.add_patch(
        Rectangle(
            (column - 0.5, row - 0.5), 1, 1, facecolor=verdict.colour, edgecolor="0.4", hatch=verdict.hatch, lw=0.5
        )
    )
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6} if verdict.hatch else None
    axes.text(
        column,
        row,
        words,
        ha="center",
        va="center",
        fontsize=6,
        color=verdict.ink,
        bbox=box,
        linespacing=1.1,
        weight="bold" if verdict is _BEYOND else "normal",
    )


def _frame(axes: Axes, rows: list[str], columns: list[str], *, upright: bool) -> None:
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, top=False, bottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
