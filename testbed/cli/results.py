"""testbed plot, report, compare, export: what the files of runs say."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from testbed import result
from testbed.cli.base import err, out

if TYPE_CHECKING:
    from testbed.compare import Comparison
    from testbed.judgement import Judgement

_RUN = click.Path(path_type=Path)


def tell_doubts(loaded: result.Run) -> None:
    """What is wrong with a run as a whole."""
    from testbed import report as reports  # matplotlib takes a second that the other commands save

    for text in reports.doubts(loaded):
        err.print(text, style="yellow", soft_wrap=True, markup=False)


def summarise(loaded: result.Run, place: Path) -> None:
    """The table, and where everything is."""
    from testbed import figures
    from testbed import report as reports

    if loaded.records:
        header, rows = reports.case_rows(loaded)
        table = Table(title=str(loaded.manifest["title"]), title_justify="left")
        for word in header:
            table.add_column(word, overflow="fold")  # a word that is cut off says nothing
        for row in rows:
            table.add_row(*row)
        out.print(table)
        for path in figures.draw(loaded, place / "figures"):
            if path.suffix == ".png":
                out.print(f"figure  {path}", soft_wrap=True)
        out.print(f"report  {reports.write_report(loaded)}", soft_wrap=True)
    tell_doubts(loaded)
    out.print(f"result  {place}", soft_wrap=True)


@click.command()
@click.argument("run", type=_RUN)
@click.argument("names", nargs=-1, metavar="[FIGURE]...")
def plot(run: Path, names: tuple[str, ...]) -> None:
    """Draw the figures of RUN again, from its files alone; or others, by name."""
    from testbed import figures

    loaded = result.load(run)
    for path in figures.draw(loaded, run / "figures", names):
        out.print(str(path), soft_wrap=True)
    tell_doubts(loaded)


@click.command()
@click.argument("run", type=_RUN)
def report(run: Path) -> None:
    """Write the report of RUN again, from its files alone."""
    from testbed import figures
    from testbed import report as reports

    loaded = result.load(run)
    figures.draw(loaded, run / "figures")  # the report links to them
    out.print(str(reports.write_report(loaded)), soft_wrap=True)
    tell_doubts(loaded)


@click.command()
@click.argument("run", type=_RUN)
@click.option("--csv", "target", type=_RUN, help="A file; the standard output by default.")
def export(run: Path, target: Path | None) -> None:
    """RUN in long form, as CSV: one row for each trial and metric."""
    from testbed import export as exports

    loaded = result.load(run)
    if target is None:
        exports.write_csv(loaded, sys.stdout)
    else:
        exports.save_csv(loaded, target)
        out.print(str(target), soft_wrap=True)
    tell_doubts(loaded)


@click.command()
@click.argument("before", type=_RUN)
@click.argument("after", type=_RUN)
@click.option("--margin", type=click.FloatRange(0, 100), default=5.0, show_default=True, help="In per cent.")
@click.option("--all", "everything", is_flag=True, help="Show what does not differ as well.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def compare(before: Path, after: Path, margin: float, everything: bool, as_json: bool) -> None:
    """What changed from the run BEFORE to the run AFTER, and whether it matters (exit 1 if so)."""
    from testbed import compare as comparisons

    runs = result.load(before), result.load(after)
    found = comparisons.compare(*runs, margin=margin / 100)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        _show(found, margin, everything=everything)
    for loaded in runs:
        tell_doubts(loaded)
    sys.exit(1 if found.matters else 0)


def _show(found: Comparison, margin: float, *, everything: bool) -> None:
    for change in found.changes:
        out.print(f"{change.key}: {change.before} -> {change.after}", soft_wrap=True, markup=False)
    for name, cases in (("before", found.only_before), ("after", found.only_after)):
        for case in cases:
            out.print(f"only {name}: {case}", soft_wrap=True, markup=False)
    quiet = ("same", "no difference")
    shown = [judgement for judgement in found.judgements if everything or judgement.word not in quiet]
    if shown:
        table = Table("case", "metric", "n", "before", "after", "difference, 95 %", "delta", "p", "")
        for judgement in shown:
            table.add_row(*_row(judgement), style="bold" if judgement.matters else None)
        out.print(table)
    words = [judgement.word for judgement in found.judgements]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    out.print(f"{len(words)} comparisons: {counts}", soft_wrap=True)
    verdict = "It matters." if found.matters else "No difference that matters."
    out.print(f"{verdict} (p below 5 % after Holm's correction, and by more than {margin:g} %)", soft_wrap=True)


def _row(judgement: Judgement) -> list[str]:
    interval = judgement.interval
    return [
        judgement.case,
        judgement.metric,
        f"{judgement.n[0]}, {judgement.n[1]}",
        _number(judgement.before),
        _number(judgement.after),
        "-" if interval is None else f"{_number(interval[0])} to {_number(interval[1])}",
        "-" if judgement.delta is None else f"{judgement.delta:+.2f}",
        "-" if judgement.p is None else f"{judgement.p:.2g}",
        judgement.word,
    ]


def _number(value: float) -> str:
    return f"{value:.5g}" if math.isfinite(value) else "beyond"
