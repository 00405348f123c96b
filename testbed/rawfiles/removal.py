"""Removing what a trial left, however deep or wide it is."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

#: Opens a directory, never by a link.
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(path: Path) -> None:
    """Remove a file, a link or a whole directory, however deep or wide; nothing if it is not there. Errors: OSError."""
    with contextlib.suppress(FileNotFoundError), parent_of(path) as handle:
        remove_entry(handle, path.name)


@contextlib.contextmanager
def parent_of(path: Path) -> Iterator[int]:
    """A handle of the directory that holds ``path``: which is the user's own, and may be reached by links."""
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def is_directory(handle: int, name: str) -> bool:
    """Whether an entry of an open directory is itself a directory."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def remove_entry(handle: int, name: str) -> None:
    """Remove an entry of an open directory.

    What is in its inner directories is first moved up, one level at a time: neither the length of a path nor the number
    of open files grows with the depth of a tree.
    """
    if not is_directory(handle, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=handle)
        return
    top = _open_to_empty(handle, name)
    try:
        numbers = itertools.count()
        while inner := _unlinked(top):
            for each in inner:
                middle = _open_to_empty(top, each)
                try:
                    for deep in _unlinked(middle):
                        set_mode(middle, deep, 0o700)  # moving a directory needs the right to write into it
                        os.rename(deep, _free(top, numbers), src_dir_fd=middle, dst_dir_fd=top)
                finally:
                    os.close(middle)
                os.rmdir(each, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=handle)


def _open_to_empty(handle: int, name: str) -> int:
    """A handle of an inner directory in which entries can be removed, whatever its mode was."""
    set_mode(handle, name, 0o700)
    return os.open(name, DIRECTORY, dir_fd=handle)


def _unlinked(handle: int) -> list[str]:
    """Unlink everything in an open directory but its directories; their names."""
    with os.scandir(handle) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, inner in entries:
        if not inner:
            os.unlink(name, dir_fd=handle)
    return [name for name, inner in entries if inner]


def _free(handle: int, numbers: Iterator[int]) -> str:
    """A name that is not in the directory."""
    while True:
        name = f".removing-{next(numbers)}"
        try:
            os.stat(name, dir_fd=handle, follow_symlinks=False)
        except FileNotFoundError:
            return name


def set_mode(handle: int, name: str, bits: int) -> None:
    """Set these bits of an entry's mode and clear set-user-ID, set-group-ID and sticky: of no link, and also where it
    may not be read."""
    entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
    try:
        before = os.fstat(entry).st_mode
        if (after := before & 0o777 | bits) != before & 0o7777:
            os.chmod(f"/proc/self/fd/{entry}", after)
    finally:
        os.close(entry)
