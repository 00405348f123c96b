"""Stalls and goodput of TCP flows, from samples of the octets that each has delivered.

delivered  |                     ......      a flow stalls between two samples if it delivers nothing in between:
           |    ....============.            stall_s, to within one period of the samples
           +--------------------------> t_s
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.measure.table import Columns, read_csv

#: Of a progress.csv (testbed.observe.tcp_progress).
COLUMNS: Columns = {"t_s": float, "client_port": int, "received_bytes": int}
#: How long after the repair the sample may be taken that first shows the progress of a flow that resumed before it.
LATE_SAMPLE_S = 0.010


@dataclass(frozen=True)
class Stall:
    """When a stall began, and how long it lasted; ``over``: the flow resumed before the repair."""

    begin_s: float
    stall_s: float
    over: bool


@dataclass(frozen=True)
class Delivered:
    """The octets that a flow had delivered in all, at each instant at which that had grown."""

    t_s: NDArray[np.floating[Any]]
    received_bytes: NDArray[np.integer[Any]]

    def until(self, at_s: float) -> int:
        """The octets that the flow had delivered by then."""
        place = int(np.searchsorted(self.t_s, at_s, side="right"))
        return int(self.received_bytes[place - 1]) if place else 0

    def stall(self, begin_s: float, end_s: float) -> Stall:
        """The longest time without progress that overlaps the time between ``begin_s`` and ``end_s``."""
        starts, ends = self.t_s[:-1], self.t_s[1:]
        places = np.flatnonzero((ends > begin_s) & (starts < end_s))
        if not len(places) or self.t_s[-1] < end_s:  # it never resumed
            last_s = float(self.t_s[-1])
            return Stall(last_s, max(end_s - last_s, 0.0), False)
        longest = places[np.argmax(ends[places] - starts[places])]
        return Stall(
            float(starts[longest]), float(ends[longest] - starts[longest]), bool(ends[longest] <= end_s + LATE_SAMPLE_S)
        )


def load(path: Path) -> Mapping[int, Delivered]:
    """The flows of a progress.csv by the client's port. Errors: TrialError naming a damaged line."""
    table = read_csv(path, COLUMNS, "sample")
    flows = table.by("client_port")
    for column in ("t_s", "received_bytes"):
        table.check_order(column, flows, lambda port, *_: f"the flow from port {port} went back", strict=True)
    return {port: Delivered(table["t_s"][rows], table["received_bytes"][rows]) for port, rows in flows.items()}
