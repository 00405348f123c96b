"""Run a trial in a guest kernel: User-Mode Linux on the runtime image or on this machine's own files, in bubblewrap.

    caller --> bwrap (no network, own processes, all files read-only except one directory)
                 '--> setarch -R (addresses not randomised)
                        '--> linux (User-Mode Linux; time-travel clock; randomness from the seed)
                               '--> guest/init.py --> the command

The guest needs neither root nor modules, and can change nothing on this machine but ``directory``.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shlex
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed import rawfiles
from testbed.backends import environment, scratch
from testbed.backends.kernel import Kernel
from testbed.backends.runtime import Runtime
from testbed.backends.watchdog import Watchdog, progress
from testbed.errors import MachineError, TrialError

#: The path, inside the guest, of the directory that it may write to: the same for every trial.
DIRECTORY = Path("/tmp/trial")
#: The path, inside the guest, of the user's own code, if there is any.
CODE = Path("/tmp/user_code")
#: The guest's clock starts here, so that this machine's date does not affect a trial: 2024-01-01 00:00:00 UTC.
EPOCH_NS = 1_704_067_200 * 10**9
MEMORY = "1G"
#: What is typed when standard input has ended, and how often, in seconds.
_CTRL_D, _CTRL_D_S = b"\x04", 1.0
#: For the name of a log: the terminal, at which the guest writes the command's exit code into this file.
CONSOLE, _EXIT_CODE = "-", "exit_code"
_OPEN_FILES = 16384
#: The stack of the kernel's process: its size decides where the machine places other memory of the process.
_STACK_BYTES = 8 << 20

#: bwrap with namespaces of its own: no network, no process of this machine's; root inside, the caller outside.
SANDBOX = (
    *("bwrap", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"),
    *("--uid", "0", "--gid", "0"),
)
_INIT = "testbed/backends/guest/init.py"
_PROGRAMS = {"bwrap": "bubblewrap", "setarch": "util-linux", "taskset": "util-linux"}


def missing() -> list[str]:
    """The Debian packages that this backend lacks on this machine, besides a kernel."""
    return sorted({package for program, package in _PROGRAMS.items() if not shutil.which(program)})


def _launcher(command: Sequence[str], log: str, place: environment.Place) -> str:
    """The script that the guest kernel starts: a fixed environment, then the first process."""
    first = [place.python, f"{place.project}/{_INIT}", str(DIRECTORY), log, *command]
    fixed = environment.environment(place) | (environment.terminal() if log == CONSOLE else {})
    setting = " ".join(f"{name}={shlex.quote(value)}" for name, value in fixed.items())
    return f"#!/bin/sh\ncd /\nexec env -i {setting} {shlex.join(first)}\n"


def _root(runtime: Runtime | None) -> list[str]:
    """The options of bwrap for the guest's root: the image; without one this machine's own files, of which some must
    stay visible although the guest has its own /tmp."""
    mounts = runtime.mounts() if runtime is not None else [(Path("/"), "/")]
    words = [word for path, place in mounts for word in ("--ro-bind", str(path), place)]
    words += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/dev/shm"]
    if runtime is None:
        for path in sorted({environment.PROJECT, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}):
            if path.is_relative_to("/tmp") or path.is_relative_to("/dev/shm"):
                words += ["--ro-bind", str(path), str(path)]
    return words


def command_line(
    kernel: Kernel,
    directory: Path,
    files: Path,
    *,
    seed: int,
    clock: str,
    console: str = "null,fd:2",
    runtime: Runtime | None = None,
    code: Path | None = None,
) -> list[str]:
    """The whole command that boots a guest. ``files`` holds the launcher, as ``init``."""
    sandbox = [*SANDBOX, *_root(runtime)]
    if code is not None:
        sandbox += ["--ro-bind", str(code), str(CODE)]
    sandbox += ["--ro-bind", str(files), "/tmp/guest", "--bind", str(directory), str(DIRECTORY)]
    sandbox += ["--ro-bind", str(kernel.path), "/tmp/linux", "--clearenv", "--setenv", "TMPDIR", "/dev/shm"]
    if clock == "virtual" and kernel.preload is not None:
        sandbox += ["--ro-bind", str(kernel.preload), "/tmp/randomness.so"]
        sandbox += ["--setenv", "LD_PRELOAD", "/tmp/randomness.so", "--setenv", "TESTBED_SEED", str(seed)]
    boot = ["setarch", "-R", "/tmp/linux", f"mem={MEMORY}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/"]
    boot += ["ro", "quiet", "panic=-1", "uml_dir=/dev/shm/", "init=/tmp/guest/init"]
    boot += ["bonding.max_bonds=0", "dummy.numdummies=0", "ifb.numifbs=0"]  # no interface but those that are made
    boot += ["con=null", f"con0={console}", "ssl=null"]
    if runtime is not None:
        boot += [f"GLIBC_TUNABLES={environment.TUNABLES}"]  # the kernel hands it to the launcher's shell
    if kernel.seccomp:
        boot += ["seccomp=auto"]
    if clock == "virtual":
        boot += ["time-travel=inf-cpu", f"time-travel-start={EPOCH_NS}"]
    return [*sandbox, "--", *boot]


def _set_limits() -> None:
    """Raise the limit of open files: the guest keeps one open for each file of the machine that it has accessed. And
    set the size of its kernel's stack.

    Errors: MachineError if this user's hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _OPEN_FILES:
        raise MachineError(
            f"this user may open {hard} files; the guest needs {_OPEN_FILES}",
            f"Raise the limit: ulimit -Hn {_OPEN_FILES} as root, or LimitNOFILE= of the service.",
        )
    if soft != resource.RLIM_INFINITY and soft < _OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, hard))
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if hard == resource.RLIM_INFINITY or hard >= _STACK_BYTES:
        resource.setrlimit(resource.RLIMIT_STACK, (_STACK_BYTES, hard))


