"""Which shared libraries a set of files needs, by the machine's own loader (ldd(1))."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import MachineError

_ELF = b"\x7fELF"
#: Loaded by the C library by name, so that no file says that it needs them.
_BY_NAME = ("libgcc_s.so.1", "libnss_files.so.2")


@dataclass(frozen=True)
class Libraries:
    """The loader's path, as files name it, and each library: its name and the file."""

    loader: str
    files: dict[str, Path]

    @property
    def directory(self) -> str:
        """The directory of the C library: every loader searches it, without a cache of names."""
        return str(self.files["libc.so.6"].parent)


def is_elf(path: Path) -> bool:
    """Whether the file is a program or a library."""
    with path.open("rb") as file:
        return file.read(4) == _ELF


def needed(paths: Iterable[Path], known: set[Path]) -> Libraries:
    """The libraries that these files need, without those that are among the ``known`` files.

    Errors: MachineError if two different files are needed under one name.
    """
    answer = subprocess.run(
        ["ldd", *map(str, paths)], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    ).stdout
    loader, found = "", dict[str, Path]()
    for line in answer.splitlines():
        if match := re.match(r"\s+(/\S*/ld-\S+) \(0x", line):
            loader = match[1]
        elif match := re.match(r"\s+(\S+) => (/.*) \(0x", line):
            name, path = Path(match[1]).name, Path(match[2])
            real = path.resolve()
            if real in known or "/ld-" in match[1]:
                continue
            before = found.setdefault(name, path)
            if before.resolve() != real:
                raise MachineError(f"two libraries of one name are needed: {before} and {path}")
    if not loader or "libc.so.6" not in found:
        raise MachineError("ldd names no C library; wanted a machine with the GNU C library")
    beside = found["libc.so.6"].parent
    for name in _BY_NAME:
        if name not in found and (beside / name).exists():
            found[name] = beside / name
    return Libraries(loader, found)
