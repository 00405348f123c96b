"""How far a command is: a bar in a terminal, and lines elsewhere, so that no log is silent for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from testbed.cli.base import err

#: The longest time without a line, in seconds, and how long work may take without any.
SILENT_S, QUIET_S = 30.0, 10.0


class Counter(Protocol):
    """Trials that are carried out, as they are shown."""

    def planned(self, trials: int) -> None:
        """There are so many trials in all."""

    def done(self, text: str = "", *, trouble: str = "") -> None:
        """One more has ended: which, and how; or what is wrong with it."""


@contextmanager
def counting(what: str, console: Console = err, silent_s: float = SILENT_S) -> Iterator[Counter]:
    """Show the trials that end while the block runs."""
    if console.is_terminal:
        with _bar(what, console) as bar:
            yield bar
    else:
        lines = _Lines(what, console)
        with _repeating(lines.still, silent_s, silent_s):
            yield lines


@contextmanager
def working(what: str, console: Console = err, quiet_s: float = QUIET_S, silent_s: float = SILENT_S) -> Iterator[None]:
    """Say what is done while the block runs, such as ``planning``, if it takes long."""
    if console.is_terminal:
        with console.status(what):
            yield
        return
    began = time.monotonic()

    def say() -> None:
        passed_s = time.monotonic() - began
        console.print(f"{what} ..." if passed_s < silent_s else f"{what} ... {passed_s:.0f} s so far", soft_wrap=True)

    with _repeating(say, quiet_s, silent_s):
        yield


@contextmanager
def _bar(what: str, console: Console) -> Iterator[Counter]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trials,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        speed_estimate_period=600,
    )
    task = bar.add_task(what, total=None)

    class Bar:
        def planned(self, trials: int) -> None:
            bar.update(task, total=trials)

        def done(self, text: str = "", *, trouble: str = "") -> None:
            del text
            bar.advance(task)
            if trouble:
                console.print(trouble, style="yellow", markup=False)

    with bar:
        yield Bar()


class _Lines:
    """A line for each trial. From two threads: the one that carries out, and the one that says it still does."""

    def __init__(self, what: str, console: Console) -> None:
        self._what, self._console = what, console
        self._trials, self._done, self._began = 0, 0, time.monotonic()
        self._timed = 0  # trials that ended here, and not in an earlier run of the same command

    def planned(self, trials: int) -> None:
        self._trials = trials

    def done(self, text: str = "", *, trouble: str = "") -> None:
        self._done += 1
        if text or trouble:
            self._timed += 1
            self._print(f"{trouble or text}{self._left()}")

    def still(self) -> None:
        """Say that the work goes on."""
        self._print(f"still running, {time.monotonic() - self._began:.0f} s so far{self._left()}")

    def _left(self) -> str:
        open_trials = self._trials - self._done
        if not self._timed or open_trials <= 0:
            return ""
        left_s = (time.monotonic() - self._began) / self._timed * open_trials
        return f"; about {left_s / 60:.0f} min left" if left_s >= 90 else f"; about {left_s:.0f} s left"

    def _print(self, text: str) -> None:
        number = f"{self._done}/{self._trials}" if self._trials else str(self._done)
        self._console.print(f"{self._what} {number}: {text}", soft_wrap=True, markup=False)


@contextmanager
def _repeating(say: Callable[[], None], first_s: float, then_s: float) -> Iterator[None]:
    """Call ``say`` after ``first_s``, and then every ``then_s``, while the block runs."""
    ended = threading.Event()

    def repeat() -> None:
        wait_s = first_s
        while not ended.wait(wait_s):
            say()
            wait_s = then_s

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
