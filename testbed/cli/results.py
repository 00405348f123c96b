"""testbed plot, report, export: figures, report and table of a run, from its files."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.table import Table

from testbed.cli.base import err, out
from testbed.errors import SpecError
from testbed.results import result

_RUN = click.Path(path_type=Path)


def print_problems(loaded: result.Run) -> None:
    """Print what is wrong with a run as a whole."""
    from testbed import report as reports  # matplotlib takes a second, which the other commands save

    for text in reports.problems(loaded):
        err.print(text, style="yellow", soft_wrap=True, markup=False)


def summarise(loaded: result.Run, place: Path) -> None:
    """Print the table of cases and the paths of figures, report and run; draw the figures, write the report."""
    from testbed import figures
    from testbed import report as reports

    if loaded.records:
        header, rows = reports.case_rows(loaded)
        table = Table(title=str(loaded.manifest["title"]), title_justify="left")
        for word in header:
            table.add_column(word, overflow="fold")  # never cut a value off
        for row in rows:
            table.add_row(*row)
        out.print(table)
        for path in figures.draw(loaded, place / "figures", kept=_say_kept):
            if path.suffix == ".png":
                out.print(f"figure  {path}", soft_wrap=True)
        out.print(f"report  {reports.write_report(loaded)}", soft_wrap=True)
    print_problems(loaded)
    out.print(f"result  {place}", soft_wrap=True)


def _say_kept(name: str, reason: str) -> None:
    """Say that a figure was not drawn again."""
    err.print(f"figure {name} is left as it was: {reason}", style="yellow", soft_wrap=True, markup=False)


@click.command()
@click.argument("run", type=_RUN)
@click.argument("names", nargs=-1, metavar="[FIGURE]...")
def plot(run: Path, names: tuple[str, ...]) -> None:
    """Draw the figures of RUN again.

    They are drawn from the run's files alone. Without a FIGURE, those of its experiment are drawn.
    """
    from testbed import figures

    loaded = result.load(run)
    for path in figures.draw(loaded, run / "figures", names, kept=_say_kept):
        out.print(str(path), soft_wrap=True)
    print_problems(loaded)


@click.command()
@click.argument("run", type=_RUN)
def report(run: Path) -> None:
    """Write the report of RUN again."""
    from testbed import figures
    from testbed import report as reports

    loaded = result.load(run)
    figures.draw(loaded, run / "figures", kept=_say_kept)  # the report links to them
    out.print(str(reports.write_report(loaded)), soft_wrap=True)
    print_problems(loaded)


@click.command()
@click.argument("run", type=_RUN)
@click.option("--csv", type=_RUN, metavar="FILE", help="Write CSV to this file; default: to standard output.")
@click.option("--parquet", type=_RUN, metavar="FILE", help="Write Parquet to this file, for pandas and others.")
def export(run: Path, csv: Path | None, parquet: Path | None) -> None:
    """Export RUN as a table.

    The table is in long form: one row for each trial and metric.
    """
    from testbed.results import export as exports

    loaded = result.load(run)
    saves = [(exports.save_parquet, parquet), (exports.save_csv, csv)]  # Parquet first: it may lack a library
    wanted = [(save, _checked(target)) for save, target in saves if target is not None]
    for save, target in wanted:
        save(loaded, target)
        out.print(str(target), soft_wrap=True)
    if not wanted:
        exports.write_csv(loaded, sys.stdout)
    print_problems(loaded)


def _checked(target: Path) -> Path:
    """The file to write. Errors: SpecError if its directory does not exist."""
    if not target.parent.is_dir():
        raise SpecError(
            f"{target.parent} is no directory; wanted one to write {target.name} into",
            f"Type: mkdir -p {target.parent}",
        )
    return target
