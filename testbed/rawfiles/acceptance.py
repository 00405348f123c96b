"""What a trial may leave in its raw directory; the rest is removed when it has ended."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from testbed.errors import TrialError
from testbed.rawfiles.files import KINDS, directory_at, read, write
from testbed.rawfiles.limits import ALL_BYTES, DEPTH, ENTRIES, FILE_BYTES, NAME_BYTES
from testbed.rawfiles.removal import DIRECTORY, parent_of, remove_entry, set_mode
from testbed.rawfiles.text import shown_name

#: How many things that are wrong a message names.
_NAMED = 3


def accept(directory: Path, given: Mapping[str, str]) -> str:
    """Leave only what a trial may leave in its raw directory; what that changed, as a reason, empty if nothing.

    Only ordinary files with plain names and directories stay, within the limits. The files that the trial was ``given``
    are put back if it changed them. All processes of the trial have ended.
    """
    wrong = _Wrong()
    with parent_of(directory) as above:
        set_mode(above, directory.name, 0o700)
    with directory_at(directory) as handle:
        _tidy(handle, "", 1, wrong)
    for name, text in given.items():
        try:
            same = read(directory / name) == text.encode()
        except (FileNotFoundError, TrialError):
            same = False
        if not same:
            write(directory / name, text)
            wrong.add(name, "it was given, and the trial changed it")
    return wrong.reason()


class _Wrong:
    """What was wrong in a raw directory, and how much it holds."""

    def __init__(self) -> None:
        self.octets = 0
        self.entries = 0
        self._first: list[str] = []
        self._count = 0

    def add(self, name: str, why: str) -> None:
        """Note one thing; only the first ones are kept."""
        self._count += 1
        if len(self._first) < _NAMED:
            self._first.append(f"{shown_name(name)} ({why})")

    def reason(self) -> str:
        """All of it in one sentence."""
        if not self._count:
            return ""
        more = f" and {self._count - _NAMED} more" if self._count > _NAMED else ""
        return f"the trial left what was not kept: {', '.join(self._first)}{more}"


def _tidy(handle: int, before: str, depth: int, wrong: _Wrong) -> None:
    with os.scandir(handle) as found:
        entries = [entry.name for entry in found]
    for name in sorted(entries):
        status = os.stat(name, dir_fd=handle, follow_symlinks=False)
        wrong.entries += 1
        if why := _unfit(name, status, depth, wrong):
            wrong.add(before + name, why)
            remove_entry(handle, name)
        elif stat.S_ISDIR(status.st_mode):
            set_mode(handle, name, 0o700)
            inner = os.open(name, DIRECTORY, dir_fd=handle)
            try:
                _tidy(inner, f"{before}{name}/", depth + 1, wrong)
            finally:
                os.close(inner)
        else:
            wrong.octets += status.st_size
            set_mode(handle, name, 0o600)


def _unfit(name: str, status: os.stat_result, depth: int, wrong: _Wrong) -> str:
    """Why an entry may not stay; empty if it may."""
    kind = stat.S_IFMT(status.st_mode)
    if not name.isprintable() or len(os.fsencode(name)) > NAME_BYTES:
        return "its name"
    if wrong.entries > ENTRIES:
        return f"more than {ENTRIES} files"
    if kind == stat.S_IFDIR:
        return f"directories more than {DEPTH} deep" if depth == DEPTH else ""
    if kind != stat.S_IFREG:
        return KINDS.get(kind, "no file")
    if status.st_nlink > 1:
        return "a second name of another file"
    if status.st_size > FILE_BYTES or wrong.octets + status.st_size > ALL_BYTES:
        return f"{status.st_size} octets"
    return ""
