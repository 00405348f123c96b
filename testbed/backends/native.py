"""Run a trial in this machine's own kernel, in namespaces of its own. Needs root, bonding and openvswitch.

    caller --> setpriv (dies with the caller)
                 '--> unshare --> the trial: the first process of its namespaces; all others end with it

The trial gets network, process and mount namespaces of its own: it cannot reach the machine's interfaces, and all of
its processes end with it. Time is real.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed.backends import environment, scratch
from testbed.backends.watchdog import Watchdog, progress
from testbed.errors import TrialError

_UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
_APART = ["setpriv", "--pdeathsig", "KILL", *_UNSHARE]
#: The kernel parts that the network needs, built in or as modules, each with a command that needs it.
_NEEDS = {
    "bonding": ["ip", "link", "add", "testbed0", "type", "bond"],
    "veth": ["ip", "link", "add", "testbed0", "type", "veth"],
    "sch_htb": ["tc", "qdisc", "add", "dev", "lo", "root", "htb"],
}


def lacks() -> list[str]:
    """What this machine lacks to run trials in its own kernel; empty if nothing."""
    if os.geteuid() != 0:
        return ["root (or use the guest, which needs none)"]
    programs = ("setpriv", "unshare", "ip", "tc", "genl")
    if absent := [name for name in programs if not shutil.which(name, path=environment.SEARCH)]:
        return [f"the program {name}" for name in absent]
    if not Path("/sys/module/bonding").exists():
        # Without max_bonds=0 the module creates an interface bond0 (networking/bonding.rst).
        _succeeds("modprobe", "bonding", "max_bonds=0")
    found = [module for module, command in _NEEDS.items() if not _succeeds(*_UNSHARE[:3], *command)]
    # A request for the datapath's netlink family makes the kernel load its module.
    if not _succeeds("genl", "ctrl", "get", "name", "ovs_datapath"):
        found.append("openvswitch")
    return [f"a kernel with {module}" for module in found]


def _succeeds(*command: str) -> bool:
    try:
        return not subprocess.run(
            command, capture_output=True, env={**os.environ, "PATH": environment.SEARCH}
        ).returncode
    except FileNotFoundError:
        return False


def _environment(files: Path) -> dict[str, str]:
    """The trial's environment. Temporary files go into ``files``: a killed program cannot remove its own."""
    return {**environment.environment(), "PATH": environment.SEARCH, "HOME": str(files), "TMPDIR": str(files)}


def run(directory: Path, command: Sequence[str], *, watchdog: Watchdog) -> None:
    """Run ``command`` to its end. Errors: TrialError with the last phase, if it failed or ran too long."""
    with scratch.directory() as files, (directory / "trial.log").open("wb") as log:
        process = subprocess.Popen(
            [*_APART, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",  # Python searches the working directory for modules first
            env=_environment(files),
            start_new_session=True,
        )
        try:
            code = watchdog.wait(process, directory)
        finally:
            if process.poll() is None:
                _end(process)
    if code != 0:
        raise TrialError(f"the trial's process ended with code {code}; it was at: {progress(directory)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the trial, and wait until none of its processes is left.

    The trial is killed, not unshare: the kernel ends all processes of the namespace before unshare is notified that the
    first one has ended (pid_namespaces(7)).
    """
    trial = list(_children(process.pid))
    for pid in trial or (process.pid,):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _children(parent: int) -> Iterator[int]:
    """The child processes of ``parent`` (proc(5), /proc/PID/stat; not every kernel has /proc/PID/task/TID/children)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    yield int(entry.name)


def interactive(directory: Path, command: Sequence[str]) -> int:
    """Run ``command`` on this terminal in namespaces of its own. Its temporary files go into ``directory``.

    Returns its exit code.
    """
    # Ctrl-C is for the command, such as a ping at Mininet's prompt. A handler, because SIG_IGN would be inherited.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        setting = _environment(directory) | environment.terminal()
        return subprocess.run([*_APART, *command], check=False, cwd="/", env=setting).returncode
    finally:
        signal.signal(signal.SIGINT, before)
