"""A program in the background: ready when it says so, ended even if it ignores SIGTERM. Real processes, no network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from testbed.emulation.daemon import Daemon
from testbed.errors import TrialError

#: Creates its file, and then sleeps; the second ignores SIGTERM.
SLEEPS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


def daemon(tmp_path: Path, program: str, **settings: float) -> Daemon:
    ready = tmp_path / "ready"
    command = [sys.executable, "-c", program, str(ready)]
    return Daemon(
        "the sleeper", command, tmp_path / "log", ready=lambda: "" if ready.exists() else "its file", **settings
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("program", [SLEEPS, IGNORES_SIGTERM], ids=["ends", "deaf"])
@pytest.mark.parametrize("halted", [False, True])
def test_it_has_ended_after_stop(tmp_path: Path, program: str, halted: bool) -> None:
    """A program that ignores SIGTERM gets SIGKILL after a time; one that is halted is continued, so that it can end."""
    running = daemon(tmp_path, program, end_s=0.2)
    running.start()
    pid = running.pid
    assert pid is not None and alive(pid)
    if halted:
        running.halt()
    running.stop()
    assert not alive(pid) and running.pid is None


def test_the_block_starts_and_ends_it(tmp_path: Path) -> None:
    with daemon(tmp_path, SLEEPS) as running:
        pid = running.pid
        assert pid is not None and alive(pid)
    assert not alive(pid)


def test_one_that_was_killed_can_start_again(tmp_path: Path) -> None:
    with daemon(tmp_path, SLEEPS) as running:
        first = running.pid
        running.kill()
        running.start()
        assert running.pid not in (None, first)


def test_one_that_ends_by_itself_is_an_error_with_its_last_line(tmp_path: Path) -> None:
    running = daemon(tmp_path, "import sys; print('no such bridge', file=sys.stderr); sys.exit(3)")
    with pytest.raises(TrialError) as caught:
        running.start()
    assert caught.value.message == "the sleeper ended with code 3; see log: no such bridge"


def test_one_that_is_never_ready_names_what_is_missing_and_is_ended(tmp_path: Path) -> None:
    running = daemon(tmp_path, "import time; time.sleep(600)", ready_s=0.2)
    with pytest.raises(TrialError, match=r"the sleeper is ready: not within 0\.2 s; still missing: its file"):
        running.start()
    assert running.pid is None


def test_ctrl_c_at_the_prompt_does_not_reach_it(tmp_path: Path) -> None:
    """It is in a process group of its own (setpgid(2)), and a terminal signals the group in the foreground."""
    with daemon(tmp_path, SLEEPS) as running:
        assert running.pid is not None
        assert os.getpgid(running.pid) == running.pid != os.getpgid(0)


def test_halt_and_resume(tmp_path: Path) -> None:
    """proc(5): the state of a stopped process is T."""
    with daemon(tmp_path, SLEEPS) as running:
        running.halt()
        assert running.pid is not None
        os.waitid(os.P_PID, running.pid, os.WSTOPPED | os.WNOWAIT)
        assert Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        running.resume()
        os.waitid(os.P_PID, running.pid, os.WCONTINUED)
