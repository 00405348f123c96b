"""Inside a guest: typing at the prompt of ``testbed shell``, at a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

PROMPT = b"mininet> "
CTRL_C = b"\x03"


class Terminal:
    """A command at a terminal, whose foreground it is: Ctrl-C there reaches it and all that it starts."""

    def __init__(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._side, other = pty.openpty()
        self.process = subprocess.Popen(command, cwd=cwd, env=environment, preexec_fn=partial(os.login_tty, other))
        os.close(other)
        self.said = b""

    def until(self, text: bytes, limit_s: float = 120.0) -> None:
        """Wait until it has printed this since it was last waited for. Errors: AssertionError with what it said."""
        begun, end = len(self.said), time.monotonic() + limit_s
        while text not in self.said[begun:]:
            assert time.monotonic() < end and self._read(end - time.monotonic()), (text, self.said.decode())

    def type(self, text: bytes) -> None:
        """As if typed."""
        os.write(self._side, text)

    def ended(self) -> list[int | str]:
        """Wait for its end; its exit code, what it printed, and nothing."""
        while self._read(120.0):
            pass
        os.close(self._side)
        return [self.process.wait(), self.said.decode(), ""]

    def _read(self, limit_s: float) -> bool:
        """Take in what it prints next; whether it did."""
        if not select.select([self._side], [], [], limit_s)[0]:
            return False
        try:
            got = os.read(self._side, 4096)
        except OSError:  # pty(7): EIO once nobody has the other side open
            return False
        self.said += got
        return bool(got)


def ping_stopped_by_hand(terminal: Terminal) -> list[int | str]:
    """Stop a ping by Ctrl-C, ping again, leave; the exit code and all that was on the screen."""
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
