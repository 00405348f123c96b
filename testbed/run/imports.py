"""What a Python file of a user imports when it is loaded, or later, that is not there where it runs. Only read."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import testbed
from testbed.backends.environment import PROJECT
from testbed.backends.runtime.contents import READERS

OURS = ("testbed", "topologies", "experiments")
_CATCH = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True)
class Missing:
    """A module that a file imports and that is not there; ``why`` says more of one of ours."""

    path: Path
    line: int
    module: str
    why: str = ""

    @property
    def first(self) -> str:
        """The package that it is in."""
        return self.module.partition(".")[0]

    @property
    def is_directory(self) -> bool:
        """Whether a directory of that name is beside the file: only files are taken along."""
        return (self.path.parent / self.first).is_dir()


def missing(file: Path, beside: Mapping[str, Path], known: Callable[[str], bool], *, later: bool) -> Missing | None:
    """The first module that is not there, of the file and of those ``beside`` it that it imports.

    ``known`` says whether a module of another's is there. ``later``: what its functions import counts as well.
    """
    waiting, seen = [file], set[Path]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for line, name in imports(read(path), later=later):
            first = name.partition(".")[0]
            if first in beside:
                waiting += [beside[first]] if beside[first] not in seen else []
            elif first in OURS:
                if why := _not_loadable(name, known, seen):
                    return Missing(path, line, name, why)
            elif not known(name):
                return Missing(path, line, name)
    return None


def read(path: Path) -> ast.Module:
    """A Python file, parsed; its encoding is as Python takes it (PEP 263)."""
    return ast.parse(path.read_bytes())


def imports(tree: ast.Module, *, later: bool = False) -> Iterator[tuple[int, str]]:
    """Line and name of each import that must succeed; of our own packages, what is imported from them as well, for
    that may be a module. A relative import begins with a dot."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            yield node.lineno, name
            if name.partition(".")[0] in OURS:
                yield from ((node.lineno, f"{name}.{each.name}") for each in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.Try) and any(map(_catches, node.handlers)):
            waiting += node.finalbody
        elif later or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether it goes on without the module."""
    kinds: Sequence[ast.expr | None] = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in _CATCH for kind in kinds)


def _not_loadable(name: str, known: Callable[[str], bool], seen: set[Path]) -> str:
    """Why a module of ours cannot be loaded in a trial; empty if it can. Files in ``seen`` are not read again."""
    waiting = [(name, "only reads results and cannot be loaded in a trial")]
    while waiting:
        name, why = waiting.pop()
        first, *rest = name.split(".")
        if first not in OURS:
            if not known(name):
                return why
            continue
        if first == "testbed" and rest and rest[0] in READERS:
            return why
        for path in _modules(first, tuple(rest)):
            if path not in seen:
                seen.add(path)
                because = f"cannot be loaded in a trial: {path.relative_to(PROJECT)}, line"
                found = _own_imports(path)
                waiting += [(further, f"{because} {line}, imports {further}") for line, further in found]
    return ""


@functools.cache
def _own_imports(path: Path) -> tuple[tuple[int, str], ...]:
    """What a module of ours imports; many experiments lead to the same ones."""
    return tuple(imports(read(path)))


@functools.cache
def _modules(first: str, rest: tuple[str, ...]) -> tuple[Path, ...]:
    """The files that are loaded with a module of ours: those of the packages that it is in, and its own."""
    place = testbed.directory_of(first)
    found = [place / "__init__.py"]
    for part in rest:
        place /= part
        found += [place / "__init__.py", place.with_suffix(".py")]
    return tuple(path for path in found if path.is_file())
