"""What ends a command from outside, and what a log shows of one that goes on, with a backend that boots nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.results import result

HERE = Path(__file__).resolve().parent
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
#: Drawing figures takes most of the time of such a run.
_EXPERIMENT = str(HERE.parent / "emulation" / "failover_undrawn.py")
_WORDS = ("run", _EXPERIMENT, "--set", "mode=802.3ad", "--repetitions", "3", "--jobs", "1")


def _accept_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # the process that started the tests may ignore them


def started(quick: int, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "without_guests.py"), str(quick), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_ENVIRONMENT,
        preexec_fn=_accept_signals,
    )


def wait_for_trials(place: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until that many trials are written."""
    lines = place / "trials.jsonl"
    end = time.monotonic() + 600
    while not lines.exists() or lines.read_text().count("\n") < count:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_the_finished_trials_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    place = tmp_path / "a run"
    process = started(1, *_WORDS, "--out", str(place))
    wait_for_trials(place, 1, process)
    process.send_signal(number)
    process.send_signal(signal.SIGTERM)  # as timeout(1) and a batch system do, to be sure
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    run = result.load(place)
    assert run.damaged == () and len(run.records) == 1
    (line,) = (line for line in err.splitlines() if line.startswith("interrupted"))
    words = shlex.split(line.partition("type: ")[2])
    assert {*_WORDS, "--resume", "--out", str(place)} <= set(words)


@pytest.mark.slow
def test_the_command_to_go_on_does(tmp_path: Path) -> None:
    place = tmp_path / "run"
    process = started(1, *_WORDS, "--out", str(place))
    wait_for_trials(place, 1, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=600)
    process = started(9, *_WORDS, "--resume", "--out", str(place))
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1, err  # its trials failed, as this backend's do
    assert len(result.load(place).records) == 3


def test_a_signal_that_the_caller_ignores_stays_ignored(tmp_path: Path) -> None:
    """nohup(1) starts a command with SIGHUP ignored."""
    code = "import signal; from testbed.cli import signals; signals.treat_as_ctrl_c()"
    code += "; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    command = ["nohup", sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, env=_ENVIRONMENT, cwd=tmp_path)
    assert found.stdout == "True\n", found.stderr


def test_ctrl_c_while_our_modules_are_loaded_is_no_traceback() -> None:
    code = """
import sys
import testbed.__main__
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "testbed.cli.run":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
testbed.__main__.main()
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_ENVIRONMENT)
    assert (found.returncode, found.stderr) == (130, "interrupted\n")


@pytest.mark.slow
def test_a_log_has_a_line_for_each_trial(tmp_path: Path) -> None:
    process = started(9, *_WORDS, "--out", str(tmp_path / "run"))
    _, err = process.communicate(timeout=600)
    lines = [line for line in err.splitlines() if line.startswith("failover_undrawn ")]
    assert [line.split(":")[0] for line in lines] == [f"failover_undrawn {n}/3" for n in (1, 2, 3)]
    assert all(") failed: nothing was run" in line for line in lines)


def test_a_pipe_whose_reader_ends_ends_the_command_without_a_word() -> None:
    """As a shell reports a command that SIGPIPE ended: 128 + 13."""
    command = [sys.executable, "-m", "testbed", "export", "results/reference/aggregation"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_ENVIRONMENT, cwd=HERE.parent.parent
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=600) == 141
    assert process.stderr.read() == b""


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    """Matplotlib keeps a cache there."""
    run = tmp_path / "run"
    shutil.copytree(HERE.parent.parent / "results" / "reference" / "failover", run)
    environment = {
        name: value for name, value in _ENVIRONMENT.items() if name not in ("MPLCONFIGDIR", "XDG_CONFIG_HOME")
    }
    command = [sys.executable, "-m", "testbed", "plot", str(run), "ecdf"]
    found = subprocess.run(
        command, capture_output=True, text=True, env={**environment, "HOME": "/proc", "XDG_CACHE_HOME": "/proc"}
    )
    assert (found.returncode, found.stderr) == (0, "")
