"""testbed plot, testbed report: what the files of a run say."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from testbed import result
from testbed.cli.base import err, out


def summarise(loaded: result.Run, place: Path) -> None:
    """The table, and where everything is."""
    from testbed import figures
    from testbed import report as reports  # matplotlib takes a second that the other commands save

    if loaded.records:
        header, rows = reports.case_rows(loaded)
        table = Table(*header, title=str(loaded.manifest["title"]), title_justify="left")
        for row in rows:
            table.add_row(*row)
        out.print(table)
        for path in figures.draw(loaded, place / "figures"):
            if path.suffix == ".png":
                out.print(f"figure  {path}", soft_wrap=True)
        out.print(f"report  {reports.write_report(loaded)}", soft_wrap=True)
    for text in loaded.damaged:
        err.print(f"damaged: {text}", style="yellow")
    out.print(f"result  {place}", soft_wrap=True)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def plot(run: Path) -> None:
    """Draw the figures of RUN again, from its files alone."""
    from testbed import figures

    for path in figures.draw(result.load(run), run / "figures"):
        out.print(str(path), soft_wrap=True)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write the report of RUN again, from its files alone."""
    from testbed import report as reports

    out.print(str(reports.write_report(result.load(run))), soft_wrap=True)
