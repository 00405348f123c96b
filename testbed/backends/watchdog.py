"""Wait for a trial's process, with a limit of wall time, until it ends or is cancelled by Ctrl-C."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from testbed.errors import TrialError

_STEP_S = 0.1


class Cancelled(Exception):
    """The run was interrupted during the trial."""


@dataclass(frozen=True)
class Watchdog:
    """A trial's limit of wall time in seconds, and the event that cancels the trial."""

    limit_s: float
    cancelled: threading.Event = field(default_factory=threading.Event)

    def wait(self, process: subprocess.Popen[bytes], progress: Callable[[], str]) -> int:
        """Wait for the process; returns its exit code.

        Errors: TrialError beyond the limit, with what ``progress`` returns: the last phase; Cancelled.
        """
        end = time.monotonic() + self.limit_s
        while True:
            try:
                return process.wait(timeout=_STEP_S)
            except subprocess.TimeoutExpired:
                pass
            if self.cancelled.is_set():
                raise Cancelled
            if time.monotonic() >= end:
                raise TrialError(
                    f"the trial still ran after {self.limit_s:g} s of wall time and was ended; it was at: {progress()}"
                )


def progress(directory: Path) -> str:
    """The last phase of a trial, and the last lines of its output and of the guest's console."""
    last_lines = []
    for name, words in (("phase.log", ""), ("trial.log", "its output: "), ("console.log", "its console: ")):
        with contextlib.suppress(OSError):
            lines = (directory / name).read_text(errors="replace").split("\n")
            # After a kernel panic comes a stack trace; the reason is in the lines before it.
            panic = next((number for number, line in enumerate(lines) if line.startswith("Kernel panic")), len(lines))
            if last := next((line.strip() for line in reversed(lines[:panic]) if line.strip()), ""):
                last_lines.append(words + last)
    return "; ".join(last_lines) or "before its first output (the guest kernel did not start)"
