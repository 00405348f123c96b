"""Run a Python module of ours where the files of a user can do no harm: in bubblewrap, and by questions and answers.

    caller --> bwrap (no network, own processes, chosen directories read-only, a small /tmp of its own)
                 '--> python -m MODULE: reads a question from its standard input, writes the answer to its output

The process can open no socket and write nothing of this machine. A question has a limit of wall time; memory, the size
of files and the number of open ones are limited too.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import resource
import select
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from testbed.backends.environment import PROJECT, SEARCH
from testbed.errors import MachineError

#: What programs and libraries need of the system. Not among it: /home, /root, /run, /var, passwords and keys in /etc.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives", "/etc/fonts")
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf")
#: Limits of the process, in bytes: its memory, the files in its own /tmp, one answer, what is shown of its output.
_MEMORY, _SCRATCH, _ANSWER, _PRINTED = 8 << 30, 64 << 20, 256 << 20, 10_000
_OPEN_FILES = 256
#: The first answer of every module: it was started, and nothing of the user's was executed yet.
READY = "ready"
#: Characters that could command a terminal (ECMA-48), all control characters but tab and end of line.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_AUDIT_ARCH_X86_64, _X32 = 0xC000003E, 0x40000000  # linux/audit.h, asm/unistd.h
#: System calls that are refused (asm/unistd_64.h). socket, socketpair and io_uring_setup: a socket of AF_UNIX could
#: reach a service of this machine by a file, whatever its network. mount, open_tree, move_mount, fsopen, fsmount,
#: mount_setattr, unshare, setns: what a new user namespace would allow to try. ptrace: bwrap's own first process.
_DENIED = (41, 53, 425, 165, 428, 429, 430, 432, 442, 272, 308, 101)


def printable(text: str) -> str:
    """The text without what could command a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


class Ended(Exception):
    """The process gave no answer; the text says why, as the end of a sentence about the file."""


def _filter() -> bytes:
    """The seccomp filter, as bwrap reads it; empty for a processor whose system calls have other numbers."""
    if platform.machine() != "x86_64":
        return b""
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h: BPF_LD, BPF_JEQ, BPF_JGE, BPF_RET
    allow, refuse = 0x7FFF0000, 0x00050001  # linux/seccomp.h: SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM
    left = len(_DENIED) + 1
    program = [(load, 0, 0, 4), (equal, 0, left + 1, _AUDIT_ARCH_X86_64), (load, 0, 0, 0), (at_least, left, 0, _X32)]
    program += [(equal, left - 1 - place, 0, number) for place, number in enumerate(_DENIED)]
    program += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    return b"".join(struct.pack("=HBBI", *each) for each in program)


def _visible(directories: Iterable[Path]) -> list[str]:
    """The options of bwrap for what is seen: the system, Python, our code and ``directories``; all of it read-only."""
    python = (sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable)))
    wanted = [*python, *sysconfig.get_paths().values(), str(PROJECT), *(path for path in sys.path if path)]
    places = {path for each in wanted for path in (os.path.abspath(each), os.path.realpath(each))}
    places |= {path for each in directories for path in (os.path.abspath(each), os.path.realpath(each))}
    words = []
    for place in [*_SYSTEM, *_FILES, *sorted(places)]:  # a directory before those in it
        if os.path.isdir(place) or (place in _FILES and os.path.isfile(place)):
            words += ["--ro-bind", place, place]
    return words


def command_line(
    module: str, arguments: Sequence[str], directories: Iterable[Path], filter_fd: int, in_tmp: Iterable[Path] = ()
) -> list[str]:
    """The whole command. The current directory is there, but empty unless it is one of those that are seen."""
    words = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--new-session", "--die-with-parent", "--cap-drop", "ALL"]
    if os.geteuid() == 0:
        words += ["--cap-add", "CAP_DAC_READ_SEARCH"]  # root reads a user's file in a directory that only its owner may
    words += ["--dev", "/dev", "--proc", "/proc"]
    for place in ("/dev/shm", "/tmp"):
        words += ["--size", str(_SCRATCH), "--tmpfs", place]
    for path in in_tmp:
        words += ["--ro-bind-try", str(path), f"/tmp/{path.name}"]
    words += ["--dir", os.getcwd(), *_visible(directories), "--chdir", os.getcwd()]
    for place in ("/dev", "/proc", "/"):
        words += ["--remount-ro", place]
    if filter_fd >= 0:
        words += ["--seccomp", str(filter_fd)]
    for name, value in {"HOME": "/tmp", "TMPDIR": "/tmp", "MPLCONFIGDIR": "/tmp", "PYTHONPATH": str(PROJECT)}.items():
        words += ["--setenv", name, value]
    words += ["--setenv", "OPENBLAS_NUM_THREADS", "1"]  # each thread's memory would count
    # -P: a directory experiments/ where the caller is must not hide ours.
    return [*words, "--", sys.executable, "-P", "-m", module, *arguments]


