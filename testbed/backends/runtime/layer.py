"""One part of the image: a directory in the cache that is named by what it holds, and never changes.

It is made in a directory of its own and renamed when it is complete, so processes that make the same one at once do
not disturb each other. Names, modes, times and byte-code are the same wherever it is made.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed import rawfiles
from testbed.backends import scratch
from testbed.backends.kernel import cache_root
from testbed.errors import MachineError

#: Of every file and directory: 2024-01-01 00:00:00 UTC, when a guest's clock starts.
_TIME_NS = 1_704_067_200 * 10**9
#: A change of how a part is made needs another number.
_RECIPE = "2"
#: Parts that were not used for so long are removed when another is made, but for the newest ones.
_OLD_S, _NEWEST = 7 * 86400, 6
_FACTS, _TREE = "facts.json", "tree"

_HINT = "Give a directory that you can write to: TESTBED_CACHE=DIRECTORY"
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
    """The part with this content; made if it is not in the cache, or is damaged there. ``finish`` completes a new one,
    and returns what is recorded of it. While this process lives, nobody removes it.

    Errors: MachineError if it has to be made and the cache cannot be written.
    """
    chosen = {entry.path: entry for entry in reversed(content.entries)}
    entries = [chosen[path] for path in sorted(chosen)]
    digest = _digest(content.place, entries)
    directory = parts() / digest[:16]
    facts = _facts(directory)
    if facts is None:
        _make(Content(content.place, entries), directory, finish)
        facts = _facts(directory)
        if facts is None:
            raise MachineError(
                f"the runtime image in {directory} is damaged as soon as it is made", "Type: testbed check"
            )
        for old in outdated():
            rawfiles.remove(old)
    with contextlib.suppress(OSError):  # a cache that may only be read
        os.utime(directory / _FACTS)
    return Stored(directory / "root", digest, facts)


#: The handles whose locks keep parts that this process uses.
_in_use: dict[Path, int] = {}


def _facts(directory: Path) -> dict[str, Any] | None:
    """What was recorded of a part, which is then in use; None if it is not there, or not as it was made."""
    try:
        if directory not in _in_use:
            _in_use[directory] = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(_in_use[directory], fcntl.LOCK_SH)
        facts: dict[str, Any] = json.loads((directory / _FACTS).read_text())
        whole = facts.pop(_TREE) == _tree(directory / "root")
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        whole = False
    if not whole and directory in _in_use:
        os.close(_in_use.pop(directory))
    return facts if whole else None


def _tree(root: Path) -> str:
    """A digest of name, kind, mode, size and time of everything in a part: what a write changes, without reading it."""
    found = []
    for path, names, files in os.walk(root, onerror=_raise):
        for name in (*names, *files):
            status = os.lstat(os.path.join(path, name))
            size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            found.append(f"{os.path.join(path, name)[len(str(root)) :]} {status.st_mode} {size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def _raise(error: OSError) -> None:
    raise error


def outdated() -> list[Path]:
    """Parts that nobody uses and that were not used for long; the newest ones are never among them."""
    found = []
    for directory in parts().glob("*"):
        with contextlib.suppress(OSError):
            found.append(((directory / _FACTS).stat().st_mtime, directory))
    old = sorted(found, reverse=True)[_NEWEST:]
    return [path for used, path in old if used < time.time() - _OLD_S and scratch.abandoned(path)]


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
            f"the runtime image cannot be written into {directory.parent}: {error.strerror}", _HINT
        ) from error
    lock = os.open(work, os.O_RDONLY | os.O_CLOEXEC)  # `testbed clean` removes what nobody has locked
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = work / "root"
        _write(content, root)
        facts = finish(content, root)
        _seal(content, root)
        facts = {**facts, _TREE: _tree(root)}
        (work / _FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
        work.chmod(0o755)
        _put(work, directory)
    except (OSError, subprocess.CalledProcessError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise MachineError(f"the runtime image cannot be written into {directory.parent}: {why}", _HINT) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(lock)


def _put(work: Path, directory: Path) -> None:
    """Give a part that is made its name, unless another process has put the same there; what is damaged there goes."""
    for _ in range(2):
        with contextlib.suppress(OSError):
            work.rename(directory)
            return
        if _facts(directory) is not None:
            return
        damaged = Path(tempfile.mkdtemp(prefix=BUILDING, dir=directory.parent))
        try:
            with contextlib.suppress(FileNotFoundError):
                directory.rename(damaged / "part")
        finally:
            rawfiles.remove(damaged)
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


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
