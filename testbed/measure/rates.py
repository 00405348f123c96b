"""Throughput of each member over time, from the counters in a member_rates.csv (testbed.observe.rates)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.measure.table import Columns, read_csv

#: Of a member_rates.csv: the octets that an interface has sent and received, by the kernel's counters.
COLUMNS: Columns = {"t_s": float, "interface": str, "tx_bytes": int, "rx_bytes": int}


@dataclass(frozen=True)
class Samples:
    """The counters of one interface at the instants ``t_s``."""

    t_s: NDArray[np.floating[Any]]
    tx_bytes: NDArray[np.integer[Any]]
    rx_bytes: NDArray[np.integer[Any]]

    def tx_mbps(self) -> NDArray[np.floating[Any]]:
        """The rate sent in each period, in Mbit/s of frames as the kernel counts them (without FCS and preamble)."""
        return np.asarray(np.diff(self.tx_bytes) * 8 / np.diff(self.t_s) / 1e6)


def load(path: Path) -> dict[str, Samples]:
    """The samples of each interface. Errors: TrialError naming a damaged line, or a counter that went back."""
    table = read_csv(path, COLUMNS, "sample")
    interfaces = table.by("interface")
    table.check_order(
        "t_s", interfaces, lambda _, before, at: f"the clock went back from {before} to {at} s", strict=True
    )
    for counter in ("tx_bytes", "rx_bytes"):
        table.check_order(counter, interfaces, lambda name, *_: f"a counter of {name} went back")
    return {
        name: Samples(table["t_s"][rows], table["tx_bytes"][rows], table["rx_bytes"][rows])
        for name, rows in interfaces.items()
    }
