"""One style for all figures, and their common parts: series of trials, counts and captions.

Every figure is as wide as a column of an IEEE journal, but `lanes` and `atlas`, which need a page; fonts are embedded.
The colours can be distinguished by the colour-blind and in grey, and each has its own marker, line and hatch. The same
run gives the same bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from weakref import WeakKeyDictionary

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from testbed.results.result import Record, Run

#: The width of a column and of a page in IEEE's journals and proceedings, in inches.
COLUMN_IN, PAGE_IN = 3.5, 7.16
#: The grey of the values of theory, and of the band that holds 95 % of samples from a distribution of theory.
THEORY, BAND = "0.3", "0.87"
#: Differences below this mean nothing: the guest's clock moves by reading it (docs/limits.md).
RESOLUTION_S = 1e-5
#: So many letters fit above a panel.
_LETTERS = 66

_STYLE: dict[str, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 4,
    "patch.linewidth": 0.5,
    "hatch.linewidth": 0.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "testbed",
}
#: No dates and no versions: the same run gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
KINDS = tuple(_METADATA)


@contextmanager
def applied() -> Iterator[None]:
    """The style, without the user's own settings, while the block runs."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


@dataclass(frozen=True)
class Drawing:
    """A figure, the table of the data that it shows, and its caption."""

    figure: Figure
    header: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    caption: str
    #: Why there is nothing to draw; empty if there is.
    lacks: str = ""
    #: A figure that was drawn elsewhere, as a file of each kind; ``figure`` has only its size.
    files: Mapping[str, bytes] | None = None


#: The kind of file in which words are widest, in whole pixels: what has room there has room in the others.
_WIDEST = "png"
#: Figures that have been written, by kind: a report embeds what is in a file already.
_RENDERED: WeakKeyDictionary[Figure, dict[str, bytes]] = WeakKeyDictionary()
#: The metadata key of the caption in each kind of file.
_CAPTION = {"pdf": "Subject", "svg": "Description", "png": "Description"}


def save(drawing: Drawing, target: Path | IO[bytes], kind: str) -> None:
    """Write a figure as one of ``KINDS``, with its caption in the file's own metadata."""
    if drawing.files is not None:
        if isinstance(target, Path):
            target.write_bytes(drawing.files[kind])
        else:
            target.write(drawing.files[kind])
        return
    rendered = _RENDERED.setdefault(drawing.figure, {})
    for each in (_WIDEST, kind):
        if each not in rendered:
            file = io.BytesIO()
            with applied():
                metadata = {**_METADATA[each], _CAPTION[each]: drawing.caption}
                drawing.figure.savefig(file, format=each, metadata=metadata)
            rendered[each] = file.getvalue()
            # What is where is the same in every kind of file, and takes as long to find out as to draw.
            drawing.figure.set_layout_engine("none")
    if isinstance(target, Path):
        target.write_bytes(rendered[kind])
    else:
        target.write(rendered[kind])


@dataclass(frozen=True)
class Look:
    """The look that distinguishes one series from the others."""

    colour: str
    marker: str
    line: Any
    hatch: str


#: Colours of M. Okabe, K. Ito, "Color Universal Design", 2008; a mode looks the same in every figure.
_MODES = {
    "balance-rr": Look("#E69F00", "^", "-", "////"),
    "active-backup": Look("#0072B2", "o", (0, (5, 1.5)), ""),
    "balance-xor": Look("#009E73", "s", (0, (1, 1)), "...."),
    "broadcast": Look("#999999", "v", (0, (3, 1, 1, 1)), "xxxx"),
    "802.3ad": Look("#D55E00", "D", (0, (6, 1.5, 1, 1.5)), "\\\\\\\\"),
    "balance-tlb": Look("#CC79A7", "P", (0, (3, 1, 1, 1, 1, 1)), "||||"),
    "balance-alb": Look("#56B4E9", "X", (0, (8, 2)), "----"),
}
#: The same looks in turn, for other things than modes, such as members.
LOOKS = tuple(
    _MODES[name]
    for name in (
        *("active-backup", "802.3ad", "balance-alb", "balance-xor"),
        *("balance-rr", "balance-tlb", "broadcast"),
    )
)
#: Factors whose levels say what they are.
PLAIN = ("mode", "technique")
#: The looks of series in turn: those of the modes, then the same colours with other markers; then each colour with the
#: marker of the next one, and so on.
_MARKED = (tuple(look.marker for look in _MODES.values()), tuple("<>phd*H"))
_IN_TURN = tuple(
    replace(look, marker=markers[(place + shift) % len(markers)])
    for shift in range(len(_MODES))
    for markers in _MARKED
    for place, look in enumerate(_MODES.values())
)


@dataclass(frozen=True)
class Series:
    """Records that a figure shows together, with one name and look."""

    name: str
    look: Look
    records: tuple[Record, ...]

    @property
    def usable(self) -> list[Record]:
        """The records of trials that ended well."""
        return [record for record in self.records if record.status == "ok"]

    def count(self) -> str:
        """The number of trials, and on a second line the number that did not end well."""
        return "\n".join([f"n = {len(self.records)}", *_unwell(self.records)])


