"""How long a monitor took to detect faults, against the uniform distribution of theory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed import stats
from testbed.figures.curves import Law, draw_law, draw_steps, law_of
from testbed.figures.style import COLUMN_IN, Drawing, Series, apart, caption, empty, entitle, legend_above, series
from testbed.results.result import Run

#: If times are longer than others by this factor, they need an axis of their own.
_APART = 10.0
#: The least range of an axis, in seconds: where all times are 0.
_LEAST_S = 1e-3
_HEADER = (
    "series",
    "detection_s",
    "share",
    "low_s",
    "high_s",
    "n",
    "unnoticed",
    "ks_distance",
    "ks_p",
    "end_low_s",
    "end_high_s",
)


def detection(run: Run) -> Drawing:
    """The distribution of detection times and the uniform one, with the p value of the Kolmogorov-Smirnov test."""
    text = "Share of faults that were detected within each time, a panel for each case, with the uniform distribution"
    text += (
        " of theory and the band that holds 95 % of samples of that size; p: Kolmogorov-Smirnov test; end: the exact"
    )
    text += " 95 % interval of the uniform distribution's end, from the largest time; both from"
    text += f" {stats.LEAST_FOR_LAW} times on; no law: theory gives none for that case."
    cases = [found for group in series(run) if (found := _Found.of(group)).times]
    if not cases:
        return empty(run, _HEADER, text, "no trial has a detection time")
    ranges = _ranges(cases)
    figure = Figure(figsize=(COLUMN_IN, 0.85 + 1.0 * len(cases)), layout="constrained")
    grid = figure.subplots(len(cases), 1, squeeze=False)[:, 0]
    rows: list[tuple[Any, ...]] = []
    for place, (axes, found, (left_s, right_s)) in enumerate(zip(grid, cases, ranges, strict=True)):
        scale, unit = (1.0, "s") if right_s >= 1 else (1e3, "ms")
        rows += _draw(axes, found, right_s, scale)
        axes.set_xlim(left_s * scale, right_s * scale)
        axes.set_ylim(-0.03, 1.05)
        axes.set_yticks([0, 0.5, 1], ["0", "", "1"])
        # A panel with the range of the next one shares its axis.
        shared = place + 1 < len(cases) and ranges[place + 1] == (left_s, right_s)
        axes.tick_params(axis="x", labelbottom=not shared)
        if not shared:
            axes.set_xlabel(f"detection time ({unit})")
    lines = sum(axes.get_title(loc="left").count("\n") for axes in grid)
    figure.set_figheight(figure.get_figheight() + 0.1 * lines)
    figure.supylabel("share of faults", fontsize=8)
    legend_above(figure, *grid, columns=2)
    return Drawing(figure, _HEADER, rows, caption(run, text))


@dataclass(frozen=True)
class _Found:
    """The detection times of a series, how many faults were not detected, and the interval of theory for the times."""

    group: Series
    times: list[float]
    unnoticed: int
    law: Law | None

    @classmethod
    def of(cls, group: Series) -> _Found:
        return cls(group, *_times(group), law_of(group))

    @property
    def low_s(self) -> float:
        """The smallest value that is drawn."""
        return min(self.times + list(self.law.times if self.law else ()))

    @property
    def most_s(self) -> float:
        """The largest value that is drawn."""
        return max(self.times + list(self.law.times if self.law else ()))


def _ranges(cases: list[_Found]) -> list[tuple[float, float]]:
    """The range of each panel's axis, in seconds: the same for all cases that can be distinguished on one axis."""
    together: list[list[_Found]] = []
    for found in sorted(cases, key=lambda found: found.most_s):
        if together and found.most_s <= _APART * together[-1][0].most_s:
            together[-1].append(found)
        else:
            together.append([found])
    ranges = {}
    for group in together:
        left_s, right_s = min(found.low_s for found in group), max(found.most_s for found in group)
        for found in group:
            ranges[id(found)] = (max(0.0, left_s - 0.15 * (right_s - left_s)), 1.04 * max(right_s, _LEAST_S))
    return [ranges[id(found)] for found in cases]


def _draw(axes: Axes, found: _Found, right_s: float, scale: float) -> list[tuple[Any, ...]]:
    """Draw a series; its rows of the table."""
    group, times, total = found.group, found.times, len(found.times) + found.unnoticed
    ends = (found.law.times[0], found.law.times[-1]) if found.law else None
    # The test is that of a uniform law, which alone is known by its two ends.
    uniform = found.law is not None and len(found.law.times) == 2 and len(times) >= stats.LEAST_FOR_LAW
    fit = stats.uniform_fit(times, *ends) if uniform and ends else None
    if found.law:
        draw_law(axes, found.law, len(times), right_s, scale)
    draw_steps(axes, times, total, group.look, right_s, scale)
    words = f"{group.name}: n = {len(times)}" + (f", p = {fit.p:.2g}" if fit else "")
    words += f", {found.unnoticed} unnoticed" if found.unnoticed else ""
    words += "" if found.law else ", no law"
    verdict: tuple[float | None, ...] = (None,) * 4
    last_words = ""
    if fit and ends:
        last = stats.high_end_interval(times, ends[0])
        verdict = (fit.distance, fit.p, *last)
        shown = " to ".join(f"{end * scale:.4g}" for end in last)
        last_words = f"end {shown} {'s' if scale == 1 else 'ms'}"
    entitle(axes, apart(words, last_words), last_words)
    shared = *(ends or (None, None)), len(times), found.unnoticed, *verdict
    steps = zip(*stats.ecdf(times, total), strict=True)
    return [(group.name, float(at), float(share), *shared) for at, share in steps]


def _times(group: Series) -> tuple[list[float], int]:
    """Every detection time of a series, and how many faults were not detected."""
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
