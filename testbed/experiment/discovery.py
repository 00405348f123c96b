"""Finding topologies and experiments: by the name of a file in our directories, or by the path of a user's own file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from testbed.design.factor import Level
from testbed.errors import SpecError, unknown
from testbed.experiment import mininet_topo, user_code
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import TopologyFunction
from testbed.spec import Topology


def names(directory: str) -> list[str]:
    """The names of the files in a directory of ours (``topologies`` or ``experiments``)."""
    package = importlib.import_module(directory)
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def summary(directory: str, name: str) -> str:
    """The first line of that file's docstring."""
    return (importlib.import_module(f"{directory}.{name}").__doc__ or "").strip().splitlines()[0]


def topology(name: str) -> TopologyFunction:
    """The function that returns a topology, by name or by path.

    Errors: SpecError, with file and line if the file cannot be loaded.
    """
    module = _module("topologies", "topology", name)
    function = _function(module, name)
    if hasattr(module, "topos") and (function is None or inspect.isclass(function)):
        return mininet_topo.topology(module, name)
    if function is None:
        raise _no_function(module, name, "topology", "a Topology, or topos as mn --custom takes them")
    return function


def experiment(name: str) -> Experiment:
    """An experiment, by name or by path.

    Errors: SpecError, with file and line if the file cannot be loaded or its function does not return an experiment.
    """
    module = _module("experiments", "experiment", name)
    function = _function(module, name)
    if function is None:
        raise _no_function(module, name, "experiment", "an Experiment")
    with user_code.calling(function, "experiment"):
        value = function()
    if isinstance(value, Experiment):
        return value
    hint = ""
    if isinstance(value, Topology):
        file = user_code.typed(user_code.file_of(function))
        hint = f"To run an experiment on it, type: testbed run failover --topology {file}"
    raise user_code.not_returned(function, "experiment", value, hint)


def drawing(function: TopologyFunction) -> str:
    """The drawing that opens a topology's file: the indented block of its docstring."""
    text = inspect.getdoc(user_code.module_of(function)) or ""
    lines = text.splitlines()[1:]
    return "\n".join(line for line in lines if not line or line.startswith("  ")).strip("\n")


def survives(function: TopologyFunction) -> str:
    """The paragraph of a topology file's docstring that begins with "Survives"; empty if there is none."""
    text = inspect.getdoc(user_code.module_of(function)) or ""
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return next((part for part in paragraphs if part.startswith("Survives")), "")


def own_arguments(function: TopologyFunction) -> dict[str, Level]:
    """The arguments that only this topology has, with their defaults: without those that cables, bonds ... share."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if isinstance(each.default, str | int | float)}


def _module(directory: str, kind: str, name: str) -> ModuleType:
    """The module of a file, by its name in ``directory`` or by its path. Errors: SpecError."""
    if name.endswith(".py"):
        return _module_from_path(Path(name), kind)
    if name not in names(directory):
        raise unknown(kind, name, names(directory))
    path = Path(importlib.import_module(directory).__path__[0]) / f"{name}.py"
    with user_code.loading(path, kind):
        return importlib.import_module(f"{directory}.{name}")


def _module_from_path(path: Path, kind: str) -> ModuleType:
    if not path.is_file():
        raise SpecError(f"no file {path}; wanted a Python file or one of our names", "See: testbed list")
    path = path.absolute()
    # A name that no other module has: a file called random.py must not replace the standard library's module.
    spec = importlib.util.spec_from_file_location(f"user file {path}", path)
    assert spec is not None and spec.loader is not None  # the file's name ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # at the end: what is beside the file replaces no other module
    with user_code.loading(path, kind):
        spec.loader.exec_module(module)
    return module


def _function(module: ModuleType, name: str) -> Callable[..., Any] | None:
    """The function that the file is named after; None if there is none."""
    found = getattr(module, Path(name).stem, None)
    return found if callable(found) else None


def _no_function(module: ModuleType, name: str, kind: str, wanted: str) -> SpecError:
    stem = Path(name).stem
    hint = f"Add to the file: def {stem}(): ..."
    if kind == "topology" and (classes := mininet_topo.classes(module)):
        hint = f"Add to the file: topos = {{{stem!r}: {classes[0]}}}"
    elif not stem.isidentifier():
        hint = f"Rename the file: no function can have the name {stem}."
    return SpecError(f"{name} has no function {stem}(); wanted one that returns {wanted}", hint)
