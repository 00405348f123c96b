"""What TCP flows made of a fault: how long each stood still, against when the bond had taken the member out."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed import theory
from testbed.figures.style import COLUMN_IN, THEORY, Drawing, caption, empty, legend_above, series
from testbed.results.result import Record, Run, quantities

_HEADER = ("series", "trial", "flow", "status", "noticed_ms", "stall_ms")
#: Points at which theory's steps are drawn.
_POINTS = 2000


def stall(run: Run) -> Drawing:
    """The longest stall of every flow of every trial, beside what TCP's timers make of a path that is away as long."""
    text = "Longest time in which a flow delivered nothing, for every flow of every trial, against the time until the"
    text += (
        " bond took the member out. Grey: when a sender that hears nothing until then tries next, and when it probes"
    )
    text += " again if it takes that try for a mistake (F-RTO)."
    rows = [(group.name, *row) for group in series(run) for record in group.records for row in _rows(record)]
    if not rows:
        return empty(run, _HEADER, text, "no trial has a flow that stood still for a known time")
    groups = series(run)
    figure = Figure(figsize=(COLUMN_IN, 2.4 + 0.07 * (len(groups) + 2)), layout="constrained")
    axes = figure.add_subplot()
    right = 1.08 * max(row[4] for row in rows)
    _theory(axes, right, _round_trip_s(run))
    for group in groups:
        own = [row for row in rows if row[0] == group.name]
        axes.plot(
            [row[4] for row in own],
            [row[5] for row in own],
            linestyle="",
            marker=group.look.marker,
            color=group.look.colour,
            markersize=3.5,
            markeredgecolor="white",
            markeredgewidth=0.3,
            label=group.name,
            zorder=3,
        )
    axes.set_xlim(0, right)
    axes.set_ylim(0, 1.15 * max(row[5] for row in rows))
    axes.set_xlabel("until the bond took the member out (ms)")
    axes.set_ylabel("stall of a TCP flow (ms)")
    legend_above(figure, axes, columns=2)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _rows(record: Record) -> list[tuple[Any, ...]]:
    """Of each flow of a trial: trial, flow, status, and both times in ms; none of a trial in which nobody noticed."""
    noticed_s = record.metrics.get("noticed_s")
    if noticed_s is None:
        return []
    return [
        (record.number, flow, record.status, noticed_s * 1e3, found["stall_s"] * 1e3)
        for flow, found in record.metrics["flows"].items()
    ]


def _round_trip_s(run: Run) -> float:
    """The median round-trip time of the trials in which a flow waited for a timeout; of all, if none did."""
    waited = [r for r in run.records if float(r.metrics.get("stall_s", 0.0)) > theory.RTO_MIN_S]
    return statistics.median(quantities(waited or run.records, "rtt_s"))


def _theory(axes: Axes, right: float, rtt_s: float) -> None:
    across = np.linspace(0, right, _POINTS)
    tries = [theory.next_try_s(at / 1e3, rtt_s) * 1e3 for at in across]
    mistaken = [theory.mistaken_s(at / 1e3, rtt_s) * 1e3 for at in tries]
    for heights, label, line, width in (
        (across, "as long as the outage", ":", 0.6),
        (tries, "TCP's next try, by theory", "-", 1.0),
        (mistaken, "if taken for a mistake", "--", 0.8),
    ):
        axes.plot(across, heights, color=THEORY, linewidth=width, linestyle=line, label=label, zorder=1)