def _unwell(records: Sequence[Record]) -> list[str]:
    """How many failed and how many were censored, as one text; empty if all ended well."""
    statuses = [record.status for record in records]
    found = [f"{statuses.count(status)} {status}" for status in ("failed", "censored") if status in statuses]
    return [", ".join(found)] if found else []


def series(run: Run, *, without: Sequence[str] = (), always: Sequence[str] = ()) -> list[Series]:
    """The run's records grouped and named by the factors that vary, except those in ``without``, and by those in
    ``always`` even if they do not."""
    names = [*always, *(name for name in run.varied() if name not in (*without, *always))]
    grouped: dict[tuple[Any, ...], list[Record]] = {}
    for record in run.records:
        grouped.setdefault(tuple(record.case.get(name) for name in names), []).append(record)
    modes = {record.case.get("mode") for record in run.records}
    found = []
    for place, (levels, records) in enumerate(grouped.items()):
        words = [str(v) if n in PLAIN else f"{n} {v}" for n, v in zip(names, levels, strict=True)]
        mode = records[0].case.get("mode")
        # If one mode has several series these must differ as well: then the looks are assigned in turn.
        in_turn = _IN_TURN[place % len(_IN_TURN)]
        look = _MODES.get(str(mode), in_turn) if len(modes) == len(grouped) else in_turn
        found.append(Series(", ".join(words) or str(mode or run.experiment), look, tuple(records)))
    return found


def caption(run: Run, text: str) -> str:
    """A caption that ends with the number of trials, how many did not end well, the seed and the commit."""
    trials = f"{len(run.records)} trials" + "".join(f" ({text})" for text in _unwell(run.records))
    commit = str(run.manifest.get("commit") or "")
    version = f", commit {commit[:12]}{'+' if commit.endswith('+') else ''}" if commit else ""
    return f"{text} {trials}, seed {run.manifest.get('seed')}{version}."


def empty(run: Run, header: tuple[str, ...], text: str, reason: str) -> Drawing:
    """A figure without data that says why."""
    figure = Figure(figsize=(COLUMN_IN, 1.0))
    figure.text(0.5, 0.5, f"Nothing to draw: {reason}.", ha="center", va="center", wrap=True)
    return Drawing(figure, header, [], caption(run, f"{text} Nothing to draw: {reason}."), reason)


def duration(seconds: float) -> str:
    """A time as a figure shows it, not finer than the instrument: ``3 s``, ``50 ms``, ``30 us``, ``< 10 us``."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.3g} ms"
    if 0 < seconds < RESOLUTION_S * (1 - 1e-9):
        return f"< {RESOLUTION_S * 1e6:.0f} us"
    steps = round(seconds / RESOLUTION_S)
    return f"{steps * RESOLUTION_S * 1e6:.0f} us" if 0 < steps < 10 else f"{steps * RESOLUTION_S * 1e3:g} ms"


def typical(records: Sequence[Record], metric: str) -> Record | None:
    """Of the trials that ended well, the one with the median of the metric; the first one if none has the metric."""
    usable = [record for record in records if record.status == "ok"]
    having = [r for r in usable if isinstance(r.metrics.get(metric), int | float)]
    if having:
        return sorted(having, key=lambda r: (r.metrics[metric], r.number))[(len(having) - 1) // 2]
    return usable[0] if usable else None


def legend_above(figure: Figure, *axes: Axes, columns: int, grow: bool = False) -> None:
    """One legend above the axes, with each label once, in ``columns`` or as many as fit into the figure's width.

    With ``grow`` the figure becomes higher by what the legend takes beyond two lines.
    """
    found: dict[str, Any] = {}
    for one in axes:
        handles, labels = one.get_legend_handles_labels()
        for label, handle in zip(labels, handles, strict=True):
            found.setdefault(label, handle)
    if not found:
        return
    renderer: RendererBase = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    for count in range(min(columns, len(found)), 0, -1):
        legend = _legend(figure, list(found.values()), list(found), count)
        area = legend.get_window_extent(renderer)
        if count == 1 or area.width <= figure.bbox.width - _MARGIN_IN * figure.dpi:
            lines = math.ceil(len(found) / count)
            if grow and lines > 2:
                width_in, height_in = figure.get_size_inches()
                figure.set_size_inches(width_in, height_in + area.height / figure.dpi * (1 - 2 / lines))
            return
        legend.remove()


#: What is left free at both sides of a legend, in inches.
_MARGIN_IN = 0.06


def _legend(figure: Figure, handles: list[Any], labels: list[str], columns: int) -> Legend:
    return figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=columns,
        columnspacing=1.2,
        borderpad=0.2,
    )


def wrapped(name: str) -> str:
    """A series' name below an axis: one factor in each line."""
    return name.replace(", ", "\n")


def apart(left: str, right: str) -> str:
    """The words above the left of a panel, on two lines if they would reach those above its right."""
    return left.replace(": n = ", ":\nn = ") if len(left) + len(right) > _LETTERS else left


def entitle(axes: Axes, left: str, right: str) -> None:
    """Words above a panel, at its left and at its right."""
    axes.set_title(left, loc="left", fontsize=7, pad=3)
    axes.set_title(right, loc="right", fontsize=7, pad=3)
