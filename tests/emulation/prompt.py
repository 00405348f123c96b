"""Inside a guest: typing at the prompt of ``testbed shell``, at a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

PROMPT = b"mininet> "
CTRL_C, CTRL_D, CTRL_BACKSLASH = b"\x03", b"\x04", b"\x1c"


class Terminal:
    """A command in the foreground of a terminal: Ctrl-C there reaches it and all that it starts."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        size: tuple[int, int] = (24, 80),
    ) -> None:
        self._side, other = pty.openpty()
        termios.tcsetwinsize(self._side, size)
        self.process = subprocess.Popen(command, cwd=cwd, env=environment, preexec_fn=partial(os.login_tty, other))
        os.close(other)
        self.output = b""

    def until(self, text: bytes, limit_s: float = 120.0) -> None:
        """Wait until it prints this. Errors: AssertionError with its output."""
        start, end = len(self.output), time.monotonic() + limit_s
        while text not in self.output[start:]:
            assert time.monotonic() < end and self._read(end - time.monotonic()), (text, self.output.decode())

    def type(self, text: bytes) -> None:
        """Type this."""
        os.write(self._side, text)

    def ended(self) -> list[int | str]:
        """Wait for its end. Returns its exit code, its output, and nothing on standard error."""
        while self._read(120.0):
            pass
        os.close(self._side)
        return [self.process.wait(), self.output.decode(), ""]

    def _read(self, limit_s: float) -> bool:
        """Read what it prints next. Returns whether there was anything."""
        if not select.select([self._side], [], [], limit_s)[0]:
            return False
        try:
            got = os.read(self._side, 4096)
        except OSError:  # pty(7): EIO once no process has the other side open
            return False
        self.output += got
        return bool(got)


def interrupted_ping(terminal: Terminal) -> list[int | str]:
    """Stop a ping by Ctrl-C, ping again, leave. Returns the exit code and all that was on the screen."""
    terminal.until(PROMPT)
    terminal.type(b"h1 ping 10.0.0.2\n")
    terminal.until(b"icmp_seq=3")
    terminal.type(CTRL_C)
    terminal.until(PROMPT)
    terminal.type(b"state\n")
    terminal.until(PROMPT)
    terminal.type(b"h1 ping -c 2 10.0.0.2\n")
    terminal.until(PROMPT)
    terminal.type(b"exit\n")
    return terminal.ended()
