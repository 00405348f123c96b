"""testbed verify: carry out trials of a run again, and compare their bytes with the run's."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from testbed.cli.base import err, out
from testbed.cli.problems import reading
from testbed.cli.progress import counting
from testbed.errors import SpecError
from testbed.results import result
from testbed.results.result import Record, Run
from testbed.run import verify as verification
from testbed.run.verify import Verified

_MISSED, _INTERRUPTED = 1, 130
#: So many trials are carried out again unless told otherwise.
_TRIALS = "3"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--trials", default=_TRIALS, show_default=True, metavar="N|all", help="How many, drawn by the run's seed."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Trials at a time.")
def verify(run: Path, trials: str, jobs: int | None) -> None:
    """Carry out trials of RUN again and compare every byte.

    Into a temporary directory. Of a trial that differs the first file, line and event are shown, the last common event
    before it, and what differs in the inputs. Exit code 1 if one differs.
    """
    found = repeated(result.load(run), _count(trials), jobs)
    if found is None:
        err.print("interrupted; nothing is kept. To verify, type the same again.", style="yellow")
        sys.exit(_INTERRUPTED)
    show(found)
    sys.exit(_MISSED if found.differences else 0)


def _count(text: str) -> int | None:
    """``all`` as None, and a number of trials. Errors: SpecError."""
    if text == "all":
        return None
    if not text.isdecimal() or not int(text):
        raise SpecError(f"--trials {text} is no number of trials", "For example: --trials 3, or --trials all")
    return int(text)


def repeated(run: Run, count: int | None, jobs: int | None) -> Verified | None:
    """Carry out ``count`` trials again, with a progress bar, and compare them; None if interrupted."""
    with reading(run.path):
        records = verification.chosen(run, count)
    if not records:
        raise SpecError(f"{run.path} has no trial that ended", f"Type: testbed report {run.path}")
    with tempfile.TemporaryDirectory(prefix="testbed-verify-") as scratch, counting("verifying") as counter:
        counter.planned(len(records))

        def done(record: Record) -> None:
            counter.done(f"trial {record.number} carried out again")

        again = verification.carry_out(run, records, Path(scratch), jobs=jobs, done=done)
        return None if again is None else verification.compare(run, again)


def show(found: Verified) -> None:
    """Print what a verification found."""
    for difference in found.differences:
        for sentence in difference.sentences():
            out.print(sentence, soft_wrap=True, markup=False)
    if found.differences:
        for text in found.inputs or ("nothing: code, kernel, image, tools and machine are the same",):
            out.print(f"other inputs: {text}", soft_wrap=True, markup=False)
    numbers = " ".join(map(str, found.trials))
    same = len(found.trials) - len(found.differences)
    style = "red" if found.differences else "green"
    said = f"verified: {same} of {len(found.trials)} trials are the same byte for byte ({numbers})"
    out.print(said, style=style, soft_wrap=True)
