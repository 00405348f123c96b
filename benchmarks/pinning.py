"""What it saves to keep a guest on one processor: wall time of the same work, on any processor and on one.

Usage: .venv/bin/python benchmarks/pinning.py

A guest's kernel and its processes switch to each other at every system call. Between processors, each switch costs a
wake-up.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from testbed.backends import guest, kernel
from testbed.backends.watchdog import Watchdog

_ROUNDS = 3
#: Starting an interpreter and loading a large library: thousands of system calls and page faults.
_WORK = [sys.executable, "-c", "import pyroute2"]


def wall_s(cpu: int | None) -> float:
    """Wall time of one guest that does the work, from start to power-off, in seconds."""
    found = kernel.find()
    if found is None:
        sys.exit("the guest kernel is not built; type: testbed kernel build")
    with tempfile.TemporaryDirectory(prefix="testbed-benchmark-") as name:
        began = time.monotonic()
        guest.run(found, Path(name), _WORK, seed=1, clock="virtual", watchdog=Watchdog(120.0), cpu=cpu)
        return time.monotonic() - began


def main() -> None:
    """Alternate the two, and print the ratio of their medians."""
    cpu = min(os.sched_getaffinity(0))
    times: dict[int | None, list[float]] = {None: [], cpu: []}
    for _ in range(_ROUNDS):
        for where, measured in times.items():
            measured.append(wall_s(where))
    free, pinned = statistics.median(times[None]), statistics.median(times[cpu])
    print(f"free {free:.2f} s, pinned {pinned:.2f} s: free takes {free / pinned:.1f} times as long")


if __name__ == "__main__":
    main()
