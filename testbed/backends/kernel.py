"""The guest kernel, User-Mode Linux: which one this version of the testbed needs, and where it is cached.

A cache entry is named by the hash of what the kernel is built from: its configuration, the library that seeds its
randomness, its ticks a second and the way of building. It holds the kernel, that library compiled, the configuration,
the build's log and kernel.json. How the kernel is built: kernel_build; how it is handed on: kernel_pack.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from testbed.errors import MachineError

_GUEST = Path(__file__).resolve().parent / "guest"
CONFIG = _GUEST / "kernel.config"
RANDOMNESS = _GUEST / "randomness.c"

#: Ticks a second of the guest. User-Mode Linux fixes 100; a bond's monitor of 100 ms then runs every 110 ms, because
#: the kernel rounds a delay up to the next tick. 1000 is the most that the kernel offers (kernel/Kconfig.hz).
TICKS_PER_S = 1000

#: The files that are run: the kernel, and the library that seeds its randomness.
BINARY, PRELOAD = "linux", "randomness.so"
#: Counts changes in how the kernel is built that change its bytes. 2: the same bytes in whatever directory.
_RECIPE = 2

#: How many options a sentence names.
_FEW = 6
_DEBIAN_UML = Path("/usr/bin/linux.uml")


@dataclass(frozen=True)
class Kernel:
    """A guest kernel on disk.

    ``source`` names the package or file that it was built from, ``source_sha256`` is that of the file (None: a
    directory). ``sha256`` holds that of each file that is run, by name; Debian's kernel has none.
    """

    path: Path
    preload: Path | None
    version: str
    source: str
    key: str
    time_travel: bool
    seccomp: bool
    source_sha256: str | None = None
    sha256: dict[str, str] = field(default_factory=dict)

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


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Turn an error of writing into the cache, such as a full disk, into one that says so. Errors: MachineError."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"the guest kernel cannot be written into {cache_root()}: {error.strerror or error}",
            "Give a directory that you can write to, with 2 GB free: TESTBED_CACHE=DIRECTORY",
        ) from error


def key() -> str:
    """The key of the kernel that this version of the testbed needs: a hash of what the kernel is built from."""
    recipe = CONFIG.read_bytes() + RANDOMNESS.read_bytes() + f"{TICKS_PER_S} {_RECIPE}".encode()
    return hashlib.sha256(recipe).hexdigest()[:16]


def entry() -> Path:
    """The place of that kernel in the cache."""
    return cache_root() / "kernel" / key()


def find() -> Kernel | None:
    """The cached kernel that this version needs; None if it has not been built, or is damaged."""
    found = read(entry())
    return found if isinstance(found, Kernel) else None


def lacking() -> str:
    """Why there is no kernel: it is not built, or what is wrong with the cached one; empty if there is one.

    Where another kernel is cached, which an earlier version of the testbed needed, it says what that one lacks.
    """
    found = read(entry())
    if isinstance(found, Kernel):
        return ""
    other = None if entry().is_dir() else another()
    return found if other is None else f"{found}: the cached one is of another version of the testbed; {other.told()}"


@dataclass(frozen=True)
class Another:
    """A cached kernel that is not the one that this version needs, with the options of `CONFIG` that it lacks."""

    kernel: Kernel
    lacks: tuple[str, ...]

    def told(self) -> str:
        """What it is, and what it lacks."""
        name = f"{self.kernel.key} (Linux {self.kernel.version})"
        if not self.lacks:
            return f"{name} has all options of kernel.config, but was built in another way or has others as well"
        few, more = ", ".join(self.lacks[:_FEW]), len(self.lacks) - _FEW
        options = "1 option" if len(self.lacks) == 1 else f"{len(self.lacks)} options"
        return f"{name} lacks {options} of kernel.config: {few}" + (f" and {more} more" if more > 0 else "")

    def as_json(self) -> dict[str, Any]:
        """This kernel, and what it lacks, for ``testbed kernel info --json``."""
        return {**self.kernel.as_json(), "lacks": list(self.lacks)}


def another() -> Another | None:
    """The newest cached kernel of those that this version does not need; None if there is none that is whole."""
    places = (path for path in (cache_root() / "kernel").glob("*/kernel.json") if path.parent != entry())
    for path in sorted(places, key=lambda path: path.stat().st_mtime, reverse=True):
        found = read(path.parent)
        with contextlib.suppress(OSError, ValueError):
            have = (path.parent / "config").read_text()
            if isinstance(found, Kernel):
                return Another(found, tuple(line.partition("=")[0] for line in options_lost(have)))
    return None


def options_lost(config: str) -> list[str]:
    """The lines of `CONFIG` that a kernel's .config has not, each ``OPTION=VALUE``."""
    have = set(config.splitlines())
    wanted = (line.strip() for line in CONFIG.read_text().splitlines())
    return [line for line in wanted if line and not line.startswith("#") and line not in have]


def read(directory: Path) -> Kernel | str:
    """The kernel in a directory; or what is wrong with it. Each file that is run is compared with its digest."""
    if not directory.is_dir():
        return "the guest kernel is not built"
    try:
        data = json.loads((directory / "kernel.json").read_text())
        found = Kernel(path=directory / BINARY, preload=directory / PRELOAD, **data)
        for name in (BINARY, PRELOAD):
            if file_digest(directory / name) != found.sha256[name]:
                return f"the guest kernel is damaged: {name} is not the file whose SHA-256 is in kernel.json"
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"the guest kernel is damaged: {type(error).__name__}: {error}"
    return found


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_debian_uml() -> Kernel | None:
    """The kernel of Debian's package user-mode-linux, if installed: real clock only."""
    if not _DEBIAN_UML.exists():
        return None
    version = subprocess.run(
        [str(_DEBIAN_UML), "--version"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return Kernel(_DEBIAN_UML, None, version, "Debian package user-mode-linux", "debian", False, False)
