"""Finding topologies and experiments: by the name of a file in our directories, or by the path of a user's own file.

    mlag                a file of ours, topologies/mlag.py
    ./mine.py           a user's own: the function, or Mininet's topo, that the file is named after
    ./mine.py:other     the function or topo of that name

A user's own file is executed in a process that can touch nothing (testbed.experiment.user_file); `load_topology` and
`load_experiment` execute it here, for that process and for the place of a trial.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from testbed.design.factor import Level
from testbed.errors import SpecError, unknown
from testbed.experiment import mininet_topo, user_code, user_file
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


def file_of(name: str) -> tuple[Path, str] | None:
    """The file that ``FILE.py`` or ``FILE.py:NAME`` names, and the name in it; None for a name of ours."""
    found = re.fullmatch(r"(.*\.py)(?::(.+))?", name, re.DOTALL)
    if found is None:
        return None
    path = Path(found[1])
    return path, found[2] or path.stem


def topology(name: str) -> TopologyFunction:
    """The function that returns a topology, by name or by path.

    Errors: SpecError, with file and line if the file cannot be loaded; MachineError if it cannot be executed apart.
    """
    own = file_of(name)
    return load_topology(name) if own is None else user_file.topology(name, _existing(own[0]))


def experiment(name: str, directories: Sequence[Path] = ()) -> Experiment:
    """An experiment, by name or by path; a user's file may read ``directories`` besides its own.

    Errors: SpecError, with file and line if the file cannot be loaded or its function does not return an experiment;
    MachineError if it cannot be executed apart.
    """
    own = file_of(name)
    return load_experiment(name) if own is None else user_file.experiment(name, _existing(own[0]), directories)


def load_topology(name: str) -> TopologyFunction:
    """The function that returns a topology, executed in this process."""
    module, wanted = _module("topologies", "topology", name)
    function = _function(module, wanted)
    if mininet_topo.has(module, wanted):
        own = file_of(name)
        chosen = own is not None and name != str(own[0])
        return mininet_topo.topology(module, str(own[0]) if own else name, wanted, chosen=chosen)
    if function is None:
        raise _no_function(module, name, wanted, "topology", "a Topology, or topos as mn --custom takes them")
    return function


def load_experiment(name: str) -> Experiment:
    """An experiment, executed in this process."""
    module, wanted = _module("experiments", "experiment", name)
    function = _function(module, wanted)
    if function is None:
        raise _no_function(module, name, wanted, "experiment", "an Experiment")
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


def _module(directory: str, kind: str, name: str) -> tuple[ModuleType, str]:
    """The module of a file, by its name in ``directory`` or by its path, and the name in it. Errors: SpecError."""
    own = file_of(name)
    if own is not None:
        return load_module(own[0], kind), own[1]
    if name not in names(directory):
        raise unknown(kind, name, names(directory))
    path = Path(importlib.import_module(directory).__path__[0]) / f"{name}.py"
    with user_code.loading(path, kind):
        return importlib.import_module(f"{directory}.{name}"), name


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise SpecError(f"no file {path}; wanted a Python file or one of our names", "See: testbed list")
    return path


def load_module(path: Path, kind: str) -> ModuleType:
    """The module of a user's file, executed in this process. Errors: SpecError, with file and line."""
    path = _existing(path).absolute()
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
    """The function of that name; None if there is none that was made in a module."""
    found = vars(module).get(name)
    return found if callable(found) and user_code.has_module(found) else None


def _no_function(module: ModuleType, name: str, wanted: str, kind: str, gives: str) -> SpecError:
    path, _ = file_of(name) or (Path(f"{kind}/{name}.py"), name)
    hint = f"Add to the file: def {wanted}(): ..."
    if kind == "topology" and (classes := mininet_topo.classes(module)):
        hint = f"Add to the file: topos = {{{wanted!r}: {classes[0]}}}. Or type: testbed show {path}:{classes[0]}"
    elif not wanted.isidentifier():
        hint = (
            f"Rename the file: no function can have the name {wanted}. Or name the function that is meant: {path}:NAME"
        )
    elif kind == "topology" and mininet_topo.starts_mininet(module):
        message = f"{path} builds a network by calls of Mininet(...), which a file that is read cannot; wanted {gives}"
        return SpecError(message, f"Make a class of it: class MyTopo(Topo), and add: topos = {{{wanted!r}: MyTopo}}")
    return SpecError(f"{path} has no function {wanted}(); wanted one that returns {gives}", hint)
