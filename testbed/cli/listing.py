"""testbed list, show: what names there are, and what a topology looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from testbed import drawing
from testbed.cli import details, options
from testbed.cli.base import out, say, settings_of, typed, writable
from testbed.errors import SpecError, unknown
from testbed.experiment import discovery
from testbed.experiment.network import check_runs
from testbed.experiment.plan import build_from_settings, topology_defaults
from testbed.faults.catalogue import FAULTS, Fault
from testbed.schemes import SCHEMES, own_controller


@click.command("list")
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(what: str | None, as_json: bool) -> None:
    """List topologies, experiments, faults ...

    Without an argument, list topologies, experiments, faults, controllers and modes, one line each. With one of these
    words, list that kind with its details. With the name of one thing, such as failover, 802.3ad or an option such as
    vrrp_advert_ms, tell all about it.
    """
    every = {kind: _entries(kind) for kind in details.KINDS}
    if what is not None and what not in details.KINDS:
        _tell(what, every, as_json=as_json)
        return
    lists = {kind: entries for kind, entries in every.items() if what in (None, kind)}
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
        out.print(typed("To draw one, type for example: testbed show mlag --set members=2"))
    if what is None:
        out.print(typed("To be told all about one of them, type for example: testbed list failover"))


def _tell(name: str, every: Mapping[str, Mapping[str, str]], *, as_json: bool) -> None:
    """Tell all about what has this name, of each kind. Errors: SpecError if there is none."""
    of = [kind for kind, entries in every.items() if name in entries]
    found = {kind: details.KINDS[kind](name) for kind in of}
    if name in options.names():
        found["names of --set"] = options.option(name)
    if not found:
        known = {*every, *(each for entries in every.values() for each in entries)}
        error = unknown("name", name, {*known, *options.names()})
        error.known = sorted({*known, *error.near})  # without all that --set takes
        raise error
    if as_json:
        click.echo(json.dumps(found))
        return
    for kind, lines in found.items():
        out.print(f"{name}, one of the {kind}", style="bold")
        for line in lines:
            out.print(f"  {typed(line)}", soft_wrap=True, markup=False)


def _entries(kind: str) -> dict[str, str]:
    """The names of that kind, each with one line about it."""
    if kind in ("topologies", "experiments"):
        return {name: discovery.summary(kind, name) for name in discovery.names(kind)}
    if kind == "faults":
        return {name: fault.summary for name, fault in FAULTS.items()}
    if kind == "controllers":
        found = {name: scheme.summary for name, scheme in SCHEMES.items()}
        return found | {own_controller.FILE: "An OpenFlow application of your own (docs/controllers.md)."}
    return details.MODES


def _details(kind: str, name: str) -> list[str]:
    """The further lines about an entry."""
    if kind == "topologies":
        function = discovery.topology(name)
        own = details.arguments(discovery.own_arguments(function))
        return [*([text] if (text := discovery.survives(function)) else []), f"arguments, with their defaults: {own}"]
    if kind == "experiments":
        found = discovery.experiment(name)
        factors = (f"{factor.name}={','.join(map(str, factor.levels))}" for factor in found.factors)
        return [found.question, f"factors: {' '.join(factors)}; topology {found.topology}"]
    if kind == "faults":
        return _parameters(FAULTS[name])
    return []


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

    The list has nodes, links, bonds, LAGs, LACP systems, addresses and rates. Of a network that no run takes, the
    reason is told.
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
        defaults = details.arguments(topology_defaults(function))
        out.print(f"defaults: {defaults}", soft_wrap=True, markup=False, style="dim")
    if svg is not None:
        svg.write_text(drawing.svg(network))
        if not as_json:
            out.print(f"drawing {svg}", soft_wrap=True)
    try:
        check_runs(network, {}, "virtual")
    except SpecError as error:
        say(f"testbed run refuses this network: {error.message}", "yellow")
        say(typed(error.hint))
