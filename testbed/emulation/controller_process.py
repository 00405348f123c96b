"""The switches' controller as a process of its own, which may die, be halted, and start again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from testbed.controller import OPENFLOW_PORT
from testbed.emulation.waiting import wait_for
from testbed.errors import TrialError

#: Until when a controller has to listen after its start, in seconds of the trial's clock.
_START_DEADLINE_S = 60.0


class ControllerProcess:
    """A command that listens for switches on ``OPENFLOW_PORT``; what it prints is added to the file ``log``."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._command = list(command)
        self._log = log
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens. Errors: TrialError if it ends, or does not listen in time."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                process_group=0,  # Ctrl-C at the prompt of a live network is not for it
            )
        wait_for("the controller listened", self._silent, deadline_s=_START_DEADLINE_S)

    def kill(self) -> None:
        """End it as a crash would, at once (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait until it has; if it is halted it ends as well."""
        self.go_on()
        self._end(signal.SIGTERM)

    def halt(self) -> None:
        """Let it do nothing more (SIGSTOP); its connections stay."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after `halt` (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def _silent(self) -> str:
        assert self._process is not None
        if self._process.poll() is not None:
            raise TrialError(f"the controller ended with code {self._process.returncode}; see controller.log")
        with socket.socket() as sock:
            answer = sock.connect_ex(("127.0.0.1", OPENFLOW_PORT))
        return f"nobody listens on port {OPENFLOW_PORT}" if answer else ""


@contextlib.contextmanager
def steered(process: ControllerProcess) -> Iterator[ControllerProcess]:
    """The process, listening, until the block ends."""
    try:
        process.start()
        yield process
    finally:
        process.stop()
