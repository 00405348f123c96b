"""testbed check, list, show: what there is, here and on the shelves."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from testbed import drawing
from testbed.backends import machine
from testbed.cli.base import out, settings_of
from testbed.design.factor import Level
from testbed.errors import MachineError, unknown
from testbed.experiment import discovery
from testbed.experiment.plan import topology_defaults
from testbed.faults.catalogue import FAULTS, Fault
from testbed.run import prepare
from testbed.schemes import SCHEMES


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
_MODES = {
    "balance-rr": "0: packet after packet, member after member; wants a static LAG",
    "active-backup": "1: one member at a time; wants nothing of the switch",
    "balance-xor": "2: each flow on the member that its hash says; wants a static LAG",
    "broadcast": "3: every packet on every member; wants a static LAG, or networks apart",
    "802.3ad": "4: LACP; each flow on the member that its hash says",
    "balance-tlb": "5: sends on all members by load, receives on one; wants nothing of the switch",
    "balance-alb": "6: as 5, and receives on all by what it answers to ARP; wants nothing of the switch",
}


@click.command("list")
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(what: str | None, as_json: bool) -> None:
    """What there is: topologies, experiments, faults, controllers, modes. One of them by itself is told in full."""
    if what is not None and what not in _LISTS:
        raise unknown("list", what, _LISTS)
    shelves = {name: _shelf(name) for name in _LISTS if what in (None, name)}
    if as_json:
        click.echo(json.dumps(shelves))
        return
    for name, entries in shelves.items():
        out.print(name, style="bold")
        width = max(map(len, entries)) + 2
        for entry, text in entries.items():
            out.print(f"  {entry:<{width}}{text}", soft_wrap=True, markup=False)
            for line in _details(name, entry) if what else ():
                out.print(f"  {'':<{width}}{line}", soft_wrap=True, markup=False, style="dim")
    if what == "topologies":
        out.print("To see one drawn, type for example: testbed show mlag --set members=2")


def _shelf(name: str) -> dict[str, str]:
    if name in ("topologies", "experiments"):
        return {entry: discovery.summary(name, entry) for entry in discovery.names(name)}
    if name == "faults":
        return {entry: fault.summary for entry, fault in FAULTS.items()}
    if name == "controllers":
        return {entry: scheme.summary for entry, scheme in SCHEMES.items()}
    return _MODES


def _details(shelf: str, name: str) -> list[str]:
    """What else is known of an entry."""
    if shelf == "topologies":
        function = discovery.topology(name)
        own = _arguments(discovery.own_arguments(function))
        return [*([text] if (text := discovery.survives(function)) else []), f"arguments: {own}"]
    if shelf == "experiments":
        found = discovery.experiment(name)
        factors = (f"{factor.name}={','.join(map(str, factor.levels))}" for factor in found.factors)
        return [found.question, f"factors: {' '.join(factors)}; topology {found.topology}"]
    if shelf == "faults":
        return _parameters(FAULTS[name])
    return []


def _arguments(found: Mapping[str, Level]) -> str:
    """Arguments with their values as --set takes them."""
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
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write the drawing into this file too.")
@click.option("--json", "as_json", is_flag=True, help="The whole specification, for programs.")
def show(topology: str, settings: tuple[str, ...], svg: Path | None, as_json: bool) -> None:
    """Draw TOPOLOGY: its nodes and links, bonds, LAGs and LACP systems, addresses and rates."""
    function = discovery.topology(topology)
    network = prepare.one_topology(function, settings_of(settings))
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
