"""The downtime of a network in a year as bars: one for each element, the longest first."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from testbed.figures.style import COLUMN_IN, THEORY, Drawing, applied, legend_above
from testbed.theory.availability import Availability, Contribution

_HEADER = (
    *("element", "kind", "failures_a_year", "apart_low_s", "apart_high_s", "uncovered_s", "switch_low_s"),
    *("switch_high_s", "total_low_s", "total_high_s"),
)
#: So many elements have a bar; less than so much of the longest is not shown.
_MOST, _LEAST = 30, 1e-6
#: What makes most of a bar, with its colour and hatch (M. Okabe, K. Ito, "Color Universal Design", 2008).
_PARTS = (
    ("until a repair", "#D55E00", ""),
    ("failed switch-over", "#CC79A7", "xxxx"),
    ("switch-over", "#0072B2", "////"),
)
_TICKS = {1e-6: "1 us", 1e-3: "1 ms", 1.0: "1 s", 60.0: "1 min", 3600.0: "1 h", 86400.0: "1 d"}


def downtime(found: Availability, between: str, assumed: str) -> Drawing:
    """What each element costs in a year: at least as a bar, coloured by what makes most of it, at most as a line.

    ``between`` names the hosts, ``assumed`` the parameters; both are for the caption.
    """
    ordered = sorted(found.contributions, key=lambda each: -each.total_s.high)
    rows = [_row(each) for each in ordered]
    shown = [each for each in ordered if each.total_s.high > 0][:_MOST]
    text = (
        f"Expected downtime a year of the traffic between {between}, by the element that causes it: at least (bars; the"
        f" colour: what makes most of it) and at most (lines). {assumed}"
    )
    if len(ordered) > len(shown):
        text += f" {len(ordered) - len(shown)} more elements cost less."
    with applied():
        figure = Figure(figsize=(COLUMN_IN, 0.9 + 0.16 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        longest = max((each.total_s.high for each in shown), default=1.0)
        least = max(min((each.total_s.high for each in shown), default=1.0) / 10, longest * _LEAST)
        for place, each in enumerate(shown):
            low, high = each.total_s.low, each.total_s.high
            parts = (each.apart_s.low, each.uncovered_s.low, each.switch_s.low)
            label, colour, hatch = _PARTS[parts.index(max(parts))]
            if low > least:
                axes.barh(place, low - least, left=least, color=colour, hatch=hatch, edgecolor="white", label=label)
            if high > low * (1 + 1e-6):
                axes.plot([max(low, least), high], [place, place], "-|", color=THEORY, markersize=5, label="at most")
        axes.set_yticks(range(len(shown)), [each.event.name for each in shown], fontsize=6)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.set_xlim(least, longest * 2)
        ticks = [at for at in _TICKS if least <= at <= longest * 2]
        axes.set_xticks(ticks, [_TICKS[at] for at in ticks])
        axes.minorticks_off()
        axes.set_xlabel("downtime a year")
        axes.grid(axis="y", visible=False)
        legend_above(figure, axes, columns=4)
    return Drawing(figure, _HEADER, rows, text)


def _row(each: Contribution) -> tuple[Any, ...]:
    return (
        *(each.event.name, each.event.kind, each.event.rate.failures_a_year, each.apart_s.low, each.apart_s.high),
        *(each.uncovered_s.low, each.switch_s.low, each.switch_s.high, each.total_s.low, each.total_s.high),
    )
