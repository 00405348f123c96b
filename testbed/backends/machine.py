"""This machine: what it is, which backends can run on it, and what each backend lacks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata

from testbed.backends import environment, guest, kernel, native

#: Programs that a trial runs: the Debian package of each, and its option that prints the version.
_TRIAL_PROGRAMS = {
    "ovs-vswitchd": ("openvswitch-switch", "--version"),
    "ovs-vsctl": ("openvswitch-switch", "--version"),
    "iperf3": ("iperf3", "--version"),
    "mnexec": ("mininet", "-v"),
}
_VERSIONED = ("ovs-vswitchd", "iperf3")
_LIBRARIES = ("mininet", "os-ken", "pyroute2", "numpy", "scipy", "matplotlib")
_BUILD = "testbed kernel build"


@dataclass(frozen=True)
class Ability:
    """One way to run trials: whether this machine can, what it lacks, and what to type."""

    name: str
    lacks: tuple[str, ...]
    hint: str

    @property
    def ready(self) -> bool:
        """Whether trials can run this way now."""
        return not self.lacks


def abilities() -> list[Ability]:
    """Every way to run trials on this machine, the best first."""
    packages = {
        package
        for program, (package, _) in _TRIAL_PROGRAMS.items()
        if not shutil.which(program, path=environment.SEARCH)
    }
    tools = tuple(sorted(f"package {package}" for package in packages))
    sandbox = tuple(f"package {package}" for package in guest.missing())
    install = " ".join(sorted(packages | set(guest.missing())))
    built = () if kernel.find() else ("the guest kernel",)
    debian = () if built == () or kernel.find_debian_uml() else ("a guest kernel",)
    first = [f"apt-get install {install}"] if install else []
    build = [_BUILD] if built else []
    either = [f"{_BUILD}, or apt-get install user-mode-linux"] if debian else []
    return [
        Ability("guest, virtual clock", tools + sandbox + built, "; ".join(first + build)),
        Ability("guest, real clock", tools + sandbox + debian, "; ".join(first + either)),
        Ability("native, real clock", tools + tuple(native.lacks()), "; ".join(first)),
    ]


def tool_versions() -> dict[str, str]:
    """The versions of the tools that affect a trial's result, for run.json."""
    versions = {"python": platform.python_version(), "libc": " ".join(platform.libc_ver())}
    for program in _VERSIONED:
        if found_at := shutil.which(program, path=environment.SEARCH):
            option = _TRIAL_PROGRAMS[program][1]
            printed = subprocess.run([found_at, option], capture_output=True, text=True, check=False).stdout
            found = re.search(r"\d+\.\d[\d.]*", printed)
            versions[program] = found[0] if found else "unknown"
    return versions | {name: metadata.version(name) for name in _LIBRARIES}


def describe() -> dict[str, object]:
    """This machine for run.json: its processor and kernel, not its name."""
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "processor": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
    }
