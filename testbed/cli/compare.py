"""testbed compare: whether the metrics of two runs, or of a factor's levels within one run, differ."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.cli import tables
from testbed.cli.base import out
from testbed.cli.problems import reading
from testbed.cli.results import print_problems
from testbed.errors import SpecError
from testbed.results import result

if TYPE_CHECKING:
    from testbed.results.compare import Comparison, LevelComparison
    from testbed.results.significance import Judgement

_RUN = click.Path(path_type=Path)


@click.command()
@click.argument("before", type=_RUN, metavar="RUN")
@click.argument("after", type=_RUN, metavar="[AFTER]", required=False)
@click.option(
    "--by", metavar="FACTOR[=LEVEL,...]", help="Compare the levels of a factor within RUN with the first one."
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 100),
    default=5.0,
    show_default=True,
    help="Smallest difference that matters, in per cent.",
)
@click.option("--all", "everything", is_flag=True, help="Also show what does not differ.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def compare(before: Path, after: Path | None, by: str | None, margin: float, everything: bool, as_json: bool) -> None:
    """Show what differs between two runs.

    Compare RUN with the run AFTER; exit code 1 if a difference matters. With --by, compare the levels of a factor
    within RUN; exit code 0 in either case.
    """
    from testbed.results import compare as comparisons

    runs = [result.load(path) for path in (before, after) if path is not None]
    found: Comparison | LevelComparison
    if by is not None:
        _refuse_a_second_run(by, before, after)
        factor, equals, levels = by.partition("=")
        with reading(before):
            found = comparisons.compare_levels(runs[0], factor, levels.split(",") if equals else (), margin / 100)
    elif len(runs) == 2:
        with reading(runs[0].path, runs[1].path):
            found = comparisons.compare(runs[0], runs[1], margin / 100)
    else:
        raise _nothing_to_compare_with(runs[0])
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        if isinstance(found, comparisons.Comparison):
            _show_runs(found, everything=everything)
        else:
            _show_levels(found, everything=everything)
        _conclude(found, margin)
    for loaded in runs:
        print_problems(loaded)
    sys.exit(1 if found.matters and by is None else 0)


def _refuse_a_second_run(by: str, run: Path, other: Path | None) -> None:
    if other is not None:
        raise SpecError(
            f"--by {by} compares the levels within one run; two runs were given",
            f"Type: testbed compare {run} --by {by}, or testbed compare {run} {other}",
        )


def _nothing_to_compare_with(run: result.Run) -> SpecError:
    factors = "".join(f", or testbed compare {run.path} --by {name}" for name in run.varied())
    return SpecError(
        f"one run, {run.path}, and nothing to compare it with;"
        " wanted another run, or a factor to compare the levels of",
        f"Type: testbed compare {run.path} RUN{factors}",
    )


def _show_runs(found: Comparison, *, everything: bool) -> None:
    for change in found.changes:
        out.print(f"{change.key}: {change.before} -> {change.after}", soft_wrap=True, markup=False)
    _show_unshared("before", found.only_before)
    _show_unshared("after", found.only_after)
    _show_judgements(found.judgements, ("before", "after"), None, everything=everything)


def _show_levels(found: LevelComparison, *, everything: bool) -> None:
    for contrast in found.contrasts:
        before, after = contrast.names
        _show_unshared(before, contrast.only_before)
        _show_unshared(after, contrast.only_after)
        title = f"{found.factor}: {before} -> {after}"
        _show_judgements(contrast.judgements, contrast.names, title, everything=everything)


def _show_unshared(name: str, cases: Sequence[str]) -> None:
    for case in cases:
        out.print(f"only {name}: {case}", soft_wrap=True, markup=False)


def _show_judgements(
    judgements: Sequence[Judgement], names: tuple[str, str], title: str | None, *, everything: bool
) -> None:
    quiet = ("same", "no difference")
    shown = [judgement for judgement in judgements if everything or judgement.word not in quiet]
    if shown:
        header = ("case", "metric", "n", *names, "difference, 95 %", "delta", "p", "")
        styles = ["bold" if judgement.matters else "" for judgement in shown]
        tables.print_table(tables.Shown(header, [*map(_row, shown)], 2, title or "", styles), out)


def _conclude(found: Comparison | LevelComparison, margin: float) -> None:
    words = [judgement.word for judgement in found.judgements]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    out.print(f"{len(words)} comparisons: {counts}", soft_wrap=True)
    verdict = "It matters." if found.matters else "No difference that matters."
    out.print(f"{verdict} (p below 5 % after Holm's correction, and by more than {margin:g} %)", soft_wrap=True)
    if few := words.count("too few trials"):
        out.print(f"{few} have too few trials for a test; 4 or more --repetitions are enough.", soft_wrap=True)
    if any(min(judgement.n) < 2 for judgement in found.judgements):
        out.print("With one trial of a case there is no verdict on it: nothing shows what chance does.", soft_wrap=True)
    networks = getattr(found, "networks", None)
    if networks is not None:
        text = f"The runs are of two topologies, {' and '.join(networks)}: what differs may be the network."
        out.print(text, soft_wrap=True, markup=False)


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
