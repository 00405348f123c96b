"""testbed plot, report, export: figures, report and table of a run, from its files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from testbed.cli import tables
from testbed.cli.base import err, out, writable
from testbed.cli.problems import reading
from testbed.errors import SpecError
from testbed.results import result

_RUN = click.Path(path_type=Path)
_STANDARD_OUTPUT = Path("-")


def print_problems(loaded: result.Run) -> None:
    """Print what is wrong with a run as a whole."""
    from testbed import report as reports  # matplotlib takes a second, which the other commands save

    for text in reports.problems(loaded):
        err.print(text, style="yellow", soft_wrap=True, markup=False)


def summarise(loaded: result.Run, place: Path) -> None:
    """Print the table of cases and the paths of figures, report and run; draw the figures, write the report."""
    from testbed import report as reports

    if loaded.records:
        header, rows = reports.case_rows(loaded)
        title = str(loaded.manifest.get("title", loaded.experiment))
        tables.print_table(tables.Shown(header, rows, len(reports.factor_names(loaded)), title), out)
    write_up(loaded, place)
    if pairs := loaded.manifest.get("pairs"):
        out.print(
            f"pair    {', '.join(pairs)}, client and server; others: --set pair=A,B", soft_wrap=True, markup=False
        )
    out.print(f"result  {place}", soft_wrap=True)


def write_up(loaded: result.Run, place: Path, *, quiet: bool = False) -> None:
    """Draw the figures of a run, write its report; print their paths, if not ``quiet``, and what is wrong with it."""
    from testbed import figures
    from testbed import report as reports

    if loaded.records:
        drawn = figures.drawings(loaded)
        for path in figures.draw(loaded, place / "figures", kept=_say_kept, drawn=drawn):
            if path.suffix == ".png" and not quiet:
                out.print(f"figure  {path}", soft_wrap=True, markup=False)
        report = reports.write_report(loaded, drawn)
        if not quiet:
            out.print(f"report  {report}", soft_wrap=True, markup=False)
    print_problems(loaded)


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
    with reading(run):
        for path in figures.draw(loaded, run / "figures", names, kept=_say_kept):
            out.print(str(path), soft_wrap=True, markup=False)
        print_problems(loaded)


@click.command()
@click.argument("run", type=_RUN)
def report(run: Path) -> None:
    """Write the report of RUN again."""
    from testbed import figures
    from testbed import report as reports

    loaded = result.load(run)
    with reading(run):
        drawn = figures.drawings(loaded)
        figures.draw(loaded, run / "figures", kept=_say_kept, drawn=drawn)  # the report links to them
        out.print(str(reports.write_report(loaded, drawn)), soft_wrap=True, markup=False)
        print_problems(loaded)


@click.command()
@click.argument("run", type=_RUN)
@click.argument("to", metavar="[FILE]", required=False, type=_RUN)
@click.option("--csv", type=_RUN, metavar="FILE", help="Write CSV to this file; - or none: to standard output.")
@click.option("--parquet", type=_RUN, metavar="FILE", help="Write Parquet to this file, for pandas and others.")
def export(run: Path, to: Path | None, csv: Path | None, parquet: Path | None) -> None:
    """Export RUN as a table.

    The table is in long form: one row for each trial and metric. FILE.parquet is Parquet, every other FILE is CSV. With
    - it goes to standard output, as without a file.
    """
    from testbed.results import export as exports

    loaded = result.load(run)
    if to is not None and to.suffix == ".parquet" and parquet is None:
        to, parquet = None, to
    elif to is not None and to != _STANDARD_OUTPUT:
        if csv is not None:
            raise SpecError(f"two files for one table: {to} and {csv}", "Give one of them.")
        to, csv = None, to
    if parquet == _STANDARD_OUTPUT:
        raise SpecError("Parquet is no text, and standard output takes text only", "Give a file: --parquet FILE")
    to_output = to is not None or csv == _STANDARD_OUTPUT or (csv is None and parquet is None)
    files = [writable(file) for file in (parquet, csv) if file not in (None, _STANDARD_OUTPUT)]
    with reading(run):
        if parquet is not None:  # first: it may lack a library
            exports.save_parquet(loaded, parquet)
        if csv is not None and csv != _STANDARD_OUTPUT:
            exports.save_csv(loaded, csv)
        for file in files:
            (err if to_output else out).print(str(file), soft_wrap=True, markup=False)
        if to_output:
            exports.write_csv(loaded, sys.stdout)
        print_problems(loaded)
