"""This machine: what it is, which backends can run on it, and what each backend lacks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata

from testbed.backends import environment, guest, kernel, native, readiness

_VERSIONED = ("ovs-vswitchd", "iperf3", "bird", "bgpd", "keepalived", "nft", "haproxy", "gdnsd")
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
    packages = set(readiness.packages(["iperf3"]))
    tools = tuple(sorted(f"package {package}" for package in packages))
    sandbox = tuple(f"package {package}" for package in guest.missing())
    permit = []
    if not sandbox and (found := readiness.sandbox()) is not None:
        sandbox, permit = (f"a sandbox ({found[0]})",), [found[1].removeprefix("Type ")]
    install = " ".join(sorted(packages | set(guest.missing())))
    known = kernel.entry().exists() or kernel.another() is not None
    built = () if kernel.find() else (kernel.lacking() if known else "the guest kernel",)
    debian = () if built == () or kernel.find_debian_uml() else ("a guest kernel",)
    first = [f"apt-get install {install}"] if install else []
    build = [_BUILD] if built else []
    either = [f"{_BUILD}, or apt-get install user-mode-linux"] if debian else []
    return [
        Ability("guest, virtual clock", tools + sandbox + built, "; ".join(first + permit + build)),
        Ability("guest, real clock", tools + sandbox + debian, "; ".join(first + permit + either)),
        Ability("native, real clock", tools + tuple(native.lacks()), "; ".join(first)),
    ]


def tool_versions() -> dict[str, str]:
    """The versions of the tools that affect a trial's result, for run.json."""
    versions = {"python": platform.python_version(), "libc": " ".join(platform.libc_ver())}
    for program in _VERSIONED:
        if found_at := shutil.which(program, path=environment.SEARCH):
            printed = subprocess.run([found_at, "--version"], capture_output=True, text=True, check=False)
            found = re.search(r"\d+\.\d[\d.]*", printed.stdout + printed.stderr)  # bird says it on stderr
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
