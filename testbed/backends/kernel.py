"""The guest kernel, User-Mode Linux: which one this version of the testbed needs, and where it is cached.

A cache entry is named by the hash of what the kernel is built from: its configuration, the library that seeds its
randomness and its ticks a second. It holds the kernel, that library compiled, the configuration, the build's log and
kernel.json. How the kernel is built: kernel_build.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_GUEST = Path(__file__).resolve().parent / "guest"
CONFIG = _GUEST / "kernel.config"
RANDOMNESS = _GUEST / "randomness.c"

#: Ticks a second of the guest. User-Mode Linux fixes 100; a bond's monitor of 100 ms then runs every 110 ms, because
#: the kernel rounds a delay up to the next tick. 1000 is the most that the kernel offers (kernel/Kconfig.hz).
TICKS_PER_S = 1000

_DEBIAN_UML = Path("/usr/bin/linux.uml")


@dataclass(frozen=True)
class Kernel:
    """A guest kernel on disk."""

    path: Path
    preload: Path | None
    version: str
    source: str
    key: str
    time_travel: bool
    seccomp: bool

    def as_json(self) -> dict[str, Any]:
        """This kernel for ``testbed kernel info --json`` and for run.json, without paths of this machine."""
        data = asdict(self)
        del data["path"], data["preload"]
        return data


def cache_root() -> Path:
    """The cache directory: $TESTBED_CACHE, or testbed/ in the user's cache directory (XDG)."""
    if path := os.environ.get("TESTBED_CACHE"):
        return Path(path)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "testbed"


def key() -> str:
    """The key of the kernel that this version of the testbed needs: a hash of what the kernel is built from."""
    recipe = CONFIG.read_bytes() + RANDOMNESS.read_bytes() + str(TICKS_PER_S).encode()
    return hashlib.sha256(recipe).hexdigest()[:16]


def find() -> Kernel | None:
    """The cached kernel that this version needs, if it has been built."""
    entry = cache_root() / "kernel" / key()
    try:
        data = json.loads((entry / "kernel.json").read_text())
        found = Kernel(path=entry / "linux", preload=entry / "randomness.so", **data)
    except (OSError, ValueError, TypeError):
        return None  # absent or damaged: the next build replaces it
    return found if found.path.is_file() and (entry / "randomness.so").is_file() else None


def find_debian_uml() -> Kernel | None:
    """The kernel of Debian's package user-mode-linux, if installed: real clock only."""
    if not _DEBIAN_UML.exists():
        return None
    version = subprocess.run(
        [str(_DEBIAN_UML), "--version"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return Kernel(_DEBIAN_UML, None, version, "Debian package user-mode-linux", "debian", False, False)
