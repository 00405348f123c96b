"""The runtime image: all files that a trial in virtual time can see, at fixed places, whatever the machine's are.

    base      the guest's root: Python, the packages and programs that a trial needs, their libraries, a small /etc
    project   the testbed's own code, without what only reads results
    ryu       the environment of `make setup-ryu`, where there is one

Each part is a directory in the cache named by the digest of its content (layer). The guest's clock moves by itself
only with the system calls that fail and with its own readings, so what a program finds on its way, and in what order,
is part of a trial's input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.backends import environment
from testbed.backends.runtime import contents, distributions, layer

#: Where the parts are mounted, besides the base, which is the root.
PROJECT = environment.IMAGE.project
RYU = f"{PROJECT}/.venv-ryu"


@dataclass(frozen=True)
class Runtime:
    """An image on disk: the directory of each part, and what is recorded of it.

    ``digest`` is that of base and project: the environment of Ryu does not affect trials without Ryu. ``digests`` are
    SHA-256 of the programs, Python, the C library and that environment; ``versions`` are of everything in the base.
    """

    root: Path
    project: Path
    ryu: Path | None
    digest: str
    versions: dict[str, str]
    digests: dict[str, str]

    def mounts(self) -> list[tuple[Path, str]]:
        """Each part's directory and its place inside, in the order of mounting."""
        parts = [(self.root, "/"), (self.project, PROJECT)]
        return parts + ([(self.ryu, RYU)] if self.ryu is not None else [])


def prepared(packages: Sequence[str] = (), programs: Sequence[str] = ()) -> Runtime:
    """The image for trials that need these distributions and programs besides our own; what is missing of it is built.

    Errors: SpecError for a distribution or program that is not installed; MachineError if the cache cannot be written,
    or if a package that the testbed needs is not there.
    """
    base = layer.stored(contents.base(packages, programs), contents.finish)
    project = layer.stored(contents.project(environment.PROJECT), lambda *_: {})
    with_ryu = environment.PROJECT / ".venv-ryu"
    complete = (with_ryu / "ready").exists()  # written by `make setup-ryu` at its end
    ryu = layer.stored(contents.ryu(with_ryu), lambda *_: {}) if complete else None
    facts: dict[str, Any] = base.facts
    whole = hashlib.sha256(f"{base.digest} {project.digest}".encode()).hexdigest()
    return Runtime(
        base.root,
        project.root,
        ryu.root if ryu else None,
        whole,
        facts["versions"],
        facts["digests"] | ({"ryu": ryu.digest} if ryu else {}),
    )


__all__ = ["PROJECT", "RYU", "Runtime", "distributions", "prepared"]
