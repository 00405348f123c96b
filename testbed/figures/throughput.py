"""The rate of each member link over the time of one trial, stacked, with the faults marked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.figures.style import (
    COLUMN_IN,
    LOOKS,
    Drawing,
    Series,
    caption,
    empty,
    legend_above,
    series,
    typical,
)
from testbed.measure import rates as member_rates
from testbed.measure.raw import fault_windows, readable_timeline
from testbed.measure.table import readable_csv
from testbed.results.result import Record, Run

_HEADER = ("series", "trial", "interface", "begin_s", "end_s", "sent_mbps")
#: The number of panels that fit below each other.
_MOST_PANELS = 6

#: For each interface: the ends of the periods, and the rate sent in each, in Mbit/s of frames as its counter has them.
Rates = dict[str, tuple[list[float], list[float]]]


def throughput(run: Run) -> Drawing:
    """Rates of the sending host's members over time, of one trial of each series: the one with the median goodput."""
    text = "Rate that each member of the sending host sent over the time of one trial, stacked: of each case the trial"
    text += " with the median goodput. Octets of whole frames, by the kernel's counters. Grey: while a fault lasted."
    panels: list[tuple[Series, Record, Rates]] = []
    for group in series(run):
        record = typical(group.records, "goodput_mbps")
        rates = sending(run.path / record.raw / "member_rates.csv") if record else {}
        if record and rates:
            panels.append((group, record, rates))
    if not panels:
        return empty(run, _HEADER, text, "no trial has the file member_rates.csv")
    if len(panels) > _MOST_PANELS:
        text += f" The first {_MOST_PANELS} of {len(panels)} cases."
        panels = panels[:_MOST_PANELS]
    figure = Figure(figsize=(COLUMN_IN, 0.75 + 1.2 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    names = list(dict.fromkeys(name for _, _, rates in panels for name in rates))
    rows: list[tuple[Any, ...]] = []
    for axes, (group, record, rates) in zip(grid, panels, strict=True):
        scale = 1e3 if sum(max(sent) for _, sent in rates.values()) >= 2000 else 1.0
        _stack(axes, rates, names, scale)
        origin_s = min(times[0] for times, _ in rates.values())
        _faults(axes, fault_windows(readable_timeline(run.path / record.raw / "timeline.jsonl")), origin_s)
        axes.set_title(f"{group.name} (trial {record.number})", loc="left", fontsize=7, pad=3)
        axes.set_ylabel(f"sent ({'Gbit/s' if scale > 1 else 'Mbit/s'})")
        for name, (times, sent) in rates.items():
            for place, rate in enumerate(sent):
                rows.append((group.name, record.number, name, times[place], times[place + 1], rate))
    grid[-1].set_xlabel("time since the first sample (s)")
    legend_above(figure, *grid, columns=4)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def sending(path: Path) -> Rates:
    """The rates of the members of the host that sent most, from a member_rates.csv; none if it cannot be read."""
    table = readable_csv(path, member_rates.COLUMNS)
    found = {
        name: list(zip(table["t_s"][rows].tolist(), table["tx_bytes"][rows].tolist(), strict=True))
        for name, rows in table.by("interface").items()
    }
    sent: dict[str, int] = {}
    for name, points in found.items():
        host = name.partition("-")[0]
        sent[host] = sent.get(host, 0) + points[-1][1] - points[0][1]
    if not sent:
        return {}
    most = max(sent, key=lambda host: sent[host])
    rates: Rates = {}
    for name, points in found.items():
        steps = [
            (later[0], (later[1] - earlier[1]) * 8e-6 / (later[0] - earlier[0]))
            for earlier, later in itertools.pairwise(points)
            if later[0] > earlier[0]
        ]
        if name.partition("-")[0] == most and steps:
            rates[name] = [points[0][0], *(at for at, _ in steps)], [rate for _, rate in steps]
    return rates


def _stack(axes: Axes, rates: Rates, names: list[str], scale: float) -> None:
    ends = sorted({at for times, _ in rates.values() for at in times})
    below = np.zeros(len(ends) - 1)
    middles = (np.array(ends[:-1]) + np.array(ends[1:])) / 2
    across = np.repeat(np.array(ends) - ends[0], 2)[1:-1]
    for name, (times, sent) in rates.items():
        places = np.searchsorted(times, middles) - 1
        own = np.where((places >= 0) & (places < len(sent)), np.take(sent, places, mode="clip"), 0.0) / scale
        look = LOOKS[names.index(name) % len(LOOKS)]
        axes.fill_between(
            across,
            np.repeat(below, 2),
            np.repeat(below + own, 2),
            facecolor=look.colour,
            edgecolor="white",
            hatch=look.hatch,
            linewidth=0.0,
            label=name,
        )
        below = below + own
    axes.set_xlim(0, across[-1])
    axes.set_ylim(0, max(float(below.max()) * 1.28, 1e-3))  # room for the names of faults


def _faults(axes: Axes, faults: list[tuple[float, float | None, str]], origin_s: float) -> None:
    right = axes.get_xlim()[1]
    for began_s, ended_s, name in faults:
        begin, end = began_s - origin_s, right if ended_s is None else ended_s - origin_s
        if end < 0 or begin > right:
            continue
        axes.axvspan(max(begin, 0), min(end, right), color="0.5", alpha=0.25, linewidth=0, zorder=0)
        axes.axvline(begin, color="black", linewidth=0.8, linestyle="--", zorder=4)
        axes.annotate(name, (begin, 1), (2, -7), xycoords=("data", "axes fraction"), textcoords="offset points", size=6)
