"""testbed reproduce: carry out the runs behind the figures and numbers again, and compare with results/reference/."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import click

from testbed.backends import environment
from testbed.campaign import reproduce as campaigns
from testbed.campaign.steps import CAMPAIGN, RYU, Step
from testbed.cli.base import err, out
from testbed.errors import SpecError, TestbedError, unknown
from testbed.schemes import requirements

_INTERRUPTED, _MISSED = 130, 1


@click.command()
@click.argument("names", nargs=-1, metavar="[STEP...]")
@click.option("--quick", is_flag=True, help="Fewer steps, levels and repetitions, of the same trials.")
@click.option(
    "--out",
    "place",
    type=click.Path(path_type=Path),
    default=None,
    help="Directory of the runs; default results/reproduce.",
)
@click.option("--keep", is_flag=True, help="Make these runs the reference, instead of comparing.")
def reproduce(names: tuple[str, ...], quick: bool, place: Path | None, keep: bool) -> None:
    """Repeat the runs behind the figures and numbers.

    Carry out the campaign, or only some STEPs of it, and compare with results/reference/. An interrupted campaign in
    the same directory is continued. Exit code 1 if something differs.
    """
    if keep and quick:
        raise SpecError("--keep with --quick would make a part of the campaign the reference", "Leave one of them out.")
    steps = _chosen(names, quick=quick)
    if keep:
        campaigns.check_checkout()
    else:
        campaigns.check_reference(steps)
    place = place or Path("results") / ("reproduce-quick" if quick else "reproduce")
    ryu = requirements.RYU_PYTHON.exists()
    out.print(f"{len(steps)} runs into {place}{_expected(steps, quick=quick, ryu=ryu)}", soft_wrap=True)
    if not ryu and any(RYU in text for step in steps for text in step.levels.values()):
        err.print(f"left out: controller={RYU}, which needs Ryu. To install it, type: make setup-ryu", style="yellow")
    steps = _with_daemons(steps)
    began, wrong = time.monotonic(), 0
    for number, step in enumerate(steps, 1):
        out.print(
            f"{number}/{len(steps)} {step.name}: testbed run {' '.join(step.words(quick=quick, ryu=ryu))}",
            soft_wrap=True,
        )
        code = campaigns.carry_out(step, place / step.name, quick=quick, ryu=ryu)
        if code == _INTERRUPTED:
            err.print("interrupted; what is finished is kept. To go on, type the same again.", style="yellow")
            sys.exit(_INTERRUPTED)
        if code not in (0, 1):  # 1: a trial failed or a bound was missed, as it may in the reference
            raise TestbedError(f"the run of {step.name} ended with code {code}")
        if keep:
            campaigns.keep(step, place / step.name)
            out.print(f"    kept as {campaigns.REFERENCE / step.name}", soft_wrap=True)
        else:
            wrong += _compare(step, place / step.name)
    out.print(f"took {_minutes(time.monotonic() - began)}")
    if wrong:
        err.print(f"{wrong} of {len(steps)} runs differ from results/reference/", style="red")
        sys.exit(_MISSED)
    if not keep:
        out.print("everything agrees with results/reference/", style="green")


def _with_daemons(steps: list[Step]) -> list[Step]:
    """The steps whose daemons are installed; the others are said to be left out."""
    for step in steps:
        if step.daemon and not _installed(step):
            text = f"left out: {step.name}, which needs {step.daemon}. To install it, type: make setup-services"
            err.print(text, style="yellow")
    return [step for step in steps if _installed(step)]


def _installed(step: Step) -> bool:
    return not step.daemon or shutil.which(step.daemon, path=environment.SEARCH) is not None


def _expected(steps: list[Step], *, quick: bool, ryu: bool) -> str:
    """How long the reference took, divided among this machine's processors, as the end of a sentence."""
    processors = len(os.sched_getaffinity(0))
    each = [campaigns.expected_s(step, quick=quick, ryu=ryu, processors=processors) for step in steps]
    if None in each:
        return ""
    how_many = "one processor" if processors == 1 else f"{processors} processors"
    seconds = sum(seconds for seconds in each if seconds is not None)
    return f"; from the time that the reference took, about {_minutes(seconds)} on {how_many} without other work"


def _chosen(names: tuple[str, ...], *, quick: bool) -> list[Step]:
    """The steps of these names; without names those of the long or short form."""
    known = {step.name: step for step in CAMPAIGN}
    for name in names:
        if name not in known:
            raise unknown("step", name, known)
    return [known[name] for name in names] if names else [step for step in CAMPAIGN if step.short or not quick]


def _compare(step: Step, place: Path) -> bool:
    """Print how the step's run compares with its reference; whether it differs."""
    found = campaigns.compare_with_reference(step, place)
    for text in found.differences:
        out.print(f"    differs: {text}", style="red", soft_wrap=True, markup=False)
    verdict = "differs" if found.differences else "agrees"
    out.print(f"    {verdict}: {found.trials} trials compared, {found.identical} of them the same to the last digit")
    return bool(found.differences)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
