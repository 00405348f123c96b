"""testbed state: the controller's state at the end of a trial."""

from __future__ import annotations

from pathlib import Path

import click

from testbed import rawfiles
from testbed.controller import text
from testbed.errors import SpecError, TrialError
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
    shown = found if as_json or metrics else _tables(found, run, trial)
    click.echo(rawfiles.printable(shown, len(shown)), nl=False)


def _tables(found: str, run: Path, trial: int) -> str:
    """The state as tables. Errors: SpecError if it is no state."""
    try:
        return text.plain(text.tables(rawfiles.loads(found)))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise SpecError(
            f"trial {trial} of run {run}: raw file {STATE} is damaged: {rawfiles.printable(repr(error), 200)}",
            "Carry out the run again.",
        ) from error


def _raw(run: Path, trial: int, name: str) -> str:
    """The text of a raw file of the trial. Errors: SpecError for an unknown trial, and why a file is missing."""
    numbers = sorted(record.number for record in result.load(run).records)
    if trial not in numbers:
        known = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
        raise SpecError(f"run {run} has no trial {trial}; it has {known}", "Give --trial N.")
    try:
        return rawfiles.read_text(run / "raw" / f"{trial:03d}" / name, errors="replace")
    except FileNotFoundError:
        raise SpecError(
            f"trial {trial} of run {run} has no {name}:"
            " our controller did not control its switches, or could not be reached at its end",
            "It is written with controller=testbed and controller=static.",
        ) from None
    except TrialError as error:
        raise SpecError(f"trial {trial} of run {run}: {error.message}", "Carry out the run again.") from error
