"""Wait for a trial's process, with a limit of wall time, until it ends or is cancelled by Ctrl-C."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from testbed import rawfiles
from testbed.errors import TrialError

_STEP_S = 0.1
#: So much of a line is shown, in characters.
_SHOWN = 500


class Cancelled(Exception):
    """The run was interrupted during the trial."""


@dataclass(frozen=True)
class Watchdog:
    """A trial's limit of wall time in seconds, and the event that cancels the trial."""

    limit_s: float
    cancelled: threading.Event = field(default_factory=threading.Event)

    def wait(self, process: subprocess.Popen[bytes], directory: Path) -> int:
        """Wait for the process of the trial that writes into ``directory``; returns its exit code.

        Errors: TrialError with the last phase, beyond the limit, or if the directory holds more than it may; Cancelled.
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
                    f"the trial still ran after {self.limit_s:g} s of wall time and was ended; it was at:"
                    f" {progress(directory)}"
                )
            if text := rawfiles.excess(directory):
                raise TrialError(f"the trial was ended: {text}; it was at: {progress(directory)}")


def progress(directory: Path) -> str:
    """The last phase of a trial, and the last lines of its output and of the guest's console."""
    last_lines = []
    for name, words in (("phase.log", ""), ("trial.log", "its output: "), ("console.log", "its console: ")):
        with contextlib.suppress(OSError, TrialError):
            lines = rawfiles.tail(directory / name).split("\n")
            # After a kernel panic comes a stack trace; the reason is in the lines before it.
            panic = next((number for number, line in enumerate(lines) if line.startswith("Kernel panic")), len(lines))
            if last := next((line.strip() for line in reversed(lines[:panic]) if line.strip()), ""):
                last_lines.append(words + rawfiles.printable(last, _SHOWN))
    return "; ".join(last_lines) or "before its first output (the guest kernel did not start)"