def set_limits() -> None:
    """The limits of this process, for ever. The module calls it before it executes anything of the user's."""
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, _SCRATCH),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _close(*files: IO[bytes] | None) -> None:
    for file in files:
        with contextlib.suppress(OSError):  # a question that was not read
            if file is not None:
                file.close()


class Process:
    """A confined process that answers questions, each one line; one question at a time.

    ``end()`` ends it, with all its processes, for bwrap's own end ends them; so does the end of this object.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        directories: Iterable[Path],
        start_limit_s: float = 120,
        in_tmp: Iterable[Path] = (),
    ):
        """Start it, with the files ``in_tmp`` that exist, read-only, in its own /tmp.

        Errors: MachineError if this machine cannot confine a process, with what to type.
        """
        self._lock = threading.Lock()
        self._rest, self._shown = b"", 0
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (closed with this object)
        filter_fd = -1
        if program := _filter():
            filter_fd = os.memfd_create("filter", 0)
            os.write(filter_fd, program)
            os.lseek(filter_fd, 0, os.SEEK_SET)
        try:
            self._process = subprocess.Popen(
                command_line(module, arguments, directories, filter_fd, in_tmp),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                pass_fds=() if filter_fd < 0 else (filter_fd,),
                env={**os.environ, "PATH": SEARCH},
            )
        except FileNotFoundError:
            raise MachineError(
                "a user's file is read in bubblewrap, which is not installed",
                "Type: apt-get install bubblewrap",
            ) from None
        finally:
            if filter_fd >= 0:
                os.close(filter_fd)
        self.end = weakref.finalize(self, _end, self._process)
        # Not at its end: what it printed and answered is read after that, too.
        weakref.finalize(self, _close, self._process.stdin, self._process.stdout, self._output)
        try:
            answer = self._answer(start_limit_s)
        except Ended as error:
            answer = str(error)
        if answer != READY:
            said = " ".join(self.printed().split()) or answer
            self.end()
            raise MachineError(
                f"a user's file is read in bubblewrap, which does not work here: {said}",
                "To see what this machine lacks, type: testbed check",
            )

    def ask(self, question: str, limit_s: float) -> str:
        """The answer to a question, one line each.

        Errors: Ended if the process ends, takes longer than ``limit_s`` of wall time or answers too much; it has ended.
        """
        with self._lock:
            try:
                self._send(question.encode() + b"\n", limit_s)
                return self._answer(limit_s)
            except Ended:
                self.end()
                raise

    def printed(self) -> str:
        """What was written to its output and not yet returned, without what could command a terminal."""
        found = os.pread(self._output.fileno(), _PRINTED, self._shown)  # its own place in the file stays as it is
        size = os.fstat(self._output.fileno()).st_size
        more = f" ... and {left} bytes more\n" if (left := size - self._shown - len(found)) > 0 else ""
        self._shown = size
        return printable(found.decode(errors="replace")) + more

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def _send(self, question: bytes, limit_s: float) -> None:
        """Errors: Ended if nothing reads it."""
        assert self._process.stdin is not None
        descriptor = self._process.stdin.fileno()
        os.set_blocking(descriptor, False)
        end = time.monotonic() + limit_s
        with contextlib.suppress(BrokenPipeError):  # it has ended: there will be no answer
            while question:
                if not select.select([], [descriptor], [], max(0.0, end - time.monotonic()))[1]:
                    raise Ended(f"took longer than {limit_s:g} s and was ended")
                question = question[os.write(descriptor, question) :]

    def _answer(self, limit_s: float) -> str:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        end = time.monotonic() + limit_s
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            left = end - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise Ended(f"took longer than {limit_s:g} s and was ended")
            parts.append(os.read(descriptor, 1 << 20))
            if not parts[-1]:
                raise Ended(f"ended the process that reads it (exit code {self._process.wait()})")
            if sum(map(len, parts)) > _ANSWER:
                raise Ended(f"gives more than {_ANSWER >> 20} MB")
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line.decode(errors="replace")
