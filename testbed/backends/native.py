"""Run a trial in this machine's own kernel, in namespaces of its own. Needs root, bonding and openvswitch.

The trial gets its own network, process and mount namespaces, so that nothing of it reaches the machine's
interfaces, and everything ends with it. Time is real.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from testbed.backends import scratch
from testbed.backends.watchdog import Watchdog, stood
from testbed.errors import TrialError

#: What the network is made of: kind of interface, and the module that brings it where it is not built in.
_KINDS = {"bond": "bonding", "veth": "veth"}
_UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def lacks() -> list[str]:
    """What this machine lacks to run trials in its own kernel; empty if nothing."""
    if os.geteuid() != 0:
        return ["root (or use the guest, which needs none)"]
    found = []
    for kind, module in _KINDS.items():
        command = [*_UNSHARE[:2], "ip", "link", "add", "testbed0", "type", kind]
        if not shutil.which("unshare") or subprocess.run(command, capture_output=True, check=False).returncode:
            found.append(f"a kernel with {module}")
    if not _has_openvswitch():
        found.append("a kernel with openvswitch")
    return found


def _has_openvswitch() -> bool:
    """Whether the kernel datapath is there, built in or as a module; asked for its family, the kernel loads it."""
    command = ["genl", "ctrl", "get", "name", "ovs_datapath"]
    return bool(shutil.which("genl")) and subprocess.run(command, capture_output=True).returncode == 0


def run(directory: Path, command: Sequence[str], *, watchdog: Watchdog) -> None:
    """Run ``command`` to its end. Errors: TrialError if it had to be ended or failed, saying where it stood."""
    with scratch.directory() as files, (directory / "trial.log").open("wb") as log:
        # What the trial keeps for itself goes where it is found again, should it be ended before it can remove it.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "TZ": "UTC", "TMPDIR": str(files)}
        process = subprocess.Popen(
            [*_UNSHARE, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        try:
            code = watchdog.wait(process, lambda: stood(directory))
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code != 0:
        raise TrialError(f"the trial's process ended with code {code}; it stood at: {stood(directory)}")


def interactive(command: Sequence[str]) -> int:
    """Run ``command`` with this terminal, in namespaces of its own; returns its exit code."""
    return subprocess.run([*_UNSHARE, *command], check=False).returncode


def trial_command(directory: Path) -> list[str]:
    """The command that carries out the trial in ``directory``, inside."""
    return [sys.executable, "-m", "testbed.trial", str(directory)]
