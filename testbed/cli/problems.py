"""What a command raises and is no defect of ours, as an error that says what to type: files, disks, text, memory."""

from __future__ import annotations

import errno
import json
import shlex
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.errors import MachineError, SpecError, TestbedError

_CHOOSE = "Give another path."
#: What a path can be that was typed wrongly: what was found, and what to type.
_TYPED = {
    errno.ENOENT: ("does not exist", _CHOOSE),
    errno.ENOTDIR: ("lies below a file, not in a directory", _CHOOSE),
    errno.EISDIR: ("is a directory; wanted a file", "Give the name of a file."),
    errno.EEXIST: ("exists already", _CHOOSE),
    errno.ENAMETOOLONG: ("has a name that is longer than the file system allows", "Give a shorter one."),
    errno.ELOOP: ("is a link that leads to itself", _CHOOSE),
    errno.EINVAL: ("is no path that the file system takes", _CHOOSE),
}
_FREE = "Make room, then type the same again. To go on with an interrupted run, add --resume --out DIRECTORY."
#: What the machine refuses.
_REFUSED = {
    errno.EACCES: ("this user may not read or write it", "Give another path, or change its permissions."),
    errno.EPERM: ("this user may not read or write it", "Give another path, or change its permissions."),
    errno.EROFS: ("its file system is read-only", "Give a path on another file system."),
    errno.ENOSPC: ("no space is left on its file system", _FREE),
    errno.EDQUOT: ("this user's quota is used up", _FREE),
    errno.EFBIG: ("it would be larger than this user's files may be (ulimit -f)", "Type: ulimit -f unlimited"),
    errno.EMFILE: ("this process has as many files open as it may (ulimit -n)", "Type: ulimit -n 4096"),
    errno.ENFILE: ("this machine has as many files open as it may", "End other programs, then type the same again."),
    errno.ENOMEM: ("no memory is left", "End other programs, or give a smaller --jobs."),
    errno.EAGAIN: ("this user has as many processes as it may (ulimit -u)", "Give a smaller --jobs."),
    errno.EIO: ("the disk or the terminal fails", "Give a path on another disk."),
    errno.ESTALE: ("the file system on another machine is gone", "Give a path on this machine."),
}


def explained(error: BaseException) -> TestbedError | None:
    """The error for people; None if it shows a defect of ours, for which only a traceback helps."""
    if isinstance(error, TestbedError):
        return error
    if isinstance(error, OSError):
        return of_system(error)
    if isinstance(error, json.JSONDecodeError):
        return SpecError(f"a file that was read holds no valid JSON: {error}", "Give a file as it was written.")
    if isinstance(error, UnicodeDecodeError):
        found = f"octet {error.object[error.start]:#04x} at {error.start}"
        return SpecError(f"a file that was read is no text in UTF-8: {found}", "Give a file as it was written.")
    if isinstance(error, RecursionError):
        return SpecError("what was read is nested too deeply", "Give a file as it was written.")
    if isinstance(error, MemoryError):
        return MachineError("no memory is left", "Give fewer levels or repetitions, or a smaller --jobs.")
    return None


def of_system(error: OSError) -> TestbedError | None:
    """The error for one of the operating system; None for one that no path, disk or limit causes."""
    if not isinstance(error.filename, str | bytes | Path):
        where, subject = "", "what was to be written"
    else:
        name = error.filename.decode(errors="replace") if isinstance(error.filename, bytes) else str(error.filename)
        where = subject = name if len(name) <= 200 else f"{name[:80]}...{name[-40:]}"
    if error.errno in _REFUSED:
        what, hint = _REFUSED[error.errno]
        return MachineError(f"{subject}: {what}", hint)
    if error.errno in _TYPED and where:
        what, hint = _TYPED[error.errno]
        parent = Path(where).parent
        if error.errno == errno.ENOENT and not _exists(parent):
            what, hint = (
                f"cannot be written: there is no directory {parent}",
                f"Type: mkdir -p {shlex.quote(str(parent))}",
            )
        return SpecError(f"{where} {what}", hint)
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


#: What code that expects other values raises.
_UNEXPECTED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@contextmanager
def reading(*runs: Path) -> Iterator[None]:
    """Say of runs whose files hold what no version wrote that they do, whatever it makes our code raise."""
    try:
        yield
    except _UNEXPECTED as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        names = " or ".join(map(str, runs))
        raise SpecError(
            f"the files of {names} hold what this version cannot read: {type(error).__name__}: {error} ({place})",
            "If nobody changed them, this is a defect of the testbed; please report it with this line. If somebody did,"
            " restore them, or carry out the run again: its command is in run.json, as argv.",
        ) from error
