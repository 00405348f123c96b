"""testbed state: the controller's state at the end of a trial."""

from __future__ import annotations

import json
from pathlib import Path

import click

from testbed.controller import text
from testbed.errors import SpecError
from testbed.results import result

STATE, METRICS = "controller_state.json", "controller_metrics.prom"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--trial", type=int, default=1, show_default=True, help="The number of the trial, as in raw/NNN.")
@click.option("--json", "as_json", is_flag=True, help="As the controller gives it, for programs.")
@click.option("--metrics", is_flag=True, help="The controller's metrics in Prometheus' text format.")
def state(run: Path, trial: int, as_json: bool, metrics: bool) -> None:
    """Show the controller's state in RUN.

    It is the state at the end of one trial, as tables.
    """
    if as_json and metrics:
        raise SpecError("--json and --metrics exclude each other", "Give one of them.")
    found = _raw(run, trial, METRICS if metrics else STATE)
    click.echo(found if as_json or metrics else text.plain(text.tables(json.loads(found))), nl=False)


def _raw(run: Path, trial: int, name: str) -> str:
    """The text of a raw file of the trial. Errors: SpecError for an unknown trial, and why a file is missing."""
    numbers = sorted(record.number for record in result.load(run).records)
    if trial not in numbers:
        known = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
        raise SpecError(f"run {run} has no trial {trial}; it has {known}", "Give --trial N.")
    path = run / "raw" / f"{trial:03d}" / name
    if not path.exists():
        raise SpecError(
            f"trial {trial} of run {run} has no {name}:"
            " our controller did not control its switches, or could not be reached at its end",
            "It is written with controller=testbed and controller=static.",
        )
    return path.read_text()
