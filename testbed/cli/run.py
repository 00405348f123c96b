"""testbed run: carry out an experiment into a result directory."""

from __future__ import annotations

import datetime
import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from testbed.cli.base import out, program, say, settings_of
from testbed.cli.problems import explained
from testbed.cli.progress import counting, working
from testbed.cli.results import summarise
from testbed.cli.signals import INTERRUPTED
from testbed.cli.verify import repeated, show
from testbed.design.trial import Trial
from testbed.errors import MachineError, SpecError
from testbed.results import result
from testbed.run import execute, prepare
from testbed.run.executor import Backend


@click.command()
@click.argument("experiment")
@click.option("--topology", help="Name or path; default: the experiment's own.")
@click.option("--set", "settings", multiple=True, metavar="FACTOR=LEVEL[,LEVEL...]", help="The levels of a factor.")
@click.option("--repetitions", type=click.IntRange(min=1), help="Trials of each case.")
@click.option(
    "--until-ci",
    callback=lambda _, __, text: _part(text),
    metavar="PERCENT",
    help="Repeat until half of the median's 95 % interval is at most this part of the median, in every case.",
)
@click.option(
    "--max-repetitions", type=click.IntRange(min=1), default=100, show_default=True, help="The limit for --until-ci."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--quick", is_flag=True, help="Fewer levels and repetitions: minutes, not hours.")
@click.option("--backend", type=click.Choice(["auto", "guest", "native"]), default="auto", show_default=True)
@click.option("--clock", type=click.Choice(["virtual", "real"]), default="virtual", show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), help="Trials at a time.")
@click.option("--out", "place", type=click.Path(path_type=Path), help="Directory; default results/EXPERIMENT/UTC-TIME.")
@click.option("--resume", is_flag=True, help="Continue the run in --out.")
@click.option("--verify", "verified", type=click.IntRange(min=0), default=0, help="Carry out so many trials again.")
@click.option("--dry-run", is_flag=True, help="Show the trials; run none.")
def run(
    experiment: str,
    topology: str | None,
    settings: tuple[str, ...],
    repetitions: int | None,
    until_ci: float | None,
    max_repetitions: int,
    seed: int,
    quick: bool,
    backend: str,
    clock: str,
    jobs: int | None,
    place: Path | None,
    resume: bool,
    verified: int,
    dry_run: bool,
) -> None:
    """Carry out EXPERIMENT.

    Each case is repeated. The result directory holds trials, raw files, figures and a report.
    """
    wanted = prepare.Request(
        experiment,
        topology,
        settings_of(settings),
        repetitions,
        seed,
        quick,
        backend,
        clock,
        until_ci,
        max_repetitions,
    )
    if verified and clock == "real":
        raise SpecError("--verify needs the virtual clock: with a real one no two trials are the same", "Leave it out.")
    if resume and place is None:
        raise SpecError("--resume needs --out: which run to go on with", "For example: --resume --out results/...")
    now = datetime.datetime.now(datetime.UTC)
    place = place or new_place(Path("results") / Path(experiment).stem / now.strftime("%Y%m%dT%H%M%SZ"))
    if not resume:
        result.check_free(place)  # planning may take a while
    with working("planning"):
        prepared = prepare.prepare(wanted, argv=argv_of())
    show_changes(prepared)
    with working("planning"):
        trials = prepared.planned(prepared.repetitions)
    if dry_run:
        _show_plan(prepared, trials)
        return
    with resumable(place):
        with working("preparing"):  # an image that is not there yet takes some seconds
            backend_ = prepare.begin(prepared, place, resume=resume)
        if lasting := lasting_text(prepared, trials):
            say(f"{len(trials)} trials, {lasting}", "dim")
        finished = carry_out(prepared, backend_, place, jobs)
        loaded = result.load(place)
        summarise(loaded, place)
        if not finished:
            raise KeyboardInterrupt
    if verified:
        repeats = repeated(loaded, verified, jobs)
        if repeats is None:
            sys.exit(INTERRUPTED)
        show(repeats)
        if repeats.differences:
            sys.exit(1)
    failed = any(r.status == "failed" or r.metrics.get("within_bound") is False for r in loaded.records)
    sys.exit(1 if failed else 0)


