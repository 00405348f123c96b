"""The figures of a run, drawn from its files alone."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import unknown

if TYPE_CHECKING:
    from testbed.figures.style import Drawing
    from testbed.results.result import Run

#: The figures by name, each with the module whose function of that name draws it. A module is imported when it draws:
#: Matplotlib takes longer than most commands.
FIGURES: Mapping[str, str] = {
    "atlas": "atlas",
    "aggregate": "aggregate",
    "members": "members",
    "outage": "outages",
    "stall": "stall",
    "throughput": "throughput",
    "ecdf": "distribution",
    "matrix": "matrix",
    "split": "split",
    "placement": "placement",
    "lanes": "lanes",
    "detection": "detection",
    "reordering": "reordering",
    "cost": "cost",
    "displacement": "displacement",
    "elements": "elements",
}


def function(name: str) -> Callable[[Run], Drawing]:
    """The function that draws one of `FIGURES`."""
    found: Callable[[Run], Drawing] = getattr(import_module(f"testbed.figures.{FIGURES[name]}"), name)
    return found


def names(run: Run, wanted: Sequence[str] = ()) -> list[str]:
    """The figures that are ``wanted``, or else those that the run's experiment asks for.

    Errors: SpecError for an unknown name.
    """
    from testbed.figures import own

    found = list(dict.fromkeys(wanted or (str(name) for name in run.manifest.get("figures", ()))))
    known = {**FIGURES, **own.files(run)}
    for name in found:
        if name not in known:
            raise unknown("figure", name, known)
    return found


def drawings(run: Run, wanted: Sequence[str] = ()) -> dict[str, Drawing]:
    """The run's figures by name, not yet written anywhere; none of a run without a trial."""
    from testbed.figures import own, style

    with style.applied():
        return {
            name: function(name)(run) if name in FIGURES else own.drawing(run, name)
            for name in names(run, wanted)
            if run.records
        }


def draw(
    run: Run,
    directory: Path,
    wanted: Sequence[str] = (),
    *,
    kept: Callable[[str, str], None] | None = None,
    drawn: Mapping[str, Drawing] | None = None,
) -> list[Path]:
    """Draw the run's figures into ``directory``: each as PDF, SVG and PNG, beside the CSV of what it shows.

    ``drawn`` are the figures, if there are any yet (`drawings`).
    A figure that is there stays as it is if the run has nothing to draw for it any more, for instance because its raw
    files are missing: ``kept`` is called with its name and the reason.
    """
    found = drawings(run, wanted) if drawn is None else drawn
    directory.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, drawing in found.items():
        target = directory / f"{name}.csv"
        if not drawing.rows and _has_rows(target):
            if kept is not None:
                kept(name, drawing.lacks)
            continue
        paths += write(drawing, directory, name)
    return paths


def write(drawing: Drawing, directory: Path, name: str) -> list[Path]:
    """Write one figure into a directory that is there: as PDF, SVG and PNG, and the CSV of what it shows."""
    from testbed.figures import style

    paths = [directory / f"{name}.{kind}" for kind in style.KINDS]
    for path, kind in zip(paths, style.KINDS, strict=True):
        style.save(drawing, path, kind)
    target = directory / f"{name}.csv"
    with target.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(drawing.header)
        table.writerows(drawing.rows)
    return [*paths, target]


def _has_rows(table: Path) -> bool:
    """Whether a figure's table, as `draw` writes it, has more than its header."""
    return table.exists() and len(table.read_text(encoding="utf-8").splitlines()) > 1
