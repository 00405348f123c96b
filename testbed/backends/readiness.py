"""Whether trials can be carried out on this machine: asked once, before anything is carried out.

Programs that trials run, a sandbox that starts, a guest kernel that boots. What is missing is one error that names
what to type; found later, it would be the reason of every trial.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed import rawfiles
from testbed.backends import environment, guest, scratch
from testbed.backends.kernel import Kernel
from testbed.backends.runtime import Runtime, layer
from testbed.backends.watchdog import Watchdog, progress
from testbed.errors import MachineError, TrialError

#: Programs without which there is no trial, each with its Debian package; and those that only some experiments run.
PROGRAMS = {
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-switch",
    "mnexec": "mininet",
    "ip": "iproute2",
    "tc": "iproute2",
}
SOME = {"iperf3": "iperf3", "teamd": "libteam-utils"}
#: Daemons of services (testbed/services), which only trials with them run: set-up installs them when it is asked to.
SERVICES = {
    "bird": "bird2",
    "zebra": "frr",
    "bgpd": "frr",
    "bfdd": "frr",
    "keepalived": "keepalived",
    "nft": "nftables",
    "conntrackd": "conntrackd",
    "haproxy": "haproxy",
    "gdnsd": "gdnsd",
}
#: A guest that boots does so in a second; a busy machine takes longer.
_BOOT_S = 60.0
#: Settings of a machine that forbid user namespaces: the file, the value that forbids, and what to type as root.
_FORBIDS = (
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or write an AppArmor profile for bwrap",
    ),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
)


def packages(programs: Sequence[str] = ()) -> list[str]:
    """The Debian packages that trials need and this machine lacks; ``programs`` are those that an experiment adds."""
    wanted = PROGRAMS | {name: package for name, package in (SOME | SERVICES).items() if name in programs}
    return sorted({package for name, package in wanted.items() if not shutil.which(name, path=environment.SEARCH)})


def sandbox() -> tuple[str, str] | None:
    """Why bubblewrap, which is installed, cannot make a guest's sandbox, and what to type; None if it can."""
    words = [*guest.SANDBOX, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    try:
        answer = subprocess.run(
            [*words, "--", "setarch", "-R", "true"], capture_output=True, text=True, errors="replace", timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error), ""
    if answer.returncode == 0:
        return None
    said = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
    return said[-1], _permit()


def _permit() -> str:
    """What to type so that this machine lets a user make namespaces."""
    for file, forbids, typed in _FORBIDS:
        path = Path(file)
        if path.exists() and path.read_text().strip() == forbids:
            return f"Type as root: {typed}"
    return "User namespaces are forbidden here; in a container, start it with them (docker run --privileged)."


def check(programs: Sequence[str], *, in_guest: bool) -> None:
    """Errors: MachineError naming every package that is missing, or why there is no sandbox, with what to type."""
    lacking = sorted({*packages(programs), *(guest.missing() if in_guest else ())})
    if lacking:
        hint = f"Type: apt-get install {' '.join(lacking)}"
        if set(lacking) <= set(SERVICES.values()):
            hint = f"Type: make setup-services, or without a checkout: apt-get install {' '.join(lacking)}"
        raise MachineError(f"trials need {', '.join(lacking)}, not installed", hint)
    if in_guest and (found := sandbox()) is not None:
        why, hint = found
        raise MachineError(f"bubblewrap cannot make a sandbox for the guest: {why}", hint)


def check_boots(kernel: Kernel, runtime: Runtime | None) -> None:
    """Boot the kernel once, unless it has booted since this machine started.

    Errors: MachineError saying how it ended.
    """
    status = kernel.path.stat()
    started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    files = runtime.digest if runtime is not None else "this machine's files"
    key = f"boots {kernel.path} {kernel.sha256} {status.st_size} {status.st_mtime_ns} {files} {started} {os.geteuid()}"
    layer.remembered(hashlib.sha256(key.encode()).hexdigest(), lambda: _booted(kernel, runtime))


def _booted(kernel: Kernel, runtime: Runtime | None) -> str:
    clock = "virtual" if kernel.time_travel and runtime is not None else "real"
    with scratch.directory() as directory:
        try:
            guest.run(
                kernel, directory, ["/bin/true"], seed=1, clock=clock, watchdog=Watchdog(_BOOT_S), runtime=runtime
            )
            if not rawfiles.exists(directory, "trial.log"):
                raise TrialError("the guest ended before its first process opened its log")
        except TrialError as error:
            raise MachineError(
                f"the guest kernel {kernel.path} does not start here: {progress(directory)}",
                "Try another: testbed kernel build --again. A machine that forbids ptrace(2) cannot run it.",
            ) from error
    return "booted"
