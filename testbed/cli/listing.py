"""testbed check, list, show: what this machine can do, what names there are, and what a topology looks like."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from testbed import drawing
from testbed.backends import machine
from testbed.cli.base import out, settings_of, writable
from testbed.design.factor import Level
from testbed.errors import MachineError, unknown
from testbed.experiment import discovery
from testbed.experiment.plan import build_from_settings, topology_defaults
from testbed.faults.catalogue import FAULTS, Fault
from testbed.schemes import SCHEMES


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
                out.print(f"       type: {ability.hint}", style="dim")
    if not any(ability.ready for ability in found):
        sys.exit(MachineError.exit_code)


_LISTS = ("topologies", "experiments", "faults", "controllers", "modes")
_MODES = {
    "balance-rr": "0: each packet on the next member; needs a static LAG",
    "active-backup": "1: one member at a time; needs nothing of the switch",
    "balance-xor": "2: each flow on the member of its hash; needs a static LAG",
    "broadcast": "3: every packet on every member; needs a static LAG, or separate networks",
    "802.3ad": "4: each flow on the member of its hash; needs LACP",
    "balance-tlb": "5: sends on all members by load, receives on one; needs nothing of the switch",
    "balance-alb": "6: as 5, and receives on all by its ARP replies; needs nothing of the switch",
}


@click.command("list")
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(what: str | None, as_json: bool) -> None:
    """List topologies, experiments, faults ...

    Without an argument, list topologies, experiments, faults, controllers and modes, one line each. With one of these
    words, list that kind with its details.
    """
    if what is not None and what not in _LISTS:
        raise unknown("list", what, _LISTS)
    lists = {kind: _entries(kind) for kind in _LISTS if what in (None, kind)}
    if as_json:
        click.echo(json.dumps(lists))
        return
    for kind, entries in lists.items():
        out.print(kind, style="bold")
        width = max(map(len, entries)) + 2
        for entry, text in entries.items():
            out.print(f"  {entry:<{width}}{text}", soft_wrap=True, markup=False)
            for line in _details(kind, entry) if what else ():
                out.print(f"  {'':<{width}}{line}", soft_wrap=True, markup=False, style="dim")
    if what == "topologies":
        out.print("To draw one, type for example: testbed show mlag --set members=2")


def _entries(kind: str) -> dict[str, str]:
    """The names of that kind, each with one line about it."""
    if kind in ("topologies", "experiments"):
        return {name: discovery.summary(kind, name) for name in discovery.names(kind)}
    if kind == "faults":
        return {name: fault.summary for name, fault in FAULTS.items()}
    if kind == "controllers":
        return {name: scheme.summary for name, scheme in SCHEMES.items()}
    return _MODES


def _details(kind: str, name: str) -> list[str]:
    """The further lines about an entry."""
    if kind == "topologies":
        function = discovery.topology(name)
        own = _arguments(discovery.own_arguments(function))
        return [*([text] if (text := discovery.survives(function)) else []), f"arguments: {own}"]
    if kind == "experiments":
        found = discovery.experiment(name)
        factors = (f"{factor.name}={','.join(map(str, factor.levels))}" for factor in found.factors)
        return [found.question, f"factors: {' '.join(factors)}; topology {found.topology}"]
    if kind == "faults":
        return _parameters(FAULTS[name])
    return []


def _arguments(found: Mapping[str, Level]) -> str:
    """The arguments with their values, as --set takes them."""
    return ", ".join(f"{key}={str(each).lower() if isinstance(each, bool) else each}" for key, each in found.items())


def _parameters(fault: Fault) -> list[str]:
    lines = [f"of a {fault.element}"] if fault.element != "any" else []
    for parameter in fault.parameters:
        known = f" ({', '.join(parameter.known)})" if parameter.known else ""
        lines.append(f"--set {parameter.factor}={parameter.default}: {parameter.meaning}{known}")
    return lines


@click.command()
@click.argument("topology")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the topology.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Also write the drawing to this file.")
@click.option("--json", "as_json", is_flag=True, help="The whole specification, for programs.")
def show(topology: str, settings: tuple[str, ...], svg: Path | None, as_json: bool) -> None:
    """Draw TOPOLOGY and list its parts.

    The list has nodes, links, bonds, LAGs, LACP systems, addresses and rates.
    """
    if svg is not None:
        writable(svg)
    function = discovery.topology(topology)
    network = build_from_settings(function, settings_of(settings))
    if as_json:
        click.echo(network.to_json())
    else:
        picture = drawing.picture(network, width=out.width)
        for line in (*picture, "", *drawing.listing(network)) if picture else drawing.listing(network):
            out.print(line, soft_wrap=True, markup=False)
        out.print("")
        if text := discovery.survives(function):
            out.print(text, soft_wrap=True, markup=False)
        arguments = _arguments(topology_defaults(function))
        out.print(f"arguments: {arguments}", soft_wrap=True, markup=False, style="dim")
    if svg is not None:
        svg.write_text(drawing.svg(network))
        if not as_json:
            out.print(f"drawing {svg}", soft_wrap=True)
