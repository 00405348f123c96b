"""Throughput of each member over time: the kernel's counters, sampled while traffic flows; and the samples, read.

counter  |            ....----        rate of a period = what the counter grew by / how long the period was
         |    ....----
         +-----------------> t_s      one sample a period
"""

from __future__ import annotations

import contextlib
import csv
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from testbed.background import in_background
from testbed.errors import TrialError

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_HEADER = ["t_s", "interface", "tx_bytes", "rx_bytes"]
#: Where a line of /proc/net/dev has them, behind the name (proc(5)).
_RX_BYTES, _TX_BYTES = 0, 8
_READ_BYTES = 1 << 16


@contextlib.contextmanager
def sampling(lab: Lab, hosts: Sequence[str], path: Path, period_s: float = 0.1) -> Iterator[None]:
    """Inside: write the counters of these hosts' links every ``period_s`` while the block runs, and when it ends."""
    with contextlib.ExitStack() as stack:
        sources = []
        for host in hosts:
            descriptor = os.open(f"/proc/{lab.network.pid(host)}/net/dev", os.O_RDONLY)
            stack.callback(os.close, descriptor)
            sources.append((descriptor, lab.topology.interfaces(host)))
        file = stack.enter_context(path.open("w"))
        file.write(",".join(_HEADER) + "\n")

        def sample() -> None:
            for descriptor, interfaces in sources:
                at = time.time() - lab.origin_s
                counters = _counters(os.pread(descriptor, _READ_BYTES, 0).decode())
                for name in interfaces:
                    tx_bytes, rx_bytes = counters[name]
                    file.write(f"{at:.9f},{name},{tx_bytes},{rx_bytes}\n")

        def work(ended: threading.Event) -> None:
            due = time.monotonic()
            while not ended.wait(max(0.0, due - time.monotonic())):
                sample()
                due += period_s

        try:
            with in_background("rates", work):
                yield
        finally:
            sample()


def _counters(text: str) -> dict[str, tuple[int, int]]:
    """From the text of /proc/net/dev: octets sent and received, for each interface."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        found[name.strip()] = int(words[_TX_BYTES]), int(words[_RX_BYTES])
    return found


@dataclass(frozen=True)
class Samples:
    """The counters of one interface at the instants ``t_s``."""

    t_s: NDArray[np.floating[Any]]
    tx_bytes: NDArray[np.integer[Any]]
    rx_bytes: NDArray[np.integer[Any]]

    def tx_mbps(self) -> NDArray[np.floating[Any]]:
        """What was sent in each period, in Mbit/s of frames as the kernel counts them (without FCS and preamble)."""
        return np.asarray(np.diff(self.tx_bytes) * 8 / np.diff(self.t_s) / 1e6)


def load(path: Path) -> dict[str, Samples]:
    """Outside: the samples of each interface. Errors: TrialError naming a damaged line, or a counter that shrank."""
    text = path.read_text()
    if not text.startswith(",".join(_HEADER) + "\n"):
        raise TrialError(f"raw file {path.name} has no header {','.join(_HEADER)}")
    if not text.endswith("\n"):
        raise TrialError(f"raw file {path.name} is cut off in line {text.count(chr(10)) + 1}")
    rows: dict[str, list[tuple[float, int, int]]] = {}
    for number, row in enumerate(csv.reader(text.splitlines()[1:]), 2):
        try:
            at, name, tx_bytes, rx_bytes = row
            sample = float(at), int(tx_bytes), int(rx_bytes)
        except ValueError:
            raise TrialError(f"raw file {path.name} is damaged in line {number}: {','.join(row)}") from None
        earlier = rows.setdefault(name, [])
        if earlier and sample[0] <= earlier[-1][0]:
            raise TrialError(
                f"raw file {path.name}, line {number}: the clock went back from {earlier[-1][0]} to {at} s"
            )
        if earlier and (sample[1] < earlier[-1][1] or sample[2] < earlier[-1][2]):
            raise TrialError(f"raw file {path.name}, line {number}: a counter of {name} went back")
        earlier.append(sample)
    if not rows:
        raise TrialError(f"raw file {path.name} holds no sample")
    return {
        name: Samples(*(np.array(column) for column in zip(*samples, strict=True))) for name, samples in rows.items()
    }
