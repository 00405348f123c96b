"""testbed shell, testbed clean: a network to work in, and what work left behind."""

from __future__ import annotations

import click

from testbed.cli.base import out, settings_of
from testbed.experiment import discovery
from testbed.run import prepare


@click.command()
@click.argument("topology")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the topology.")
@click.option("--backend", type=click.Choice(["auto", "guest", "native"]), default="auto", show_default=True)
def shell(topology: str, settings: tuple[str, ...], backend: str) -> None:
    """TOPOLOGY, live, with Mininet's prompt (real clock)."""
    function = discovery.topology(topology)
    network = prepare.one_topology(function, settings_of(settings))
    prepare.shell(network, backend)


@click.command()
def clean() -> None:
    """Remove what interrupted kernel builds and trials may have left behind."""
    for path in prepare.leftovers():
        out.print(f"removed {path}", soft_wrap=True)
        prepare.remove(path)
