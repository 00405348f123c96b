"""The Python distributions of an environment: which ones a set of them needs, and their files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from testbed.errors import MachineError, SpecError

#: Files of an installation that depend on where, how or when it was made.
_LOCAL = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def canonical(name: str) -> str:
    """The name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(roots: Iterable[str], path: list[str] | None = None) -> dict[str, metadata.Distribution]:
    """The distributions of these requirements and of what they need, by canonical name.

    ``path`` holds the directories to search; this process's own if it is None. Errors: SpecError naming what is not
    installed.
    """
    found: dict[str, metadata.Distribution] = {}
    waiting = [(Requirement(root), frozenset[str]()) for root in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted, by = waiting.pop()
        name, extras = canonical(wanted.name), frozenset(wanted.extras)
        if not _applies(wanted, by) or (name, extras) in seen:
            continue
        seen.add((name, extras))
        distribution = next(iter(metadata.distributions(name=name, path=sys.path if path is None else path)), None)
        if distribution is None:
            raise SpecError(f"the distribution {wanted.name} is not installed", f"Type: pip install '{wanted.name}'")
        found[name] = distribution
        waiting += [(Requirement(text), extras) for text in distribution.requires or ()]
    return dict(sorted(found.items()))


def _applies(wanted: Requirement, extras: frozenset[str]) -> bool:
    """Whether the requirement holds on this machine, for a distribution that is wanted with these extras."""
    return wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def files(distribution: metadata.Distribution) -> Iterator[tuple[str, Path]]:
    """The files of a distribution, each with its path below the directory of packages; without byte-code, tests and
    programs. Errors: MachineError for one that is not installed by copying."""
    recorded = distribution.files or []
    name, directory = distribution.metadata["Name"], str(distribution.locate_file(""))
    if not recorded or any(part.name.startswith("__editable__") for part in recorded):
        raise MachineError(
            f"the distribution {name} is not installed with all its files (editable, or without a RECORD)",
            f"Type: pip install --force-reinstall '{name}'",
        )
    for part in recorded:
        outside = part.is_absolute() or ".." in part.parts
        if outside or part.suffix == ".pyc" or "tests" in part.parts[1:-1]:
            continue
        if part.parent.name.endswith((".dist-info", ".egg-info")) and part.name in _LOCAL:
            continue
        path = os.path.join(directory, *part.parts)
        if os.path.isfile(path):
            yield str(part), Path(path)


def submodules(found: dict[str, metadata.Distribution], package: str) -> set[str]:
    """The names of a package's modules, with dots, and its own."""
    names = set()
    for distribution in found.values():
        for part in distribution.files or ():
            if part.parts[0] == package and part.suffix in (".py", ".so"):
                name = part.name.partition(".")[0]
                names.add(".".join(part.parent.parts if name == "__init__" else (*part.parent.parts, name)))
    return names


def modules(found: dict[str, metadata.Distribution]) -> set[str]:
    """The names of the top-level modules of these distributions."""
    names = set()
    for distribution in found.values():
        for part in distribution.files or ():
            first = part.parts[0]
            if first != ".." and not first.endswith((".dist-info", ".egg-info", ".libs")):
                names.add(first.partition(".")[0])
    return names
