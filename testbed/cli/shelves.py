"""testbed check, testbed list: what there is, here and on the shelves."""

from __future__ import annotations

import json
import sys

import click

from testbed import catalogue
from testbed.backends import machine
from testbed.cli.base import out
from testbed.emulation.arms import CONTROLLERS
from testbed.emulation.faults import FAULTS
from testbed.errors import MachineError, unknown
from testbed.spec import MODES


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(as_json: bool) -> None:
    """What this machine can do, what is missing, and what to type."""
    found = machine.abilities()
    if as_json:
        click.echo(json.dumps([{"name": a.name, "ready": a.ready, "lacks": a.lacks, "hint": a.hint} for a in found]))
    else:
        for ability in found:
            out.print(f"{'[green]ready[/]' if ability.ready else '[yellow]lacks[/]'}  {ability.name}", end="")
            out.print("" if ability.ready else f": {', '.join(ability.lacks)}")
            if ability.hint and not ability.ready:
                out.print(f"       type: {ability.hint}", style="dim")
    if not any(ability.ready for ability in found):
        sys.exit(MachineError.exit_code)


_LISTS = ("topologies", "experiments", "faults", "controllers", "modes")


@click.command("list")
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(what: str | None, as_json: bool) -> None:
    """What there is: topologies, experiments, faults, controllers, modes."""
    if what is not None and what not in _LISTS:
        raise unknown("list", what, _LISTS)
    shelves = {name: _shelf(name) for name in _LISTS if what in (None, name)}
    if as_json:
        click.echo(json.dumps(shelves))
        return
    for name, entries in shelves.items():
        out.print(name, style="bold")
        for entry, text in entries.items():
            out.print(f"  {entry:<16}{text}", soft_wrap=True)


def _shelf(name: str) -> dict[str, str]:
    if name in ("topologies", "experiments"):
        return {entry: catalogue.summary(name, entry) for entry in catalogue.names(name)}
    if name == "faults":
        return {entry: (fault.__doc__ or "").splitlines()[0] for entry, fault in FAULTS.items()}
    if name == "controllers":
        return {entry: arm.summary for entry, arm in CONTROLLERS.items()}
    return {mode: f"mode {number} of the Linux bonding driver" for number, mode in enumerate(MODES)}
