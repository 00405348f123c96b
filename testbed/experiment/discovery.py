"""Finding topologies and experiments: by the name of a file on our shelves, or by the path of the user's own."""

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
from testbed.experiment import mininet_topo
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import TopologyFunction


def names(shelf: str) -> list[str]:
    """The names of the files on a shelf (``topologies`` or ``experiments``)."""
    package = importlib.import_module(shelf)
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def summary(shelf: str, name: str) -> str:
    """The first line of that file's docstring."""
    return (importlib.import_module(f"{shelf}.{name}").__doc__ or "").strip().splitlines()[0]


def _module_from_path(path: Path) -> ModuleType:
    if not path.is_file():
        raise SpecError(f"no file {path}; wanted a Python file or one of our names", "See: testbed list")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SpecError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SpecError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def _function(shelf: str, kind: str, name: str) -> Callable[..., Any]:
    """The function that a file is named after."""
    if name.endswith(".py"):
        path = Path(name)
        module, word = _module_from_path(path), path.stem
    elif name in names(shelf):
        module, word = importlib.import_module(f"{shelf}.{name}"), name
    else:
        raise unknown(kind, name, names(shelf))
    function = getattr(module, word, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    if shelf == "topologies" and hasattr(module, "topos"):
        return mininet_topo.topology(module, name)
    raise SpecError(f"{name} has no function {word}(); a {kind} file holds a function of its own name")


def topology(name: str) -> TopologyFunction:
    """The function that makes a topology, by name or by path."""
    return _function("topologies", "topology", name)


def experiment(name: str) -> Experiment:
    """An experiment, by name or by path."""
    value = _function("experiments", "experiment", name)()
    if not isinstance(value, Experiment):
        raise SpecError(f"{name} returns {type(value).__name__}, not an Experiment")
    return value


def drawing(function: TopologyFunction) -> str:
    """The drawing that opens a topology's file: the indented block of its docstring."""
    text = inspect.getdoc(sys.modules[function.__module__]) or ""
    lines = text.splitlines()[1:]
    return "\n".join(line for line in lines if not line or line.startswith("  ")).strip("\n")


def survives(function: TopologyFunction) -> str:
    """What a topology survives: the paragraph of its file's docstring that begins so; empty if there is none."""
    text = inspect.getdoc(sys.modules[function.__module__]) or ""
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return next((part for part in paragraphs if part.startswith("Survives")), "")


def own_arguments(function: TopologyFunction) -> dict[str, Level]:
    """The arguments that are the topology's own, with their defaults: without those that cables, bonds ... share."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if isinstance(each.default, str | int | float)}
