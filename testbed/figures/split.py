"""The breakdown of outages: detection, decision, programming, forwarding."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from testbed.figures.curves import briefly
from testbed.figures.style import COLUMN_IN, Drawing, caption, duration, empty, legend_above
from testbed.results.result import Record, Run

#: The parts of an outage in the order of time, with colour and hatch. They can be distinguished in grey as well.
PARTS = {
    "detection": ("#0072B2", ""),
    "decision": ("#D55E00", "////"),
    "programming": ("#56B4E9", "...."),
    "forwarding": ("#F0E442", "\\\\\\\\"),
}
_HEADER = ("series", "n", "parted", *(f"mean_{part}_s" for part in PARTS), "mean_outage_s")


def split(run: Run) -> Drawing:
    """The mean of each part of the outage, as bars that add up to the mean outage."""
    text = "Parts of the outage: means over the trials that have a breakdown, so that the parts add up. Below each bar"
    text += " its parts in order of time; times below 10 us are below the resolution of the clock."
    found = [(group, [record for record in group.usable if _parts(record)]) for group in briefly(run)]
    rows: list[tuple[Any, ...]] = []
    for group, parted in found:
        means: list[float | None] = [None] * (len(PARTS) + 1)
        if parted:
            columns = list(zip(*(_parts(record) or [] for record in parted), strict=True))
            # A part that a trial does not have takes no time in it; one that none has is not there.
            means = [
                sum(value or 0.0 for value in column) / len(parted) if any(v is not None for v in column) else None
                for column in columns
            ]
            means.append(sum(float(record.metrics["outage_s"]) for record in parted) / len(parted))
        rows.append((group.name, len(group.records), len(parted), *means))
    shown = [row for row in rows if row[2]]
    if not shown:
        return empty(run, _HEADER, text, "the outage of no trial could be split")
    longest_s = max(row[-1] for row in shown)
    scale, unit = (1.0, "s") if longest_s >= 1 else (1e3, "ms")
    figure = Figure(figsize=(COLUMN_IN, 0.95 + 0.36 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        left = 0.0
        for (part, (colour, hatch)), mean in zip(PARTS.items(), row[3:-1], strict=True):
            width = (mean or 0.0) * scale
            axes.barh(
                place, width, 0.55, left=left, color=colour, hatch=hatch, edgecolor="white", label=part, linewidth=0.3
            )
            left += width
        words = f"{duration(row[-1])}, n = {row[2]}" if row[2] else "not split"
        axes.annotate(words, (left, place), (3, 0), textcoords="offset points", va="center", fontsize=6.5)
        if row[2]:  # the length of a part that is too short to see
            parts = " | ".join("none" if mean is None else duration(mean) for mean in row[3:-1])
            axes.annotate(parts, (0, place + 0.275), (2, -1), textcoords="offset points", va="top", fontsize=5.5)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.5)
    axes.set_xlim(0, max(longest_s * scale, 1e-3) * 1.35)
    axes.set_xlabel(f"time since the fault ({unit})")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    legend_above(figure, axes, columns=4)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _parts(record: Record) -> list[float | None] | None:
    """The parts of a trial's outage, each None if it does not exist; None if the outage has no breakdown."""
    values = [record.metrics.get(f"{part}_s") for part in PARTS]
    # With the detection alone, or without an outage, there is no breakdown.
    if all(value is None for value in values[1:]) or record.metrics.get("outage_s") is None:
        return None
    return [None if value is None else float(value) for value in values]
