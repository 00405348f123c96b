"""The events around one fault, in a lane for each source, on one time axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.figures.style import PAGE_IN, THEORY, Drawing, caption, empty, typical
from testbed.measure.outage import PROBE_COLUMNS
from testbed.measure.raw import Event, fault_windows, readable_timeline
from testbed.measure.requests import REQUEST_COLUMNS
from testbed.measure.table import Table, readable_csv
from testbed.results.result import Record, Run

_HEADER = ("trial", "lane", "t_s", "since_fault_s", "text")
#: The lanes from top to bottom; other sources follow below.
_ORDER = ("fault", "wire", "carrier", "bond", "team", "lacp", "openflow", "controller", "network")
#: The time shown before the fault and after traffic has recovered, as parts of the time between.
_BEFORE, _AFTER = 0.12, 0.35
_LEAST_S = 0.002
#: In inches: a letter of average width, the labels left of the axis, and the height of a row.
_LETTER_IN, _LEFT_IN, _ROW_IN = 0.048, 1.0, 0.125
#: So many rows a lane has; what finds no place in them is counted, and is in the table.
_ROWS = 12
#: The number of ticks that can be distinguished on the width of a page.
_TICKS = 600
#: By how much a gap between packets may differ from the outage that it is, for pauses of the sender are subtracted.
_ALIKE_S = 0.02


def lanes(run: Run) -> Drawing:
    """The events around the first fault of one trial: the one with the median outage."""
    text = "Events around one fault, by source; grey: the outage; ticks: received probe packets, or answers."
    usable = [r for r in run.records if fault_windows(_timeline(run, r))]
    record = typical([r for r in usable if r.metrics.get("outage_s")] or usable, "outage_s")
    if record is None:
        return empty(run, _HEADER, text, "no trial that ended well has a fault in its timeline.jsonl")
    events = _timeline(run, record)
    began_s, ended_s, _ = fault_windows(events)[0]
    probes = readable_csv(run.path / record.raw / "probe.csv", PROBE_COLUMNS)
    answers = readable_csv(run.path / record.raw / "requests.csv", REQUEST_COLUMNS)
    outage = _outage(probes, float(record.metrics.get("outage_s") or 0.0), began_s)
    left, right = _window(outage[1], events, began_s, ended_s)
    shown = [event for event in events if left <= float(event["t_s"]) - began_s <= right]
    by_lane: dict[str, list[Event]] = {}
    for event in shown:
        by_lane.setdefault(str(event.get("source")), []).append(event)
    order = [name for name in _ORDER if name in by_lane] + sorted(set(by_lane) - set(_ORDER))
    packets = _packets(probes, began_s, left, right) | _answers(answers, began_s, left, right)
    scale, unit = (1.0, "s") if right >= 2 else (1e3, "ms")
    placed = {name: _placed(by_lane[name], began_s, left, right) for name in order}
    rows_of = {name: [each for each in placed[name] if each[0] < _ROWS] for name in order}
    more = {name: len(placed[name]) - len(rows_of[name]) for name in order}
    height = {name: max(row for row, *_ in rows_of[name]) + 1 for name in order}
    total = sum(height.values()) + len(order) * 0.7 + len(packets)
    figure = Figure(figsize=(PAGE_IN, 0.6 + _ROW_IN * total), layout="constrained")
    axes = figure.add_subplot()
    table: list[tuple[Any, ...]] = []
    ticks: list[tuple[float, str]] = []
    top = 0.0
    for name in order:
        axes.axhspan(top - 0.35, top + height[name] - 0.35, color="0.96", zorder=0, linewidth=0)
        ticks.append((top + (height[name] - 1) / 2, f"{name}\n{more[name]} more" if more[name] else name))
        for row, at_s, words, leftward in rows_of[name]:
            _event(axes, at_s * scale, top + row, words, leftward=leftward)
        table += [
            (record.number, name, float(event["t_s"]), float(event["t_s"]) - began_s, describe(event))
            for event in by_lane[name]
        ]
        top += height[name] + 0.7
    for flow, times in packets.items():
        axes.plot([at * scale for at in times], [top] * len(times), "|", color="black", markersize=4, mew=0.5)
        ticks.append((top, flow))
        table += [(record.number, f"received {flow}", at + began_s, at, "") for at in times]
        top += 1
    if outage[1]:
        axes.axvspan(outage[0] * scale, outage[1] * scale, color=THEORY, alpha=0.18, linewidth=0, zorder=0.5)
    axes.axvline(0, color="black", linewidth=0.9, linestyle="--", zorder=1)
    axes.set_xlim(left * scale, right * scale)
    axes.set_ylim(top - 0.3, -0.7)
    axes.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"time since the fault ({unit})")
    case = ", ".join(f"{key} {record.case.get(key)}" for key in ("mode", "fault") if key in record.case)
    return Drawing(figure, _HEADER, table, caption(run, f"{text} Trial {record.number} ({case})."))


def _window(outage_end_s: float, events: list[Event], began_s: float, ended_s: float | None) -> tuple[float, float]:
    """From shortly before the fault to shortly after traffic recovered, or after the last event before the repair."""
    ended_s = float(events[-1]["t_s"]) if ended_s is None else ended_s
    during = [float(e["t_s"]) - began_s for e in events if began_s < float(e["t_s"]) < ended_s]
    length = max([outage_end_s, _LEAST_S, *during])
    right = min((1 + _AFTER) * length, ended_s - began_s)
    return -_BEFORE * length, right if outage_end_s <= right else (1 + _AFTER) * outage_end_s


def describe(event: Event) -> str:
    """An event in a few words: where, what, and the new value."""
    kind = str(event.get("event", ""))
    where = event.get("interface") or event.get("port") or event.get("element") or event.get("host") or ""
    words = [str(event["fault"]) if "fault" in event else "", str(where), kind.replace("_", " ")]
    if event.get("machine"):
        words[2] = str(event["machine"])
    if "new" in event:
        words.append(f"{_level(event['new'])}")
    elif "carrier" in event:
        words.append(_level(event["carrier"]))
    return " ".join(word for word in words if word)


def _level(value: Any) -> str:
    return {True: "up", False: "down", None: "none", "": "none"}.get(value, str(value))


def _placed(events: list[Event], began_s: float, left: float, right: float) -> list[tuple[int, float, str, bool]]:
    """For each event of a lane the row, the time, the words, and whether these are left of their mark.

    So no words overlap others or leave the figure. Events with the same words at the same place are shown once, with
    their number.
    """
    inch_s = (right - left) / (PAGE_IN - _LEFT_IN)
    merged: list[tuple[float, str, int]] = []
    for event in events:
        at_s, words = float(event["t_s"]) - began_s, describe(event)
        if merged and merged[-1][1] == words and at_s - merged[-1][0] < 0.08 * inch_s:
            merged[-1] = (*merged[-1][:2], merged[-1][2] + 1)
        else:
            merged.append((at_s, words, 1))
    free: list[float] = []
    found = []
    for at_s, words, times in merged:
        text = f"{words} ({times} times)" if times > 1 else words
        length = (len(text) * _LETTER_IN + 0.12) * inch_s
        leftward = at_s + length > right
        begin = at_s - length if leftward else at_s
        row = next((place for place, until in enumerate(free) if until <= begin), len(free))
        if row == len(free):
            free.append(0.0)
        free[row] = begin + length
        found.append((row, at_s, text, leftward))
    return found


def _event(axes: Axes, at: float, row: float, words: str, *, leftward: bool) -> None:
    axes.plot([at], [row], marker="o", color="#0072B2", markersize=2.6, clip_on=False, zorder=4)
    axes.annotate(
        words,
        (at, row),
        (-3 if leftward else 3, 0),
        textcoords="offset points",
        ha="right" if leftward else "left",
        va="center",
        fontsize=6,
        zorder=3,
    )


def _timeline(run: Run, record: Record) -> list[Event]:
    return readable_timeline(run.path / record.raw / "timeline.jsonl")


def _packets(table: Table, began_s: float, left: float, right: float) -> dict[str, list[float]]:
    """When the packets of each probe flow arrived, in the window: as many as can be distinguished."""
    found = {}
    for flow, rows in sorted(table.by("flow").items()):
        at_s = table["received_s"][rows] - began_s
        found[flow] = _apart(sorted(at_s[(at_s >= left) & (at_s <= right)].tolist()), (right - left) / _TICKS)
    return found


def _answers(table: Table, began_s: float, left: float, right: float) -> dict[str, list[float]]:
    """When requests succeeded, in the window."""
    done = zip(table["done_s"].tolist(), table["status"].tolist(), strict=True)
    times = sorted(at - began_s for at, status in done if status.startswith("2") and left <= at - began_s <= right)
    return {"answers": _apart(times, (right - left) / _TICKS)} if times else {}


def _apart(times: list[float], least_s: float) -> list[float]:
    kept: list[float] = []
    for at in times:
        if not kept or at - kept[-1] >= least_s:
            kept.append(at)
    return kept


def _outage(table: Table, outage_s: float, began_s: float) -> tuple[float, float]:
    """When the outage began and ended, after the fault: the gap in a flow's packets that is as long; (0, 0) for none.

    Without such a gap, as for an outage that is no probe's, it begins with the fault.
    """
    gaps: list[tuple[float, float]] = []
    for rows in table.by("flow").values():
        at_s = table["received_s"][rows] - began_s
        at_s = np.sort(at_s[at_s >= -_ALIKE_S])
        gaps += zip(at_s[:-1].tolist(), at_s[1:].tolist(), strict=True)
    differs = {gap: abs(gap[1] - gap[0] - outage_s) for gap in gaps}
    found = min(differs, key=differs.__getitem__, default=None)
    return found if outage_s and found and differs[found] <= _ALIKE_S else (0.0, outage_s)
