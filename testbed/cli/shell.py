"""testbed shell, testbed clean: a live network to work in; removing what interrupted work left."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from testbed import rawfiles, schemes
from testbed.cli.base import err, out, settings_of
from testbed.experiment import discovery
from testbed.experiment.plan import build_from_settings
from testbed.run.leftovers import leftovers
from testbed.run.live import open_shell


@click.command()
@click.argument("topology")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An argument of the topology.")
@click.option("--backend", type=click.Choice(["auto", "guest", "native"]), default="auto", show_default=True)
@click.option("--out", "kept", type=click.Path(path_type=Path), help="A new directory: what is written inside stays.")
def shell(topology: str, settings: tuple[str, ...], backend: str, kept: Path | None) -> None:
    """Open Mininet's prompt on TOPOLOGY.

    The network is live and its clock is real. Standard input may be a file or a pipe: each line is a command, which has
    no input of its own, and the end leaves. Exit code: the prompt's, 0; 3 if the guest could not start.
    """
    network = build_from_settings(discovery.topology(topology), settings_of(settings))
    schemes.chosen({}).check(network)
    sys.exit(open_shell(network, backend, kept))


@click.command()
def clean() -> None:
    """Remove what interrupted work left behind.

    That is unfinished kernel builds and directories of trials.
    """
    for path in leftovers():
        try:
            rawfiles.remove(path)
        except OSError as error:
            err.print(f"not removed {path}: {error.strerror}", style="yellow", soft_wrap=True, markup=False)
        else:
            out.print(f"removed {path}", soft_wrap=True, markup=False)
