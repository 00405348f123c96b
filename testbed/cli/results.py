"""testbed plot, report, export: what the files of runs say."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.table import Table

from testbed.cli.base import err, out
from testbed.errors import SpecError
from testbed.results import result

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
@click.option("--csv", type=_RUN, metavar="FILE", help="As CSV; on the standard output if no file is given.")
@click.option("--parquet", type=_RUN, metavar="FILE", help="As Parquet, for pandas and others.")
def export(run: Path, csv: Path | None, parquet: Path | None) -> None:
    """RUN in long form: one row for each trial and metric."""
    from testbed.results import export as exports

    loaded = result.load(run)
    saves = [(exports.save_parquet, parquet), (exports.save_csv, csv)]  # first what may find something missing
    wanted = [(save, _checked(target)) for save, target in saves if target is not None]
    for save, target in wanted:
        save(loaded, target)
        out.print(str(target), soft_wrap=True)
    if not wanted:
        exports.write_csv(loaded, sys.stdout)
    tell_doubts(loaded)


def _checked(target: Path) -> Path:
    """A file to write. Errors: SpecError if its directory is none."""
    if not target.parent.is_dir():
        raise SpecError(
            f"{target.parent} is no directory; wanted one to write {target.name} into",
            f"Type: mkdir -p {target.parent}",
        )
    return target
