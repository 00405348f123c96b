"""A user's own experiment or topology file: what of it is kept with the run, and whether a trial can import what it
imports.

An experiment's file and the other Python files of its directory are copied into the run's directory ``user_code`` when
the run begins. Trials load the copy; in a guest it is mounted at one fixed place. A topology's file, with those beside
it that it imports, goes to ``user_topology``: it reaches trials as a value, so it is kept to be read.
"""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import testbed
from testbed.backends.environment import PROJECT
from testbed.backends.runtime import distributions
from testbed.backends.runtime.contents import PACKAGES, READERS
from testbed.errors import SpecError
from testbed.experiment import discovery, user_code
from testbed.experiment.experiment import Experiment

NAME, TOPOLOGY = "user_code", "user_topology"
_OURS = ("testbed", "topologies", "experiments")


def is_own(name: str) -> bool:
    """Whether the experiment, or the topology, is named by a user's file."""
    return discovery.file_of(name) is not None


def digests(name: str) -> dict[str, str] | None:
    """The SHA-256 of each file of an experiment that is kept, by name; None for one of ours."""
    return _digests(_files(name)) if is_own(name) else None


def topology_digests(name: str) -> dict[str, str] | None:
    """The same of a topology."""
    return _digests(_imported(name)) if is_own(name) else None


def _digests(files: Iterable[Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def keep(experiment: str, topology: str, run: Path) -> None:
    """Copy a user's files into the run's directory."""
    for name, place, files in ((experiment, run / NAME, _files), (topology, run / TOPOLOGY, _imported)):
        if is_own(name):
            place.mkdir()
            for path in files(name):
                shutil.copyfile(path, place / path.name)


def kept(experiment: str, run: Path) -> Experiment:
    """The experiment as a run keeps it, by its name or its path at that time; its ``measure`` may read the run.

    So a file that is edited while the run goes on does not change it.
    """
    if not is_own(experiment):
        return discovery.experiment(experiment)
    return discovery.experiment(str(run / NAME / Path(experiment).name), [run])


def figures(experiment: str, value: Experiment) -> dict[str, str]:
    """For each figure of the experiment's own, the file of the run's copy that has its function. Errors: SpecError for
    a function that the file does not have by its name."""
    own = discovery.file_of(experiment)
    found = {}
    for figure in value.figures:
        if isinstance(figure, str):
            continue
        if own is None or not re.search(rf"^def {re.escape(figure.__name__)}\b", own[0].read_text(), re.MULTILINE):
            raise user_code.wrong(figure, "experiment", "is a figure; wanted a function of the file by its name")
        found[figure.__name__] = own[0].name
    return found


def _files(name: str) -> list[Path]:
    """The user's file and the other Python files of its directory."""
    own = discovery.file_of(name)
    assert own is not None
    return sorted(path for path in own[0].absolute().parent.glob("*.py") if path.is_file())


def _imported(name: str) -> list[Path]:
    """The user's file and those of the other Python files of its directory that it imports."""
    own = discovery.file_of(name)
    assert own is not None
    beside = {path.stem: path for path in _files(name)}
    found, waiting = set[Path](), [own[0].absolute()]
    while waiting:
        path = waiting.pop()
        found.add(path)
        names = {each.partition(".")[0] for _, each in _imports(path)}
        waiting += [beside[each] for each in names & beside.keys() if beside[each] not in found]
    return sorted(found)


def check_imports(experiment: str, packages: Sequence[str]) -> None:
    """Errors: SpecError if the file imports, when it is loaded, what the runtime image does not have; with file and
    line, and what to write into the file. The files beside it and our own modules are followed."""
    if not is_own(experiment):
        return
    here = {path.stem: path for path in _files(experiment) if path.stem not in sys.stdlib_module_names}
    known = set(sys.stdlib_module_names) | distributions.modules(distributions.closure((*PACKAGES, *packages)))
    own = discovery.file_of(experiment)
    assert own is not None
    waiting, seen = [own[0].absolute()], set[Path]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for line, name in _imports(path):
            first = name.partition(".")[0]
            place = f"{user_code.shown(path)}, line {line}"
            if first in here:
                waiting += [here[first]] if here[first] not in seen else []
            elif first in _OURS:
                if why := _not_loadable(name, known, seen):
                    raise SpecError(
                        f"{place}: imports {name}, which {why}",
                        "Import it inside measure(), not at the top of the file.",
                    )
            elif first not in known:
                raise SpecError(
                    f"{place}: imports {name}, which is not among the packages that a trial sees",
                    f"Add to the Experiment: packages=({_distribution(first)!r},). Or, if only measure() needs it,"
                    " import it inside measure().",
                )


def _not_loadable(name: str, known: Collection[str], seen: set[Path]) -> str:
    """Why a module of ours cannot be loaded in a trial; empty if it can. Files in ``seen`` are not read again."""
    waiting = [(name, "only reads results and cannot be loaded in a trial")]
    while waiting:
        name, why = waiting.pop()
        first, *rest = name.split(".")
        if first not in _OURS:
            if first not in known:
                return why
            continue
        if first == "testbed" and rest and rest[0] in READERS:
            return why
        for path in _modules(first, rest):
            if path not in seen:
                seen.add(path)
                because = f"cannot be loaded in a trial: {path.relative_to(PROJECT)}, line"
                waiting += [(further, f"{because} {line}, imports {further}") for line, further in _imports(path)]
    return ""


def _modules(first: str, rest: Sequence[str]) -> Iterator[Path]:
    """The files that are loaded with a module of ours: those of the packages that it is in, and its own."""
    place = testbed.directory_of(first)
    yield from (path for path in (place / "__init__.py",) if path.is_file())
    for part in rest:
        place /= part
        yield from (path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file())


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of each import that is carried out when the file is loaded; of our own packages, what is imported
    from them as well, for that may be a module."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            if node.module.partition(".")[0] in _OURS:
                yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Try):
            waiting += ast.iter_child_nodes(node)


def _distribution(module: str) -> str:
    """The installed distribution that brings a module, or the module's name."""
    from importlib import metadata  # slow: it reads every distribution's list of files

    return metadata.packages_distributions().get(module, [module])[0]
