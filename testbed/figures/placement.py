"""The member of each flow: measured, and predicted by the hash."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from testbed.figures.curves import briefly
from testbed.figures.style import COLUMN_IN, Drawing, caption, empty
from testbed.results.result import Record, Run

#: With more members than these, the two panels stand above each other.
_MOST_BESIDE = 4
_HEADER = ("series", "member", "n", "as_predicted", "predicted_flows", "measured_flows")


def placement(run: Run) -> Drawing:
    """Flows on each member, summed over the trials of a case: predicted and measured, cell by cell."""
    text = "Flows on each member link of the sending host, summed over the trials of a case: (a) predicted by the"
    text += (
        " driver's hash, (b) measured. Framed: where they differ. Right: trials in which every member is as predicted."
    )
    found = [(group.name, [record for record in group.usable if _both(record)]) for group in briefly(run)]
    found = [(name, records) for name, records in found if records]
    if not found:
        return empty(run, _HEADER, text, "no trial has both predicted and measured flows")
    width = max(len(_both(record)[0]) for _, records in found for record in records)
    sums = [np.sum([_padded(record, width) for record in records], axis=0) for _, records in found]
    agreed = [sum(_same(record) for record in records) for _, records in found]
    beside = width <= _MOST_BESIDE
    row_in = 0.17 * len(found) + 0.45
    figure = Figure(figsize=(COLUMN_IN, 0.3 + row_in * (1 if beside else 2)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True) if beside else figure.subplots(2, 1)
    most = max(float(np.nanmax(table)) for table in sums)
    rows: list[tuple[Any, ...]] = []
    for place, ((name, records), table, same) in enumerate(zip(found, sums, agreed, strict=True)):
        for member in range(width):
            if np.isnan(table[0, member]):
                continue
            differs = table[0, member] != table[1, member]
            for axes, value in zip(panels, table[:, member], strict=True):
                _cell(axes, member, place, float(value), most, framed=differs)
            rows.append((name, member, len(records), same, int(table[0, member]), int(table[1, member])))
        panels[1].annotate(
            f"{same} of {len(records)}", (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=6
        )
    for letter, axes in zip(("(a) predicted", "(b) measured"), panels, strict=True):
        axes.set_title(letter, loc="left")
        axes.set_xlim(-0.53, width - 0.47)
        axes.set_ylim(len(found) - 0.45, -0.55)
        axes.set_xticks(range(width))
        axes.set_yticks(range(len(found)), [name for name, _ in found], fontsize=6)
        axes.set_xlabel("member")
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _both(record: Record) -> list[list[int]]:
    """Predicted and measured flows by member; empty if the trial lacks one of them."""
    predicted, measured = (record.metrics.get(f"{kind}_member_flows") for kind in ("predicted", "measured"))
    if not isinstance(predicted, list) or not isinstance(measured, list) or len(predicted) != len(measured):
        return []
    return [predicted, measured]


def _same(record: Record) -> bool:
    predicted, measured = _both(record)
    return predicted == measured


def _padded(record: Record, width: int) -> Any:
    table = np.full((2, width), np.nan)
    for row, flows in enumerate(_both(record)):
        table[row, : len(flows)] = flows
    return table


def _cell(axes: Axes, member: int, row: int, value: float, most: float, *, framed: bool) -> None:
    """A cell from white (no flow) to dark blue (the most), with its number."""
    part = value / most if most else 0.0
    colour = tuple(1 + part * (end - 1) for end in (0.0, 0.27, 0.47))
    edge, line = ("#D55E00", 1.6) if framed else ("0.8", 0.4)
    zorder = 3 if framed else 2
    axes.add_patch(Rectangle((member - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor=edge, lw=line, zorder=zorder))
    ink = "white" if part > 0.5 else "black"
    axes.text(member, row, f"{value:g}", ha="center", va="center", fontsize=5.5, color=ink, zorder=4)
