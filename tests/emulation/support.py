"""Using the testbed as its user does, and comparing its results."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from testbed.backends import guest, kernel
from testbed.backends.watchdog import Watchdog
from testbed.results import result

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
#: Longer than any run here takes on a busy machine.
LIMIT_S = 400.0


def command(*words: str) -> list[str]:
    """The command line that ``testbed WORDS`` stands for."""
    return [sys.executable, "-m", "testbed", *words]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with some variables changed, as a shell elsewhere would have it."""
    return {**os.environ, "PYTHONPATH": str(PROJECT), **changes}


def _accept_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(*words: str, cwd: Path | None = None, **changes: str) -> subprocess.Popen[str]:
    """The command, running, as the leader of a process group of its own: what a terminal's Ctrl-C reaches."""
    return subprocess.Popen(
        command(*words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(**changes),
        start_new_session=True,
        # A shell that starts the tests in the background ignores Ctrl-C, and its children inherit that.
        preexec_fn=_accept_ctrl_c,
    )


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for the command; if this is cut short, end it as a user would, so that it ends its guests."""
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    except BaseException:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def testbed(*words: str, cwd: Path | None = None, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    return ended(started(*words, cwd=cwd, **changes))


testbed.__test__ = False  # type: ignore[attr-defined]  # the name begins with "test", but it is no test


def run(place: Path, *words: str) -> result.Run:
    """``testbed run WORDS --out PLACE``, which must succeed."""
    return side_by_side((place, *words))[0]


def side_by_side(*wanted: tuple[Path | str, ...], code: int = 0) -> list[result.Run]:
    """Several runs at the same time, each as (PLACE, WORD...); all must end with that exit code."""
    places = [Path(place) for place, *_ in wanted]
    with contextlib.ExitStack() as stack:
        processes = []
        for place, (_, *words) in zip(places, wanted, strict=True):
            process = started("run", *map(str, words), "--out", str(place))
            processes.append(process)
            stack.callback(_interrupted, process)
        answers = [ended(process) for process in processes]
    for answer in answers:
        assert answer.returncode == code, answer.stdout + answer.stderr
    return [result.load(place) for place in places]


def _interrupted(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()


def content(place: Path) -> dict[str, str]:
    """Every file of a run in hexadecimal, without what the seed does not determine: the machine and the wall time."""
    files = {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}
    manifest = json.loads(files["run.json"])
    del manifest["machine"]
    files["run.json"] = json.dumps(manifest).encode()
    records = [json.loads(line) for line in files["trials.jsonl"].splitlines()]
    for record in records:
        del record["wall_s"]
    files["trials.jsonl"] = "\n".join(json.dumps(record) for record in records).encode()
    return {name: data.hex() for name, data in files.items()}


def different(a: Path, b: Path) -> list[str]:
    """The files in which two runs differ, apart from the machine and the wall time."""
    first, second = content(a), content(b)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def wait_for(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Wait until the condition holds; an assertion past the limit."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        time.sleep(0.05)


def family(pid: int) -> set[tuple[int, int]]:
    """All living descendants of a process, each by its number and the instant at which it began."""
    parents: dict[int, list[tuple[int, int]]] = {}
    for number, began, parent in _processes():
        parents.setdefault(parent, []).append((number, began))
    found: set[tuple[int, int]] = set()
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found |= set(children)
        waiting += [number for number, _ in children]
    return found


def living(members: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the processes that are still there."""
    return members & {(number, began) for number, began, _ in _processes()}


def _processes() -> Iterator[tuple[int, int, int]]:
    """Number, beginning and parent of every process that is no zombie (proc(5), /proc/PID/stat)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent, *rest = (entry / "stat").read_text().rpartition(")")[2].split()
                if state != "Z":
                    yield int(entry.name), int(rest[17]), int(parent)


def in_guest(directory: Path, script: str, *, limit_s: float = 60.0) -> str:
    """What a Python script prints that a guest runs, in virtual time; ``directory`` is what it may write."""
    found = kernel.find()
    assert found is not None
    words = [sys.executable, "-c", script]
    guest.run(found, directory, words, seed=1, clock="virtual", watchdog=Watchdog(limit_s))
    return (directory / "trial.log").read_text()
