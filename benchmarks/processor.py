"""What this process and its descendants, a guest's included, take of the processor and of memory, sampled."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

_INTERVAL_S = 0.5


class Use:
    """Processor time and largest memory of all descendants of this process (proc(5), /proc/PID/stat).

    A guest's processes are not reaped by those that started it, so getrusage(2) does not count them. ``sampled`` is
    called after each sample. What a process takes after its last sample is not counted.
    """

    def __init__(self, sampled: Callable[[Use], None] = lambda _: None, interval_s: float = _INTERVAL_S) -> None:
        self.memory_bytes = 0
        self._processor_s: dict[tuple[int, int], float] = {}
        self._sampled, self._interval_s = sampled, interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def processor_s(self) -> float:
        """The processor time so far, in seconds."""
        return sum(self._processor_s.values())

    def __enter__(self) -> Use:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._sample()
            self._sampled(self)

    def _sample(self) -> None:
        found: dict[int, list[str]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    found[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue  # it has just ended
        family, grows = {os.getpid()}, True
        while grows:
            more = {pid for pid, stat in found.items() if int(stat[1]) in family} - family
            family |= more
            grows = bool(more)
        tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        for pid in family & found.keys():
            stat = found[pid]
            self._processor_s[pid, int(stat[19])] = (int(stat[11]) + int(stat[12])) / tick
            self.memory_bytes = max(self.memory_bytes, int(stat[21]) * page)
