"""A user's own controller: an application for os-ken, or for Ryu, in a file (docs/controllers.md).

The file is read here, never executed: it is parsed for its application class, its imports and the constants ``SIDE``
and ``PACKAGES``.
Only a trial executes it, from the copy that the run keeps.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from testbed.controller import OPENFLOW_PORT
from testbed.design.factor import Level
from testbed.errors import SpecError, unknown
from testbed.schemes import requirements
from testbed.schemes.scheme import ProcessSpec, Scheme
from testbed.schemes.testbed_lacp import configured
from testbed.spec import SwitchSide, Topology

#: Where the run's copy of user code has the controllers' files, each controller in a directory of its own.
KEPT = "controllers"
#: What ``SIDE`` may say, as of `testbed.spec.SwitchSide`.
FACTS = ("lags", "negotiates", "groups", "port_status")
_FRAMEWORKS = {"os_ken": "OSKenApp", "ryu": "RyuApp"}
#: What stands for a user's file among the levels of ``controller``.
FILE = "FILE.py"
_HINT = "A worked example is in docs/controllers.md."
_copies: list[Path] = []


@dataclass(frozen=True)
class Source:
    """What a controller's file says of itself; ``side`` is None where it has no ``SIDE``. ``packages`` are the
    distributions that it needs besides those that every trial has."""

    path: Path
    framework: str
    side: Mapping[str, bool] | None
    packages: tuple[str, ...] = ()


def is_own(name: str) -> bool:
    """Whether the level of ``controller`` names a user's file."""
    return name.endswith(".py")


def read_copies(code: Path | None) -> None:
    """From now on, the controllers' files are read from this copy of the user's code, if they are in it; None: there
    is no copy yet."""
    _copies[:] = [code / KEPT] if code else []
    read.cache_clear()


def place(name: str) -> Path:
    """Where the controller's file is: in the run's copy, or as it was typed."""
    kept = [copies / Path(name).stem / Path(name).name for copies in _copies]
    return next((path for path in kept if path.is_file()), Path(name))


def files(name: str) -> list[Path]:
    """The controller's file, and the Python files beside it that it imports."""
    first = Path(name).absolute()
    beside = {path.stem: path for path in first.parent.glob("*.py")}
    found, waiting = set[Path](), [first]
    while waiting:
        path = waiting.pop()
        found.add(path)
        names = {module.partition(".")[0] for module in _imports(_parsed(path))}
        waiting += [beside[each] for each in sorted(names & beside.keys()) if beside[each] not in found]
    return sorted(found)


@cache
def read(path: Path) -> Source:
    """What the file says. Errors: SpecError for a file that is missing, is not Python, or has no application."""
    tree = _parsed(path)
    frameworks = sorted({name.partition(".")[0] for name in _imports(tree)} & _FRAMEWORKS.keys())
    if len(frameworks) > 1:
        raise SpecError(f"{path} imports os_ken and ryu; wanted one of them, for a controller runs on one", _HINT)
    if not frameworks or not _application(tree, frameworks[0]):
        raise SpecError(
            f"{path} has no application class; wanted a class derived from os_ken.base.app_manager.OSKenApp"
            " (or, for Ryu, ryu.base.app_manager.RyuApp)",
            _HINT,
        )
    packages = _packages(tree, path)
    if packages and frameworks[0] == "ryu":
        raise SpecError(f"{path} has PACKAGES, but on Ryu an application has the packages of Ryu's environment", _HINT)
    return Source(path, frameworks[0], _side(tree, path), packages)


class OwnController(Scheme):
    """An application of the user's own, for os-ken or Ryu."""

    why_no_option = "what it does with options of LAGs is not known"
    openflow = "OpenFlow13"

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def source(self) -> Source:
        """What its file says of it. Errors: as of `read`."""
        return read(place(self.name))

    @property
    def side(self) -> SwitchSide:  # type: ignore[override]
        """What its file declares; without a declaration nothing is known of it."""
        facts = self.source.side
        lags, negotiates, groups, port_status = ((facts or {}).get(name, False) for name in FACTS)
        return SwitchSide(
            lags=lags, negotiates=negotiates, groups=groups, port_status=port_status, known=facts is not None
        )

    def heeded(self, topology: Topology) -> Topology:
        """All of it, as far as is known: the application gets the whole network's description."""
        return topology

    def check(self, topology: Topology) -> None:
        """The file has an application, and what that runs on is installed."""
        del topology
        if self.source.framework == "ryu":
            requirements.ryu()

    def process(self, topology: Topology, case: Mapping[str, Level], scratch: Path) -> ProcessSpec:
        """The application in a process of its own, with the network's description in two files."""
        del case
        source = self.source
        python = requirements.ryu() if source.framework == "ryu" else [sys.executable]
        described = scratch / "topology.json"
        described.write_text(topology.to_json())
        command = (*python, "-m", "testbed.controller.own", str(source.path.absolute()), str(OPENFLOW_PORT))
        return ProcessSpec(command, OPENFLOW_PORT, configured(topology, scratch, TESTBED_TOPOLOGY=str(described)))


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise SpecError(f"controller {path} cannot be read: {error.strerror}", _HINT) from error
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise SpecError(f"{path}{line}: SyntaxError: {error.msg}", _HINT) from error
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path} is not Python: {error}", _HINT) from error


def _imports(tree: ast.Module) -> Iterator[str]:
    """The modules that the file imports, with what it imports from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _application(tree: ast.Module, framework: str) -> bool:
    """Whether a class of the file is, by its bases' names, an application of the framework."""
    wanted = {_FRAMEWORKS[framework]}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            ready_made = node.module.startswith(f"{framework}.app.")
            wanted |= {
                each.asname or each.name for each in node.names if ready_made or each.name == _FRAMEWORKS[framework]
            }
    found = False
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(_last_name(base) in wanted for base in node.bases):
            wanted.add(node.name)
            found = True
    return found


def _last_name(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""


def _side(tree: ast.Module, path: Path) -> dict[str, bool] | None:
    """The constant ``SIDE``, if the file has one."""
    for line, found in _constants(tree, "SIDE"):
        where = f"SIDE in {path}, line {line}"
        if not isinstance(found, dict) or not all(isinstance(fact, bool) for fact in found.values()):
            raise SpecError(f'{where} is not plain; wanted facts with True or False such as {{"lags": True}}', _HINT)
        for fact in found:
            if fact not in FACTS:
                raise unknown(f"fact of {where}:", str(fact), FACTS)
        return found
    return None


def _packages(tree: ast.Module, path: Path) -> tuple[str, ...]:
    """The constant ``PACKAGES``, if the file has one."""
    for line, found in _constants(tree, "PACKAGES"):
        if not isinstance(found, tuple | list) or not all(isinstance(name, str) for name in found):
            what = f"PACKAGES in {path}, line {line} is not plain; wanted names of distributions"
            raise SpecError(what, 'For example: PACKAGES = ("networkx",)')
        return tuple(found)
    return ()


def _constants(tree: ast.Module, name: str) -> Iterator[tuple[int, object]]:
    """Line and value of each assignment to the name; the value is None unless it is a literal."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                yield node.lineno, ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError):
                yield node.lineno, None
