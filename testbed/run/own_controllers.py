"""Users' own controllers in a run: their files are copied into the run's user code, and their digests kept."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from testbed import schemes
from testbed.design.factor import Level
from testbed.errors import SpecError
from testbed.run import own_code
from testbed.schemes import own_controller


def named(factors: Mapping[str, Iterable[Level]]) -> list[str]:
    """The controllers among a run's levels that are users' files. Errors: SpecError for two of one name."""
    found = [str(level) for level in factors.get(schemes.FACTOR.name, ()) if own_controller.is_own(str(level))]
    first: dict[str, str] = {}
    for name in found:
        if (other := first.setdefault(Path(name).stem, name)) != name:
            raise SpecError(f"the controllers {other} and {name} have one name; wanted a name of its own for each file")
    return found


def digests(names: Iterable[str]) -> dict[str, dict[str, str]] | None:
    """For each controller the SHA-256 of each file that is kept; None where there is none."""
    found = {
        name: {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in own_controller.files(name)}
        for name in names
    }
    return found or None


def keep(names: Iterable[str], run: Path) -> None:
    """Copy the files of each controller into the run's directory; from there they are read from now on."""
    for name in names:
        directory = run / own_code.NAME / own_controller.KEPT / Path(name).stem
        directory.mkdir(parents=True, exist_ok=True)
        for path in own_controller.files(name):
            shutil.copyfile(path, directory / path.name)
    own_controller.read_copies(run / own_code.NAME)