def _part(text: str | None) -> float | None:
    """``5%`` or ``5`` as 0.05. Errors: SpecError."""
    if text is None:
        return None
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent < 100:
        raise SpecError(f"--until-ci {text} is not a percentage above 0 and below 100", "For example: --until-ci 5%")
    return percent / 100


def new_place(wanted: Path) -> Path:
    """``wanted``; with a number added if another run began in the same second."""
    names = (wanted, *(wanted.with_name(f"{wanted.name}-{number}") for number in range(2, 100)))
    return next(place for place in names if not place.exists())


def argv_of() -> list[str]:
    """The command as it was typed, without the directory of the result."""
    words = iter(word for word in sys.argv[1:] if not word.startswith("--out="))
    return ["testbed", *(word for word in words if not (word == "--out" and next(words, "") is not None))]


def again(place: Path) -> str:
    """The command that continues the run in ``place``."""
    words = [word for word in argv_of() if word != "--resume"]
    return f"{program()} {shlex.join([*words[1:], '--resume', '--out', str(place)])}"


def show_changes(prepared: prepare.Prepared) -> None:
    """Print which cases are left out, and which factors the network changes, each with the reason."""
    for text in (*(f"left out: {text}" for text in prepared.left_out), *prepared.changed):
        say(text, "yellow")


@contextmanager
def resumable(place: Path) -> Iterator[None]:
    """Say how the run in ``place`` continues if the block is interrupted, and end with that exit code; also if the
    machine stops it, for example because the disk is full."""
    try:
        yield
    except KeyboardInterrupt:
        if not begun(place):
            raise
        say(f"interrupted; the finished trials are kept. To go on, type: {again(place)}", "yellow")
        sys.exit(INTERRUPTED)
    except (MachineError, OSError) as error:
        known = explained(error)
        if known is None or not begun(place):
            raise
        raise MachineError(
            known.message, f"{known.hint}\nThe finished trials are kept. To go on, type: {again(place)}"
        ) from error


def begun(place: Path) -> bool:
    """Whether there is a run in ``place``, which may be no path at all."""
    return os.path.exists(place / "trials.jsonl")


def _show_plan(prepared: prepare.Prepared, trials: Sequence[Trial]) -> None:
    cases = Counter(json.dumps(dict(trial.case)) for trial in trials)
    for case, count in cases.items():
        text = " ".join(f"{name}={level}" for name, level in json.loads(case).items())
        out.print(f"{count:>4} x {text}", soft_wrap=True)
    pairs = ", ".join(prepare.pairs(trials))
    out.print(f"{len(trials)} trials of {prepared.experiment.name} on {trials[0].topology.name}, measured: {pairs}")
    if lasting := lasting_text(prepared, trials):
        out.print(lasting)
    if prepared.until:
        out.print(
            f"and more, at most {prepared.until.most} of each case, until the median of {prepared.until.metric}"
            f" is known to {prepared.until.relative * 100:g} %",
            soft_wrap=True,
        )


#: Units of time, each from so many seconds on.
_UNITS = ((7200.0, 3600.0, "h"), (120.0, 60.0, "min"), (0.0, 1.0, "s"))


def lasting_text(prepared: prepare.Prepared, trials: Sequence[Trial]) -> str:
    """How long the trials last on their own clocks, in words; empty: the experiment does not say."""
    lasts_s = prepare.lasting_s(prepared.experiment, trials)
    if lasts_s is None:
        return ""
    _, scale_s, unit = next(each for each in _UNITS if lasts_s >= each[0])
    return f"about {lasts_s / scale_s:.0f} {unit} of the trials' clocks in all"


def carry_out(prepared: prepare.Prepared, backend: Backend, place: Path, jobs: int | None) -> bool:
    """Carry out the trials and show how far they are; False if interrupted."""
    with counting(prepared.experiment.name) as counter:

        def done(record: result.Record | None) -> None:
            if record is None:
                counter.done()
                return
            case = " ".join(f"{name}={level}" for name, level in record.case.items())
            text = f"trial {record.number} ({case}) {record.status}"
            if record.status == "ok":
                counter.done(f"{text}, {record.wall_s:.1f} s")
            else:
                counter.done(trouble=f"{text}: {record.reason}")

        return execute.carry_out(prepared, backend, place, jobs=jobs, planned=counter.planned, done=done)
