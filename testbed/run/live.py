"""A network to work in: live, with Mininet's prompt on this terminal."""

from __future__ import annotations

from testbed.backends import environment, guest, native, scratch
from testbed.design.trial import Trial
from testbed.run.executor import GuestBackend, choose_backend
from testbed.spec import Topology


def open_shell(network: Topology, wanted: str) -> int:
    """Build the network and show the prompt until the user leaves it; real clock. Returns the exit code.

    Errors: MachineError if the ``wanted`` backend (auto, guest or native) cannot run.
    """
    backend = choose_backend(wanted, "real")
    with scratch.directory() as directory:
        (directory / "trial.json").write_text(Trial(1, "", {}, 0, 1, network, "real").to_json())
        if isinstance(backend, GuestBackend):
            return guest.interactive(backend.kernel, directory, environment.shell_command(guest.DIRECTORY))
        return native.interactive(directory, environment.shell_command(directory))
