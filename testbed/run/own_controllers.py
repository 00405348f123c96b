"""Users' own controllers in a run: their files are copied into the run's user code, and their digests kept; whether
all that they import is there is checked before the first trial."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import util
from importlib.machinery import PathFinder
from pathlib import Path

from testbed import schemes
from testbed.backends.runtime import contents, distributions
from testbed.design.factor import Level
from testbed.errors import SpecError
from testbed.run import imports, own_code
from testbed.schemes import own_controller, requirements


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


def packages(factors: Mapping[str, Iterable[Level]]) -> tuple[str, ...]:
    """The distributions that the controllers of a run need besides those that every trial has."""
    sources = [own_controller.read(own_controller.place(name)) for name in named(factors)]
    return tuple(dict.fromkeys(package for source in sources for package in source.packages))


def check_imports(names: Iterable[str], packages: Sequence[str], *, image: bool) -> None:
    """Errors: SpecError if a controller imports, at the top or later, what its trials do not have.

    ``image``: they see the runtime image, with these ``packages`` of the whole run; otherwise this machine's files.
    """
    for name in names:
        source = own_controller.read(own_controller.place(name))
        there = _Modules(source.framework, packages, image=image)
        file = source.path.absolute()
        beside = {path.stem: path for path in own_controller.files(name) if not there.known(path.stem)}
        if (found := imports.missing(file, beside, there.known, later=True)) is not None:
            raise own_code.not_there(found, there.hint(found), "Copy what you need of it into the file.")


class _Modules:
    """The modules that an application for one of the frameworks finds."""

    def __init__(self, framework: str, packages: Sequence[str], *, image: bool) -> None:
        self._framework, self._image = framework, image
        self._ryu = requirements.RYU_PYTHON.parent.parent
        found = (
            contents.ryu_distributions(self._ryu)
            if framework == "ryu"
            else distributions.closure((*contents.PACKAGES, *packages))
        )
        self._submodules = distributions.submodules(found, framework)
        self._first = contents.library() | distributions.modules(found) if image else sys.stdlib_module_names

    def known(self, name: str) -> bool:
        """Whether a module is there; of the framework every one is known, of others the package."""
        first = name.partition(".")[0]
        if first == self._framework:
            return name in self._submodules
        if self._image or first in self._first:
            return first in self._first
        if self._framework == "ryu":
            places = [str(place) for place in self._ryu.glob("lib/python*/site-packages")]
            return PathFinder.find_spec(first, places) is not None
        return bool(first) and util.find_spec(first) is not None

    def hint(self, found: imports.Missing) -> str:
        """What to type, or to write, for a module that is not there."""
        if found.first == self._framework:
            return f"Correct the name: {self._framework} has no such module."
        distribution = own_code.distribution_of(found.first)
        if self._framework == "ryu":
            return "On Ryu an application has what Ryu needs. One for os-ken may ask for more: docs/controllers.md"
        if self._image:
            return f"Add to the file: PACKAGES = ({distribution!r},)"
        return f"Type: pip install {distribution!r}"
