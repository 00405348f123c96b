"""A program of the trial's own that runs in the background: started, waited for, halted, ended; in a namespace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.emulation.waiting import wait_for
from testbed.errors import TrialError

#: How long a program may take to be ready, and to end after SIGTERM, in seconds of the trial's clock.
READY_S, _END_S = 60.0, 10.0


class Daemon:
    """A command that runs until it is stopped; what it prints is added to the file ``log``.

    ``environment`` is added to ours. ``ready`` returns what is still missing until the program can be used, empty
    once nothing is; it gets ``ready_s`` seconds. ``clear`` removes what one that was killed may have left. With ``pid``
    the program runs in the network and mount namespaces of that process (mnexec). As a context manager it is started
    and stopped.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        ready: Callable[[], str] = lambda: "",
        clear: Callable[[], None] = lambda: None,
        environment: Mapping[str, str] | None = None,
        pid: int | None = None,
        ready_s: float = READY_S,
        end_s: float = _END_S,
    ) -> None:
        self.name = name
        self._command = [*(() if pid is None else ("mnexec", "-a", str(pid))), *command]
        self._log = log
        self._ready = ready
        self._clear = clear
        self._environment = environment or {}
        self._ready_s, self._end_s = ready_s, end_s
        self._process: subprocess.Popen[bytes] | None = None
        self._halted = False

    @property
    def runs(self) -> bool:
        """Whether it has been started, and neither halted nor ended by us."""
        return self._process is not None and not self._halted

    @property
    def pid(self) -> int | None:
        """Its process id; None unless it has been started and not ended by us."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, and wait until it is ready. Errors: TrialError if it ends by itself, or is not ready in time."""
        self._clear()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                process_group=0,  # Ctrl-C at the prompt of a live network does not reach it
            )
        try:
            wait_for(f"{self.name} is ready", self._missing, deadline_s=self._ready_s)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in order (SIGTERM), also if it is halted; by SIGKILL if it has not ended in time."""
        self.resume()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL), with all processes that it has started."""
        self._end(signal.SIGKILL)

    def halt(self) -> None:
        """Halt it (SIGSTOP), with all processes that it has started; its connections stay open."""
        self._signal(signal.SIGSTOP)
        self._halted = True

    def resume(self) -> None:
        """Continue it after `halt` (SIGCONT)."""
        self._signal(signal.SIGCONT)
        self._halted = False

    def _missing(self) -> str:
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise TrialError(f"{self.name} ended with code {code}; see {self._log.name}: {''.join(last)}")
        return self._ready()

    @contextlib.contextmanager
    def killed(self) -> Iterator[None]:
        """Killed while the block runs; then it starts again."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """Halted while the block runs; then it continues."""
        self.halt()
        try:
            yield
        finally:
            self.resume()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)  # the leader of its group (process_group=0)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if number is signal.SIGKILL:
            self._signal(number)
        else:
            self._process.send_signal(number)  # it ends what it has started in its own order
        try:
            self._process.wait(timeout=self._end_s)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
