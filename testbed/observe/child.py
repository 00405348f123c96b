"""Child processes of a tool: they do one thing until they are told to end, and wake when they are due."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path


def fork(work: Callable[[], None]) -> int:
    """A child process that does the work and ends; returns its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def end(child: int) -> None:
    """Tell a child to end (SIGTERM), and wait for it."""
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)


def asked_to_end() -> Callable[[], bool]:
    """From now on SIGTERM ends nothing by itself: the function that is returned tells whether it came."""
    ended = False

    def note(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, note)
    return lambda: ended


def no_timer_slack() -> None:
    """Wake up when due, not up to 50 us later (prctl(2), PR_SET_TIMERSLACK)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")
