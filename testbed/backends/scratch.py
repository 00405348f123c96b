"""Temporary directories with a lock while they are in use: `testbed clean` removes only those without one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from testbed import rawfiles
from testbed.errors import MachineError

PREFIX = "testbed-"


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A temporary directory, locked while the block runs, and removed after it. Errors: MachineError."""
    try:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:
        raise MachineError(
            f"no temporary directory can be made: {error.strerror or error}",
            "Give a directory that you can write to: TMPDIR=DIRECTORY",
        ) from error
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        rawfiles.remove(path)  # a trial may have written into it
        os.close(descriptor)


def abandoned(path: Path) -> bool:
    """Whether no process holds the lock of this directory or file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
