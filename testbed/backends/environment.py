"""What every trial has on any backend: its commands, its environment and the search path for programs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import testbed

PROJECT = Path(testbed.__file__).resolve().parent.parent
#: The search path with the directories of administrators' programs, which Debian leaves out of a user's path, and with
#: that of FRR's daemons.
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/lib/frr"))


@dataclass(frozen=True)
class Place:
    """Where a trial finds Python, the testbed's code and programs."""

    python: str
    project: str
    search: str


#: On this machine, and in the runtime image.
MACHINE = Place(
    sys.executable, str(PROJECT), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/frr"
)
IMAGE = Place("/opt/testbed/venv/bin/python", "/opt/testbed/project", "/usr/bin")

#: The C library's loader looks for variants of each library that suit the processor, and each failed look takes time
#: of a guest. Without POPCNT (ld.so(8), glibc.cpu.hwcaps) no variant suits, whatever the processor.
TUNABLES = "glibc.cpu.hwcaps=-POPCNT,-AVX512CD"
#: The word for testbed.lab.shell that standard input is a script.
SCRIPT = "script"


def environment(place: Place = MACHINE) -> dict[str, str]:
    """The environment of a trial: fixed, so that no setting of the caller affects it."""
    found = {
        "PATH": place.search,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": place.project,
    }
    if sys.version_info < (3, 12):  # Mininet imports distutils; setuptools' own brings half of setuptools
        found["SETUPTOOLS_USE_DISTUTILS"] = "stdlib"
    if place == IMAGE:  # it has no files of locales
        found |= {"LANG": "C", "PYTHONUTF8": "1", "PYTHONCOERCECLOCALE": "0", "GLIBC_TUNABLES": TUNABLES}
    return found


def terminal() -> dict[str, str]:
    """What a program at this terminal is told of it."""
    return {"TERM": os.environ.get("TERM", "dumb")}


def trial_command(directory: Path, code: Path, place: Place = MACHINE) -> list[str]:
    """The command that runs the trial in ``directory``; ``code`` holds the user's own experiment, if it is one."""
    return [place.python, "-m", "testbed.run.inside", str(directory), str(code)]


def shell_command(directory: Path) -> list[str]:
    """The command that builds the network of the trial in ``directory`` and starts Mininet's prompt in it: for this
    terminal, or for the script that standard input is."""
    how = [] if sys.stdin.isatty() else [SCRIPT]
    return [sys.executable, "-m", "testbed.lab.shell", str(directory), *how]
