"""What every trial has on any backend: its commands, its environment and the search path for programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import testbed

PROJECT = Path(testbed.__file__).resolve().parent.parent
#: The search path with the directories of administrators' programs, which Debian leaves out of a user's path.
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def environment() -> dict[str, str]:
    """The environment of a trial: fixed, so that no setting of the caller affects it."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(PROJECT),
    }


def trial_command(directory: Path) -> list[str]:
    """The command that runs the trial in ``directory``."""
    return [sys.executable, "-m", "testbed.run.inside", str(directory)]


def shell_command(directory: Path) -> list[str]:
    """The command that builds the network of the trial in ``directory`` and starts Mininet's prompt in it."""
    return [sys.executable, "-m", "testbed.lab.shell", str(directory)]
