"""A network to work in: live, with Mininet's prompt on this terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from testbed import rawfiles
from testbed.backends import environment, guest, native, scratch
from testbed.design.trial import Trial
from testbed.errors import SpecError
from testbed.run.executor import GuestBackend, choose_backend
from testbed.spec import Topology


def open_shell(network: Topology, wanted: str, kept: Path | None = None) -> int:
    """Build the network and show the prompt until the user leaves it; real clock. Returns the exit code.

    The trial's directory, with what was written into it at the prompt, stays in ``kept``; without one it is removed.

    Errors: MachineError if the ``wanted`` backend (auto, guest or native) cannot run; SpecError if ``kept`` is in use
    or standard input is closed.
    """
    if sys.stdin is None:
        raise SpecError("standard input is closed", "Give a terminal or a script, such as: testbed shell mlag < FILE")
    backend = choose_backend(wanted, "real")
    given = {"trial.json": Trial(1, "", {}, 0, 1, network, "real").to_json()}
    with scratch.directory() as files, _directory(kept, files / "trial", given) as directory:
        if isinstance(backend, GuestBackend):
            return guest.interactive(backend.kernel, directory, environment.shell_command(guest.DIRECTORY))
        return native.interactive(files, environment.shell_command(directory))


@contextmanager
def _directory(kept: Path | None, otherwise: Path, given: Mapping[str, str]) -> Iterator[Path]:
    """The directory that the prompt's network writes into, with what it is given."""
    place = (kept or otherwise).absolute()
    try:
        place.mkdir(parents=True)
    except OSError as error:
        raise SpecError(f"{place} cannot be made: {error.strerror}", "Give a new directory: --out DIR") from error
    for name, text in given.items():
        rawfiles.write(place / name, text)
    try:
        yield place
    finally:
        rawfiles.accept(place, given)
