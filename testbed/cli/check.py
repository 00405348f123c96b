"""testbed check: what this machine can run, what is missing, and what to type."""

from __future__ import annotations

import json
import sys

import click

from testbed.backends import machine
from testbed.cli.base import out, typed
from testbed.errors import MachineError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(as_json: bool) -> None:
    """Show what this machine can run.

    For what is missing, show what to type. Exit code 3 if nothing can run.
    """
    found = machine.abilities()
    if as_json:
        click.echo(json.dumps([{"name": a.name, "ready": a.ready, "lacks": a.lacks, "hint": a.hint} for a in found]))
    else:
        for ability in found:
            out.print(f"{'[green]ready[/]' if ability.ready else '[yellow]lacks[/]'}  {ability.name}", end="")
            out.print("" if ability.ready else f": {', '.join(ability.lacks)}")
            if ability.hint and not ability.ready:
                out.print(f"       type: {typed(ability.hint)}", style="dim", soft_wrap=True, markup=False)
    if not any(ability.ready for ability in found):
        sys.exit(MachineError.exit_code)
