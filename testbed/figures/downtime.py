"""The downtime of a network in a year as bars, the longest first: one for the elements of a kind that cost the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.figure import Figure

from testbed.figures.style import COLUMN_IN, THEORY, Drawing, applied, legend_above
from testbed.theory.availability import Availability, Contribution

_HEADER = (
    *("element", "kind", "failures_a_year", "apart_low_s", "apart_high_s", "uncovered_s", "switch_low_s"),
    *("switch_high_s", "total_low_s", "total_high_s"),
)
#: So many bars there are at the most; less than so much of the longest is not drawn.
_MOST, _LEAST = 40, 1e-9
#: So many elements a bar names; of more it says how many they are.
_NAMED = 2
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
    alike = _alike(each for each in ordered if each.total_s.high > 0)
    bars, left_out = alike[:_MOST], [each for group in alike[_MOST:] for each in group]
    free = [each for each in ordered if each.total_s.high <= 0]
    silent = set(found.not_known)
    text = (
        f"Expected downtime a year of the traffic between {between}, by the element that causes it, of several that are"
        " alike for each: at least (bars; the colour: what makes most of it) and at most (lines; dashed where theory"
        f" does not say whether the element is survived). {assumed}"
    )
    notes = [_note("Not drawn, less than these", left_out), _note("At no cost", free)]
    with applied():
        figure = Figure(figsize=(COLUMN_IN, 1.0 + 0.16 * len(bars)), layout="constrained")
        axes = figure.add_subplot()
        longest = max((group[0].total_s.high for group in bars), default=1.0)
        least = max(min((group[0].total_s.high for group in bars), default=1.0) / 10, longest * _LEAST)
        for place, (each, *_) in enumerate(bars):
            low, high = each.total_s.low, each.total_s.high
            parts = (each.apart_s.low, each.uncovered_s.low, each.switch_s.low)
            label, colour, hatch = _PARTS[parts.index(max(parts))]
            if low > least:
                axes.barh(place, low - least, left=least, color=colour, hatch=hatch, edgecolor="white", label=label)
            if high > low * (1 + 1e-6):
                style, label = ("-", "at most") if frozenset(each.event.elements) not in silent else ("--", "not known")
                axes.plot([max(low, least), high], [place, place], style, color=THEORY, label=label, zorder=3)
                axes.plot([high], [place], "|", color=THEORY, markersize=5)
        axes.set_yticks(range(len(bars)), [_label(group) for group in bars], fontsize=6)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.set_xlim(least, longest * 2)
        ticks = [at for at in _TICKS if least <= at <= longest * 2]
        axes.set_xticks(ticks, [_TICKS[at] for at in ticks])
        axes.minorticks_off()
        axes.set_xlabel("\n".join(filter(None, ("downtime a year, of each", *notes))))
        axes.grid(axis="y", visible=False)
        legend_above(figure, axes, columns=4)
    return Drawing(figure, _HEADER, rows, text)


def _alike(ordered: Iterable[Contribution]) -> list[list[Contribution]]:
    """The elements of one kind that cost the same, together."""
    found: dict[tuple[Any, ...], list[Contribution]] = {}
    for each in ordered:
        key = (each.event.kind, each.event.common, each.total_s, each.apart_s, each.uncovered_s, each.switch_s)
        found.setdefault(key, []).append(each)
    return list(found.values())


def _label(group: Sequence[Contribution]) -> str:
    names = [each.event.name for each in group]
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names)} {_plural(group[0].event.kind, len(names))}"


def _plural(kind: str, count: int) -> str:
    return kind if count == 1 else f"{kind}es" if kind.endswith("ch") else f"{kind}s"


def _note(words: str, left: Sequence[Contribution]) -> str:
    """Which elements have no bar: their number by kind."""
    kinds = Counter(each.event.kind for each in left)
    counted = ", ".join(f"{count} {_plural(kind, count)}" for kind, count in kinds.items())
    return f"{words}: {counted}" if left else ""


def _row(each: Contribution) -> tuple[Any, ...]:
    return (
        *(each.event.name, each.event.kind, each.event.rate.failures_a_year, each.apart_s.low, each.apart_s.high),
        *(each.uncovered_s.low, each.switch_s.low, each.switch_s.high, each.total_s.low, each.total_s.high),
    )
