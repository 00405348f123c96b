"""What every trial finds around it, whichever backend runs it: commands, environment, where programs are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import testbed

PROJECT = Path(testbed.__file__).resolve().parent.parent
#: Where programs are that Debian keeps out of an ordinary user's path, for administrators.
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def environment() -> dict[str, str]:
    """Nothing of the caller's, so that no setting of his enters a trial."""
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
    """The command that carries out the trial in ``directory``."""
    return [sys.executable, "-m", "testbed.run.inside", str(directory)]


def shell_command(directory: Path) -> list[str]:
    """The command that makes the network of the trial in ``directory``, and hands it over to Mininet's prompt."""
    return [sys.executable, "-m", "testbed.lab.shell", str(directory)]
