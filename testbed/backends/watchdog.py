"""Waiting for a trial's process with an eye on the wall clock and on Ctrl-C."""

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
    """The run was interrupted while the trial was under way."""


@dataclass(frozen=True)
class Watchdog:
    """How long a trial may take on the wall clock, and the event that cancels it."""

    limit_s: float
    cancelled: threading.Event = field(default_factory=threading.Event)

    def wait(self, process: subprocess.Popen[bytes], stood: Callable[[], str]) -> int:
        """The exit code of the process. Errors: TrialError past the limit, saying where it stood; Cancelled."""
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
                    f"the trial still ran after {self.limit_s:g} s of wall time and was ended; it stood at: {stood()}"
                )


def stood(directory: Path) -> str:
    """The last phase that the trial wrote, and the last that it and the guest's console said."""
    said = []
    for name, words in (("phase.log", ""), ("trial.log", "it said: "), ("console.log", "its console said: ")):
        with contextlib.suppress(OSError):
            lines = (directory / name).read_text(errors="replace").split("\n")
            # A panicking kernel ends with a stack trace; what it is about stands before that.
            panic = next((number for number, line in enumerate(lines) if line.startswith("Kernel panic")), len(lines))
            if last := next((line.strip() for line in reversed(lines[:panic]) if line.strip()), ""):
                said.append(words + last)
    return "; ".join(said) or "before its first output (the guest kernel did not start)"
