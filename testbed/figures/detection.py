"""How long a monitor took to notice, against the uniform distribution of theory."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed import stats
from testbed.figures.style import COLUMN_IN, THEORY, Drawing, Series, caption, empty, legend_above, series
from testbed.result import Run, quantities

_HEADER = ("series", "detection_s", "share", "low_s", "high_s", "n", "unnoticed", "ks_distance", "ks_p")


def detection(run: Run) -> Drawing:
    """The distribution of detection times and the uniform one, with the p value of Kolmogorov and Smirnov."""
    text = "Share of faults that were noticed within each time, beside the uniform distribution of theory (grey) and"
    text += " the band that holds 95 % of samples of that size; p: the test of Kolmogorov and Smirnov."
    groups = [(group, *_times(group)) for group in series(run)]
    groups = [entry for entry in groups if entry[1]]
    if not groups:
        return empty(run, _HEADER, text, "no trial has a detection time")
    figure = Figure(figsize=(COLUMN_IN, 2.6), layout="constrained")
    axes = figure.add_subplot()
    most_s = max([max(values) for _, values, _ in groups] + [w[1] for g, _, _ in groups if (w := _window(g))])
    scale, unit = (1.0, "s") if most_s >= 1 else (1e3, "ms")
    rows: list[tuple[Any, ...]] = []
    for group, values, unnoticed in groups:
        window = _window(group)
        fit = stats.uniform_fit(values, *window) if window else None
        verdict = (fit.distance, fit.p) if fit else (None, None)
        across, up = stats.ecdf(values, len(values) + unnoticed)
        low, high = window or (None, None)
        for at, share in zip(across, up, strict=True):
            rows.append((group.name, float(at), float(share), low, high, len(values), unnoticed, *verdict))
        if window:
            _theory(axes, window, len(values), scale)
        words = f"{group.name}: n = {len(values)}" + (f", p = {fit.p:.2g}" if fit else "")
        words += f", {unnoticed} unnoticed" if unnoticed else ""
        ends = np.concatenate([[0.0], across, [most_s * 1.2]]) * scale
        shares = np.concatenate([[0.0], up, up[-1:]])
        axes.step(ends, shares, where="post", color=group.look.colour, linestyle=group.look.line, label=words, zorder=3)
    axes.set_xlim(0, most_s * 1.08 * scale)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(f"detection time ({unit})")
    axes.set_ylabel("share of faults")
    legend_above(figure, axes, columns=1)
    return Drawing(figure, _HEADER, rows, caption(run, text))


def _times(group: Series) -> tuple[list[float], int]:
    """Every detection time of a series, and how many faults nobody noticed."""
    found: list[float] = []
    unnoticed = 0
    for record in group.records:
        listed = record.metrics.get("detections_s", [record.metrics.get("detection_s")])
        if record.status == "failed":
            continue
        times = [float(value) for value in listed if isinstance(value, int | float)]
        found += times
        unnoticed += len(listed) - len(times)
    return found, unnoticed


def _window(group: Series) -> tuple[float, float] | None:
    """The interval over which theory spreads the detection evenly: its mean and its end are metrics."""
    expected, bound = (next(iter(quantities(group.records, name)), None) for name in ("expected_s", "bound_s"))
    return None if expected is None or bound is None or bound <= 0 else (2 * expected - bound, bound)


def _theory(axes: Axes, window: tuple[float, float], n: int, scale: float) -> None:
    low, high = window
    across = np.linspace(low, high, 101)
    shares = (across - low) / (high - low)
    below, above = stats.dkw_band(shares, n)
    axes.fill_between(across * scale, below, above, color="0.85", linewidth=0, zorder=0, label="95 % of samples")
    axes.plot(across * scale, shares, color=THEORY, linewidth=1.2, zorder=1, label="uniform, by theory")
