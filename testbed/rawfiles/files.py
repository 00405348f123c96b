"""Reading, listing and writing raw files by handles that follow no link."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from testbed.errors import TrialError
from testbed.rawfiles.limits import ALL_BYTES, DEPTH, ENTRIES, FILE_BYTES, READ_BYTES
from testbed.rawfiles.removal import DIRECTORY, is_directory, remove_entry
from testbed.rawfiles.text import shown_name

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: What a file that is not an ordinary one is called.
KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextlib.contextmanager
def directory_at(path: Path, names: tuple[str, ...] = ()) -> Iterator[int]:
    """A handle of the directory at ``path``, or of the one that ``names`` lead to from there, without any link."""
    handle = os.open(path, DIRECTORY)
    try:
        for name in names:
            inner = os.open(name, DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(name.split("/"))
    if any(part in ("", ".", "..") for part in parts) or "\0" in name:
        raise TrialError(f"{shown_name(name)} is no name of a raw file")
    return parts


@contextlib.contextmanager
def opened(directory: Path, name: str) -> Iterator[BufferedReader]:
    """The ordinary file of that name, which may lead into directories below ``directory``, for reading.

    Errors: FileNotFoundError with its path; TrialError for anything but an ordinary file.
    """
    *above, last = _parts(name)
    try:
        with directory_at(directory, tuple(above)) as handle:
            _ordinary(os.stat(last, dir_fd=handle, follow_symlinks=False), name)
            file = os.fdopen(os.open(last, _FILE, dir_fd=handle), "rb")
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(directory / name)) from None
    except OSError as error:
        raise TrialError(f"raw file {shown_name(name)} cannot be read: {error.strerror}") from error
    with file:
        _ordinary(os.fstat(file.fileno()), name)
        yield file


def _ordinary(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        raise TrialError(f"raw file {shown_name(name)} is {kind}; wanted an ordinary file")


def exists(directory: Path, name: str) -> bool:
    """Whether there is an ordinary file of that name."""
    with contextlib.suppress(FileNotFoundError, TrialError), opened(directory, name):
        return True
    return False


def size(directory: Path, name: str) -> int:
    """The size of a file in octets. Errors: as `opened`."""
    with opened(directory, name) as file:
        return os.fstat(file.fileno()).st_size


def read(path: Path, most: int = READ_BYTES) -> bytes:
    """A raw file's content. Errors: as `opened`; TrialError for one of more than ``most`` octets."""
    with opened(path.parent, path.name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TrialError(f"raw file {shown_name(path.name)} has more than {most} octets")
    return content


def read_text(path: Path, errors: str = "strict") -> str:
    """A raw file's content in UTF-8. Errors: as `read`; UnicodeDecodeError."""
    return read(path).decode("utf-8", errors)


def tail(path: Path, most: int = 1 << 16) -> str:
    """The last octets of a raw file as text; a trial may still be writing it. Errors: as `opened`."""
    with opened(path.parent, path.name) as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - most))
        return file.read(most).decode("utf-8", "replace")


def names(directory: Path) -> list[str]:
    """The ordinary files in a raw directory and below, sorted, as paths from there; none if it is not there.

    Errors: TrialError if it is no directory, or holds more than a raw directory may.
    """
    try:
        with directory_at(directory) as handle:
            return sorted(name for name, status in _entries(handle) if stat.S_ISREG(status.st_mode))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TrialError(f"{directory} cannot be read: {error.strerror}") from error


def excess(directory: Path) -> str:
    """In what way a raw directory holds more than it may now; empty if it does not. A trial may still be writing it."""
    octets = 0
    try:
        with directory_at(directory) as handle:
            for name, status in _entries(handle):
                used = max(status.st_size, status.st_blocks * 512) if stat.S_ISREG(status.st_mode) else 0
                if used > FILE_BYTES:
                    return f"its file {shown_name(name)} has {used} octets; a trial may write {FILE_BYTES} into a file"
                octets += used
    except TrialError as error:
        return error.message
    except OSError as error:
        return f"its directory cannot be read: {error.strerror}"
    return f"its files have {octets} octets; a trial may write {ALL_BYTES}" if octets > ALL_BYTES else ""


def _entries(handle: int) -> Iterator[tuple[str, os.stat_result]]:
    """Every entry below an open directory, with its status. Errors: TrialError beyond `ENTRIES` and `DEPTH`."""
    count = itertools.count(1)

    def below(handle: int, before: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(handle) as found:
            for entry in found:
                if next(count) > ENTRIES:
                    raise TrialError(f"it has more than {ENTRIES} files")
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield before + entry.name, status
                if stat.S_ISDIR(status.st_mode):
                    if depth == DEPTH:
                        raise TrialError(f"its directories are more than {DEPTH} deep")
                    try:
                        inner = os.open(entry.name, DIRECTORY, dir_fd=handle)
                    except FileNotFoundError:
                        continue
                    except OSError as error:
                        text = f"its directory {shown_name(entry.name)} cannot be read: {error.strerror}"
                        raise TrialError(text) from error
                    try:
                        yield from below(inner, f"{before}{entry.name}/", depth + 1)
                    finally:
                        os.close(inner)

    yield from below(handle, "", 1)


def write(path: Path, text: str) -> None:
    """Write a file whole in place of whatever has its name: a link itself is replaced, not what it points to."""
    part = f".{path.name}.part"
    with directory_at(path.parent) as handle:
        remove_entry(handle, part)
        with os.fdopen(os.open(part, _NEW, 0o644, dir_fd=handle), "w", encoding="utf-8") as file:
            file.write(text)
        if is_directory(handle, path.name):
            remove_entry(handle, path.name)
        os.replace(part, path.name, src_dir_fd=handle, dst_dir_fd=handle)
