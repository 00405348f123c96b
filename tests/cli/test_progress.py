"""What a log shows of work that takes long: written to a file, with times that a test can wait for."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from testbed.cli import progress


class Log(io.StringIO):
    """A file that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count


@pytest.fixture
def log() -> Log:
    return Log()


def test_each_trial_has_a_line_and_old_ones_are_counted(log: Log) -> None:
    with progress.counting("failover", Console(file=log, width=40)) as counter:
        counter.done()  # finished by an earlier run of the same command
        counter.planned(3)
        counter.done("trial 2 (mode=802.3ad) ok, 5.2 s")
        counter.done(trouble="trial 3 (mode=802.3ad) failed: no link")
    first, second = log.getvalue().splitlines()
    assert first.startswith("failover 2/3: trial 2 (mode=802.3ad) ok, 5.2 s; about ")
    assert second == "failover 3/3: trial 3 (mode=802.3ad) failed: no link"


def test_a_trial_that_takes_long_is_not_silent(log: Log) -> None:
    with progress.counting("failover", Console(file=log), silent_s=0.01) as counter:
        counter.planned(3)
        while "failover 0/3: still running, " not in log.getvalue():  # a line before it may be from before the plan
            log.written.clear()
            assert log.written.wait(60)


def test_planning_that_takes_long_says_so(log: Log) -> None:
    with progress.working("planning", Console(file=log), quiet_s=0.01):
        assert log.written.wait(60)
    assert log.getvalue().startswith("planning ...")


def test_what_is_quick_says_nothing(log: Log) -> None:
    with progress.working("planning", Console(file=log), quiet_s=600):
        pass
    assert log.getvalue() == ""


def test_a_terminal_has_a_bar(log: Log) -> None:
    with progress.counting("failover", Console(file=log, force_terminal=True, width=80, highlight=False)) as counter:
        counter.planned(1)
        counter.done(trouble="trial 1 failed: no link")
    assert "trial 1 failed: no link" in log.getvalue() and "1/1" in log.getvalue()
