"""Inside: a network, live, with Mininet's prompt. Usage: python -m testbed.lab.shell DIRECTORY"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from testbed.controller import client
from testbed.controller.text import plain, tables
from testbed.design.trial import Trial
from testbed.errors import TestbedError
from testbed.lab import lab


def main(directory: Path) -> None:
    """Build the network of trial.json, wait until it has converged, and hand over to the prompt."""
    from mininet.cli import CLI  # after the network's module, which prepares Mininet's import

    class Prompt(CLI):  # type: ignore[misc]
        """Mininet's prompt, with a command that shows our controller's state."""

        def do_state(self, _line: str) -> None:
            """Show the controller's present state."""
            try:
                print(plain(tables(json.loads(client.ask("/state")))), end="")
            except TestbedError as error:
                print(error.message)

    trial = Trial.from_json((directory / "trial.json").read_text())
    with tempfile.TemporaryDirectory() as files:
        print(f"building {trial.topology.name} ...", flush=True)
        with lab.opened(trial, directory, Path(files)) as bench:
            bench.wait_converged()
            first, *others = map(trial.topology.host, trial.topology.protected_hosts())
            second, bond = (others or [first])[0], first.bond
            shown = f"; {first.name} cat /proc/net/bonding/{bond.name}" if bond and bond.driver == "bonding" else ""
            print(f"ready: type help, or for example: {first.name} ping -c 3 {second.ip}{shown}; exit")
            if bench.network.controller is not None:
                print("state shows the state of the controller")
            Prompt(bench.network.mininet)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except TestbedError as error:
        sys.exit(str(error))
