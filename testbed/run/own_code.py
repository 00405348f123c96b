"""A user's own experiment or topology file: what of it is kept with the run, and whether a trial can import what it
imports.

An experiment's file and the other Python files of its directory are copied into the run's directory ``user_code`` when
the run begins. Trials load the copy; in a guest it is mounted at one fixed place. A topology's file, with those beside
it that it imports, goes to ``user_topology``: it reaches trials as a value, so it is kept to be read.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from testbed.backends.runtime import contents, distributions
from testbed.errors import SpecError
from testbed.experiment import discovery, user_code
from testbed.experiment.experiment import Experiment
from testbed.run import imports

NAME, TOPOLOGY = "user_code", "user_topology"


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
        names = {each.partition(".")[0] for _, each in imports.imports(imports.read(path))}
        waiting += [beside[each] for each in names & beside.keys() if beside[each] not in found]
    return sorted(found)


def check_imports(experiment: str, packages: Sequence[str]) -> None:
    """Errors: SpecError if the file imports, when it is loaded, what the runtime image does not have; with file and
    line, and what to write into the file. The files beside it and our own modules are followed."""
    if not is_own(experiment):
        return
    here = {path.stem: path for path in _files(experiment) if path.stem not in sys.stdlib_module_names}
    own = discovery.file_of(experiment)
    assert own is not None
    known = image_modules(packages)
    found = imports.missing(own[0].absolute(), here, lambda name: name.partition(".")[0] in known, later=False)
    if found is not None:
        raise not_there(
            found,
            f"Add to the Experiment: packages=({distribution_of(found.first)!r},). Or, if only measure() needs it,"
            " import it inside measure().",
            "Import it inside measure(), not at the top of the file.",
        )


def image_modules(packages: Sequence[str]) -> set[str]:
    """The modules, by their first names, that a trial finds in the runtime image with these packages."""
    return contents.library() | distributions.modules(distributions.closure((*contents.PACKAGES, *packages)))


def not_there(found: imports.Missing, hint: str, hint_for_ours: str) -> SpecError:
    """The error for a module that a trial does not have: file, line, module, and what to type."""
    place = f"{user_code.shown(found.path)}, line {found.line}: imports {found.module}"
    if found.why:
        return SpecError(f"{place}, which {found.why}", hint_for_ours)
    if found.module.startswith("."):
        what = "relative to a package, and the file is in none"
        return SpecError(f"{place}, {what}", "Write the name of the file beside it: import helper")
    if found.is_directory:
        what = "which is a directory: only Python files beside the file are taken along"
        return SpecError(f"{place}, {what}", f"Put what it needs into one file beside it: {found.first}.py")
    if found.first in sys.stdlib_module_names:
        return SpecError(f"{place}, a part of Python's library that no trial has", "Do without it.")
    return SpecError(f"{place}, which is not among the packages that a trial sees", hint)


def distribution_of(module: str) -> str:
    """The installed distribution that brings a module, or the module's name."""
    from importlib import metadata  # slow: it reads every distribution's list of files

    return metadata.packages_distributions().get(module, [module])[0]