@contextlib.contextmanager
def started(
    kernel: Kernel,
    directory: Path,
    command: Sequence[str],
    *,
    seed: int,
    clock: str,
    cpu: int | None = None,
    runtime: Runtime | None = None,
    code: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A guest that runs ``command`` and powers off. At the end of the block it is killed with all its processes.

    ``cpu`` keeps the guest on one processor: its kernel and its processes switch at every system call, and a switch
    between processors costs several times as much (benchmarks/pinning.py measures it). Errors: MachineError.
    """
    if lacking := missing():
        raise MachineError(
            f"the guest needs {', '.join(lacking)}, which is not installed",
            f"Type: apt-get install {' '.join(lacking)}",
        )
    if clock == "virtual" and not kernel.time_travel:
        raise MachineError(
            f"the kernel {kernel.path} has no virtual time",
            "Type: testbed kernel build, or use --clock real.",
        )
    _set_limits()
    with _files(command, "trial.log", runtime) as files, (directory / "console.log").open("wb") as console:
        boot = command_line(kernel, directory.resolve(), files, seed=seed, clock=clock, runtime=runtime, code=code)
        process = subprocess.Popen(
            pinned(cpu) + boot,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            umask=0o022,  # the guest's files get it from its kernel's process
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextlib.contextmanager
def _files(command: Sequence[str], log: str, runtime: Runtime | None = None) -> Iterator[Path]:
    """A directory with the launcher, for the guest, while the block runs."""
    with scratch.directory() as files:
        launcher = files / "init"
        place = environment.MACHINE if runtime is None else environment.IMAGE
        launcher.write_text(_launcher(command, log, place))
        launcher.chmod(0o755)
        yield files


def interactive(kernel: Kernel, directory: Path, command: Sequence[str]) -> int:
    """Run ``command`` in a guest with this terminal as its console, in real time. Returns the command's exit code.

    Errors: MachineError if the guest did not get as far as running it.
    """
    _set_limits()
    with _files(command, CONSOLE) as files, _terminal_kept():
        boot = command_line(kernel, directory.resolve(), files, seed=1, clock="real", console="fd:0,fd:1")
        status = subprocess.run(boot, check=False).returncode if sys.stdin.isatty() else _fed(boot)
    try:
        return int(rawfiles.read(directory / _EXIT_CODE, 16))
    except (OSError, ValueError, TrialError):
        raise MachineError(
            f"the guest ended before its command did (code {status})",
            "What it printed is above. See: testbed check",
        ) from None


def _fed(boot: Sequence[str]) -> int:
    """Boot a guest whose terminal types what standard input holds, which is no terminal, and then Ctrl-D until it ends.

    The guest's kernel takes the end of a file for a terminal that is gone. A last line without its end gets one: Ctrl-D
    ends a file at the beginning of a line only (termios(3), VEOF). Returns the exit code of bwrap.
    """
    waiting, last = [sys.stdin.fileno()], b"\n"
    with subprocess.Popen(boot, stdin=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        while process.poll() is None:
            ready, _, _ = select.select(waiting, [], [], _CTRL_D_S)
            typed = os.read(waiting[0], 4096) if ready else b"" if waiting else _CTRL_D
            if ready and not typed:
                waiting, typed = [], b"" if last == b"\n" else b"\n"
            last = typed[-1:] or last
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(typed)
        return process.returncode


@contextlib.contextmanager
def _terminal_kept() -> Iterator[None]:
    """The settings of this terminal are restored after the block: the guest's kernel changes them."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def run(
    kernel: Kernel,
    directory: Path,
    command: Sequence[str],
    *,
    seed: int,
    clock: str,
    watchdog: Watchdog,
    cpu: int | None = None,
    runtime: Runtime | None = None,
    code: Path | None = None,
) -> None:
    """Run ``command`` in a guest to its end, on the image ``runtime`` or on this machine's files. The directory
    ``code`` is visible in it as CODE.

    Errors: TrialError with the last phase, if the guest ran too long or did not power off by itself.
    """
    with started(kernel, directory, command, seed=seed, clock=clock, cpu=cpu, runtime=runtime, code=code) as process:
        status = watchdog.wait(process, directory)
    if status != 0:
        raise TrialError(
            f"the guest ended with code {status}; it was at: {progress(directory)}",
            f"The end of its output is in {directory / 'console.log'}.",
        )


def pinned(cpu: int | None) -> list[str]:
    """The prefix that keeps a command on one processor."""
    return [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]


def verify(kernel: Kernel, runtime: Runtime) -> None:
    """Boot the kernel, and create a bond and an Open vSwitch bridge in it. Errors: TrialError with what failed."""
    with scratch.directory() as directory:
        run(
            kernel,
            directory,
            [environment.IMAGE.python, "-m", "testbed.emulation.selftest"],
            seed=1,
            clock="virtual" if kernel.time_travel else "real",
            watchdog=Watchdog(120.0),
            cpu=min(os.sched_getaffinity(0)),
            runtime=runtime,
        )
        log = "trial.log"
        printed = rawfiles.tail(directory / log) if rawfiles.exists(directory, log) else progress(directory)
        if "ok" not in printed.splitlines():
            raise TrialError(
                f"the kernel {kernel.version} boots but fails the self-test:\n{rawfiles.printable(printed)}"
            )
