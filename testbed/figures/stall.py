"""Stalls of TCP flows after a fault, against the time until the bond stopped using the member."""

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
#: The number of points at which the steps of theory are drawn.
_POINTS = 2000


def stall(run: Run) -> Drawing:
    """The longest stall of every flow of every trial, with the stall by TCP's timers for a path that fails as long."""
    text = "Longest time in which a flow delivered nothing, for every flow of every trial, against the time until the"
    text += " bond stopped using the member. Grey: when a sender without acknowledgements until then tries next, and"
    text += " when it probes again if it takes the timeout for spurious (F-RTO)."
    rows = [(group.name, *row) for group in series(run) for record in group.records for row in _rows(record)]
    if not rows:
        return empty(run, _HEADER, text, "no trial has a flow that stalled for a known time")
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
    """For each flow of a trial: trial, flow, status, and both times in ms; none if the fault was not detected."""
    noticed_s = record.metrics.get("noticed_s")
    if noticed_s is None:
        return []
    return [
        (record.number, flow, record.status, noticed_s * 1e3, found["stall_s"] * 1e3)
        for flow, found in record.metrics["flows"].items()
    ]


def _round_trip_s(run: Run) -> float:
    """The median round-trip time of the trials in which a flow waited for a timeout; of all trials if none did."""
    waited = [r for r in run.records if float(r.metrics.get("stall_s", 0.0)) > theory.RTO_MIN_S]
    return statistics.median(quantities(waited or run.records, "rtt_s"))


def _theory(axes: Axes, right: float, rtt_s: float) -> None:
    across = np.linspace(0, right, _POINTS)
    tries = [theory.next_try_s(at / 1e3, rtt_s) * 1e3 for at in across]
    # The receiver sees the probe a round trip after the try: that long the try's acknowledgement took.
    mistaken = [theory.mistaken_s(at / 1e3 + rtt_s, rtt_s) * 1e3 for at in tries]
    for heights, label, line, width in (
        (across, "as long as the outage", ":", 0.6),
        (tries, "TCP's next try, by theory", "-", 1.0),
        (mistaken, "if taken for a mistake", "--", 0.8),
    ):
        axes.plot(across, heights, color=THEORY, linewidth=width, linestyle=line, label=label, zorder=1)
