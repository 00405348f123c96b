"""The guest's first process: creates a writable root, runs one command in it, powers off.

The guest boots on the machine's own files, read-only. This program mounts a tmpfs over them, the file systems that
programs expect, and the one directory that the guest may write to. Then it runs the command in that root. It calls
the kernel directly: programs such as mount(8) are setuid and refuse to work in a user namespace.

It is started by its path, and imports nothing of the project.

Usage: python init.py WRITABLE LOG COMMAND [ARGUMENT...]

LOG is the file in WRITABLE for the output of the command. With - the command is at a terminal, the console, and its
exit code is written into the file exit_code in WRITABLE.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import subprocess
import sys
import termios
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_POWER_OFF = 0x4321FEDC  # linux/reboot.h, LINUX_REBOOT_CMD_POWER_OFF

_MNT_DETACH = 2  # sys/mount.h

#: Modules that trials need, with parameters.
_MODULES = (
    ("overlay",),
    ("bonding", "max_bonds=0"),
    ("openvswitch",),
    ("veth",),
    ("sch_htb",),
    ("sch_netem",),
    ("sch_ingress",),
    ("cls_matchall",),
    ("act_gact",),
)

_SCRATCH = Path("/dev/shm")
#: More than all hosts of any trial have together.
_NEIGHBOURS = 1 << 20


def mount(kind: str, target: Path, options: str = "", source: str = "none") -> None:
    """mount(2); the target directory is created if it is missing. Errors: OSError with the target's name."""
    target.mkdir(parents=True, exist_ok=True)
    if _libc.mount(source.encode(), str(target).encode(), kind.encode(), 0, options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind}: {os.strerror(number)}", str(target))


def make_root(writable: Path) -> Path:
    """A copy-on-write view of the machine's files. Writes to ``writable`` reach the machine."""
    mount("tmpfs", _SCRATCH, "mode=1777")
    upper, work, root = (_SCRATCH / name for name in ("upper", "work", "root"))
    for directory in (upper, work, root):
        directory.mkdir()
    mount("overlay", root, f"lowerdir=/,upperdir={upper},workdir={work}")
    for kind, place, options in (
        ("proc", "proc", ""),
        ("sysfs", "sys", ""),
        ("devtmpfs", "dev", ""),
        ("devpts", "dev/pts", "ptmxmode=666"),
        ("tmpfs", "dev/shm", "mode=1777"),
        ("tmpfs", "run", "mode=755"),
        ("cgroup2", "sys/fs/cgroup", ""),
    ):
        mount(kind, root / place, options)
    mount("hostfs", root / writable.relative_to("/"), str(writable))
    return root


def load_modules() -> None:
    """Load the modules that trials need, if the kernel has any: Debian's user-mode-linux has them, ours has none."""
    directory = Path("/usr/lib/uml/modules") / os.uname().release
    if not directory.is_dir():
        return
    lines = (line.partition(":") for line in (directory / "modules.dep").read_text().splitlines())
    needs = {name: after.split() for name, _, after in lines}
    loaded: set[str] = set()

    def load(path: str, *parameters: str) -> None:
        if path in loaded:
            return
        loaded.add(path)
        for need in reversed(needs[path]):  # modules.dep lists a module's needs in reverse order of loading
            load(need)
        subprocess.run(["/usr/sbin/insmod", str(directory / path), *parameters], check=True)

    by_name = {Path(path).stem: path for path in needs}
    for name, *parameters in _MODULES:
        load(by_name[name], *parameters)


def enter(root: Path) -> None:
    """Make ``root`` the root of this mount namespace, and so of every namespace created from it.

    A chroot is not enough: a program that joins a host's mount namespace gets the namespace's own root.
    """
    os.chdir(root)
    if _libc.pivot_root(b".", b".") or _libc.umount2(b".", _MNT_DETACH):
        number = ctypes.get_errno()
        raise OSError(number, f"pivot_root: {os.strerror(number)}", str(root))
    os.chdir("/")


def raise_neighbour_limit() -> None:
    """Raise the limit of the neighbour table: it serves all namespaces of a kernel, and by default holds 1024 entries
    (networking/ip-sysctl.rst, neigh/default/gc_thresh3)."""
    for family in ("ipv4", "ipv6"):
        for threshold in (1, 2, 3):
            path = Path(f"/proc/sys/net/{family}/neigh/default/gc_thresh{threshold}")
            if path.exists():
                path.write_text(str(_NEIGHBOURS))


def take_terminal() -> None:
    """Make the console the controlling terminal of this process, so that Ctrl-C, Ctrl-D and Ctrl-\\ act on what runs.

    /dev/console itself cannot be one (tty(4)); /dev/tty0 is what is behind it. It shows nothing of what is typed before
    the command wants that.
    """
    os.setsid()
    terminal = os.open("/dev/tty0", os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    settings = termios.tcgetattr(terminal)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    for stream in (0, 1, 2):
        os.dup2(terminal, stream)


def main() -> None:
    """Prepare, run the command, reap orphans until it ends, power off."""
    writable, log, command = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    load_modules()
    root = make_root(writable)
    socket.sethostname("testbed")
    enter(root)
    raise_neighbour_limit()
    child = os.fork()
    if child == 0:
        if log == "-":
            take_terminal()
        else:
            file = os.open(writable / log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            for stream in (1, 2):
                os.dup2(file, stream)
        os.execv(command[0], command)
    while (ended := os.wait())[0] != child:
        pass  # an orphan: the first process is its parent
    if log == "-":
        (writable / "exit_code").write_text(str(os.waitstatus_to_exitcode(ended[1])))
        Path("/proc/sys/kernel/printk").write_text("0")  # no line of the kernel's about the end, on a user's terminal
    sys.stdout.flush()
    os.sync()
    _libc.reboot(_POWER_OFF)


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        _libc.reboot(_POWER_OFF)
