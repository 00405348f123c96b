"""A laboratory for link redundancy: real bonds, real switches, real faults, measured."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

__version__ = "0.1.0"

#: Modules that have moved, by the names that documents gave before: files and notebooks of users import them.
FORMER_NAMES = {
    "testbed.emulation.arms": "testbed.schemes",
    "testbed.emulation.tally": "testbed.observe.flow_counters",
    "testbed.export": "testbed.results.export",
    "testbed.measure.probe": "testbed.observe.probe",
    "testbed.oracle": "testbed.theory.reachability",
    "testbed.result": "testbed.results.result",
    "testbed.wiring": "testbed.spec.wiring",
}


class _FormerNames:
    """Finds a module by its former name (importlib.abc.MetaPathFinder and Loader): it is the same module object."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in FORMER_NAMES else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(FORMER_NAMES[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is executed again; the import system has put the former name's specification into the module."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


#: Our packages beside this one. Installed from a wheel they are inside it, so that they are in nobody's way.
BESIDE = ("experiments", "topologies")


_PROJECT = Path(__file__).resolve().parent.parent


def directory_of(package: str, project: Path = _PROJECT) -> Path:
    """Where the files of ``testbed``, ``topologies`` or ``experiments`` are."""
    inside = project / "testbed" / package
    return inside if package in BESIDE and inside.is_dir() else project / package


class _Beside:
    """Finds these packages before any directory of a user that has the same name (importlib.abc.MetaPathFinder)."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in BESIDE:
            return None
        place = directory_of(name)
        return importlib.util.spec_from_file_location(
            name, place / "__init__.py", submodule_search_locations=[str(place)]
        )


sys.meta_path.insert(0, _Beside())
sys.meta_path.append(_FormerNames())
