"""One part of the image: a directory in the cache that is named by what it holds, and never changes.

It is made in a directory of its own and renamed when it is complete, so processes that make the same one at once do
not disturb each other. Names, modes, times and byte-code are the same wherever it is made.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.backends.kernel import cache_root
from testbed.errors import MachineError

#: Of every file and directory: 2024-01-01 00:00:00 UTC, when a guest's clock starts.
_TIME_NS = 1_704_067_200 * 10**9
#: A change of how a part is made needs another number.
_RECIPE = "1"

#: How the name of a directory begins in which a part is being made.
BUILDING = "build-"

#: Compile a tree: argv is the tree and its place inside the guest. The byte-code is valid whatever the file's time is
#: (PEP 552, unchecked hash); a file that is not valid for this Python stays without.
_COMPILE = """
import os, py_compile, sys
tree, place = sys.argv[1:]
for path, names, files in os.walk(tree):
    names.sort()
    for name in sorted(files):
        if name.endswith(".py"):
            file = os.path.join(path, name)
            try:
                py_compile.compile(
                    file, dfile=place + file[len(tree):], doraise=True, quiet=2,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
            except (py_compile.PyCompileError, SyntaxError, ValueError, RecursionError):
                pass
"""


@dataclass(frozen=True)
class Entry:
    """A file, link or directory at ``path``, relative to the part's root: a ``source`` to copy, a ``text``, the target
    of a ``link``, or none of these: a directory."""

    path: str
    source: Path | None = None
    text: str | None = None
    link: str | None = None
    executable: bool = False

    def stamp(self) -> str:
        """What changes if the content may have changed: without reading it."""
        if self.source is None:
            return repr((self.path, self.text, self.link, self.executable))
        stat = self.source.stat()
        return repr((self.path, str(self.source), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, self.executable))

    def identity(self) -> str:
        """Path, kind and content."""
        if self.link is not None:
            return f"{self.path} -> {self.link}"
        if self.source is None and self.text is None:
            return f"{self.path}/"
        content = self.source.read_bytes() if self.source is not None else (self.text or "").encode()
        return f"{self.path} {'x' if self.executable else '-'} {hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Content:
    """What a part is to hold; ``place`` is where it stands inside the guest. Of two entries for one path the first."""

    place: str
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Stored:
    """A part on disk: its root, its digest, and what was recorded when it was made."""

    root: Path
    digest: str
    facts: dict[str, Any]


def parts() -> Path:
    """The directory of all parts."""
    return cache_root() / "runtime"


def stored(content: Content, finish: Callable[[Content, Path], dict[str, Any]]) -> Stored:
    """The part with this content; made if it is not in the cache. ``finish`` completes a new one, and returns what is
    recorded of it.

    Errors: MachineError if it has to be made and the cache cannot be written.
    """
    chosen = {entry.path: entry for entry in reversed(content.entries)}
    entries = [chosen[path] for path in sorted(chosen)]
    digest = _digest(content.place, entries)
    directory = parts() / digest[:16]
    if not (directory / "facts.json").exists():
        _make(Content(content.place, entries), directory, finish)
    return Stored(directory / "root", digest, json.loads((directory / "facts.json").read_text()))


def _digest(place: str, entries: Sequence[Entry]) -> str:
    """The digest of the content; remembered for files that have not changed since."""
    python = f"{_RECIPE} {place} {sys.version}"

    def computed() -> str:
        return hashlib.sha256("\n".join([python, *(entry.identity() for entry in entries)]).encode()).hexdigest()

    return remembered("\n".join([python, *(entry.stamp() for entry in entries)]), computed)


def remembered(key: str, computed: Callable[[], str]) -> str:
    """What ``computed`` returned when it was last called for this key, kept in the cache if that can be written."""
    memory = parts() / "known" / hashlib.sha256(key.encode()).hexdigest()[:32]
    with contextlib.suppress(OSError):
        return memory.read_text()
    value = computed()
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_name(f"{memory.name}.{os.getpid()}.{threading.get_ident()}")
        part.write_text(value)
        part.rename(memory)
    return value


def _make(content: Content, directory: Path, finish: Callable[[Content, Path], dict[str, Any]]) -> None:
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=BUILDING, dir=directory.parent))
    except OSError as error:
        raise MachineError(
            f"the runtime image cannot be written into {directory.parent}: {error.strerror}",
            "Give a directory that you can write to: TESTBED_CACHE=DIRECTORY",
        ) from error
    lock = os.open(work, os.O_RDONLY | os.O_CLOEXEC)  # `testbed clean` removes what nobody has locked
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = work / "root"
        _write(content, root)
        facts = finish(content, root)
        _seal(content, root)
        (work / "facts.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
        work.chmod(0o755)
        with contextlib.suppress(OSError):  # another process has put the same there
            work.rename(directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(lock)


def _write(content: Content, root: Path) -> None:
    root.mkdir()
    for entry in content.entries:
        path = root / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.link is not None:
            path.symlink_to(entry.link)
        elif entry.source is not None:
            shutil.copyfile(entry.source, path)
            path.chmod(0o755 if entry.executable else 0o644)
        elif entry.text is not None:
            path.write_text(entry.text)
            path.chmod(0o755 if entry.executable else 0o644)
        else:
            path.mkdir(exist_ok=True)


def _seal(content: Content, root: Path) -> None:
    """Compile the Python files; then give everything its mode and time."""
    compiled = [sys.executable, "-I", "-W", "ignore", "-c", _COMPILE, str(root), content.place.rstrip("/")]
    subprocess.run(compiled, check=True, env={"PYTHONHASHSEED": "0"})
    for path, names, files in os.walk(root, topdown=False):
        for name in (*names, *files):
            each = os.path.join(path, name)
            if not os.path.islink(each):
                os.chmod(each, 0o755 if os.path.isdir(each) or os.access(each, os.X_OK) else 0o644)
            os.utime(each, ns=(_TIME_NS, _TIME_NS), follow_symlinks=False)
    root.chmod(0o755)
    os.utime(root, ns=(_TIME_NS, _TIME_NS))
