"""Inside a guest: complete dumps of its state, to find what a program that ran there left behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

#: Where programs leave what they keep: places with all that is below, and places whose own entries are enough (a
#: guest cannot open every file of the machine).
_DEEP = ("/run", "/dev", "/sys/fs/cgroup", "/sys/class/net", "/etc/openvswitch", "/var/lib/openvswitch")
_SHALLOW = ("/", "/tmp", "/etc", "/var", "/var/tmp", "/var/lib", "/var/log", "/root")
#: Settings with values that the kernel counts or draws at random (sysctl/fs.rst, sysctl/kernel.rst).
_COUNTED = ("fs/dentry-state", "fs/inode-", "fs/file-nr", "kernel/random/", "kernel/ns_last_pid", "kernel/pty/nr")


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def _processes() -> dict[str, str]:
    """The command of every process but the kernel's own, by number; of a zombie, that it is one."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if words or state == "Z":
                    found[entry.name] = words or "a zombie"
    return found


def namespaces() -> list[str]:
    """Every namespace that a process is in."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/ns/*"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(entry))
    return sorted(found)


def _settings() -> dict[str, str]:
    """All of sysctl but what is counted."""
    found = {}
    for path in Path("/proc/sys").rglob("*"):
        name = str(path.relative_to("/proc/sys"))
        if not name.startswith(_COUNTED):
            with contextlib.suppress(OSError):
                found[name] = path.read_text()
    return found


def files() -> list[str]:
    """Every file in the places where programs leave some."""
    found = [str(path) for place in _SHALLOW for path in Path(place).iterdir()]
    return sorted(found + [str(path) for place in _DEEP for path in Path(place).rglob("*")])


def dump() -> dict[str, Any]:
    """Everything, by kind. Of Open vSwitch also how often it was configured: cur_cfg (ovs-vswitchd.conf.db(5))."""
    return {
        "links": json.loads(_output("ip", "-j", "-d", "address", "show")),
        "routes": json.loads(_output("ip", "-j", "route", "show", "table", "all")),
        "queues": _output("tc", "qdisc", "show"),
        "namespaces": namespaces(),
        "named namespaces": _output("ip", "netns", "list"),
        "processes": _processes(),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "settings": _settings(),
        "files": files(),
        "ipc": _output("ipcs", "-a"),
        "switches": _output("ovs-vsctl", "show"),
        "configured": _output("ovs-vsctl", "get", "Open_vSwitch", ".", "cur_cfg", "next_cfg"),
        "datapaths": _output("ovs-appctl", "dpif/show"),
    }
