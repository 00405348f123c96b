"""Sampling the kernel's counters of member links while traffic flows. `testbed.measure.rates` reads the samples.

counter  |            ....----        rate of a period = growth of the counter / length of the period
         |    ....----
         +-----------------> t_s      one sample a period
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.background import in_background

if TYPE_CHECKING:
    from testbed.emulation.network import Network

COLUMNS = ("t_s", "interface", "tx_bytes", "rx_bytes")
#: The places of the two counters in a line of /proc/net/dev, after the name (proc(5)).
_RX_BYTES, _TX_BYTES = 0, 8
#: One read gives a page at most, which is some 30 interfaces (fs/seq_file.c).
_READ_BYTES = 1 << 16


@contextlib.contextmanager
def sampling(
    network: Network, hosts: Sequence[str], path: Path, period_s: float = 0.1, *, origin_s: float
) -> Iterator[None]:
    """Write the counters of these hosts' links every ``period_s`` while the block runs, and once more at its end.

    ``path`` becomes a CSV file with the ``COLUMNS``; its times are seconds since ``origin_s``.
    """
    with contextlib.ExitStack() as stack:
        sources = []
        for host in hosts:
            descriptor = os.open(f"/proc/{network.pid(host)}/net/dev", os.O_RDONLY)
            stack.callback(os.close, descriptor)
            sources.append((descriptor, network.topology.interfaces(host)))
        file = stack.enter_context(path.open("w"))
        file.write(",".join(COLUMNS) + "\n")

        def sample() -> None:
            for descriptor, interfaces in sources:
                at = time.time() - origin_s
                counters = _counters(_whole(descriptor))
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


def _whole(descriptor: int) -> str:
    """A file of /proc from its beginning."""
    text = b""
    while part := os.pread(descriptor, _READ_BYTES, len(text)):
        text += part
    return text.decode()


def _counters(text: str) -> dict[str, tuple[int, int]]:
    """For each interface the octets sent and received, from the text of /proc/net/dev."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        found[name.strip()] = int(words[_TX_BYTES]), int(words[_RX_BYTES])
    return found
