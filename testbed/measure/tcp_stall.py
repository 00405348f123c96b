"""How long TCP flows stood still, and what they got through, from what each had delivered at which time.

delivered  |                     ......      a flow stands still between two samples if it did not get on in between:
           |    ....============.            stall_s, to within one period of the samples
           +--------------------------> t_s
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.errors import TrialError

_HEADER = ["t_s", "client_port", "received_bytes"]


#: How long after a repair a flow may get on that went on before it: as far as its samples are apart.
LATE_S = 0.010


@dataclass(frozen=True)
class Stall:
    """When a flow stood still, and for how long; ``over``: it went on by itself, not by the repair."""

    begin_s: float
    stall_s: float
    over: bool


@dataclass(frozen=True)
class Delivered:
    """What one flow had delivered in all (octets), at the times when it had got on."""

    t_s: NDArray[np.floating[Any]]
    received_bytes: NDArray[np.integer[Any]]

    def until(self, at_s: float) -> int:
        """What it had delivered by then."""
        place = int(np.searchsorted(self.t_s, at_s, side="right"))
        return int(self.received_bytes[place - 1]) if place else 0

    def stall(self, begin_s: float, end_s: float) -> Stall:
        """The longest time without progress of which a part lies between ``begin_s`` and ``end_s``."""
        starts, ends = self.t_s[:-1], self.t_s[1:]
        places = np.flatnonzero((ends > begin_s) & (starts < end_s))
        if not len(places) or self.t_s[-1] < end_s:  # it never got on again
            last_s = float(self.t_s[-1])
            return Stall(last_s, max(end_s - last_s, 0.0), False)
        longest = places[np.argmax(ends[places] - starts[places])]
        return Stall(
            float(starts[longest]), float(ends[longest] - starts[longest]), bool(ends[longest] <= end_s + LATE_S)
        )


def load(path: Path) -> Mapping[int, Delivered]:
    """The flows of a progress.csv by the client's port. Errors: TrialError naming a damaged line."""
    text = path.read_text()
    if not text.endswith("\n"):
        raise TrialError(f"raw file {path.name} is cut off in line {text.count(chr(10)) + 1}")
    reader = csv.reader(text.splitlines())
    if next(reader, None) != _HEADER:
        raise TrialError(f"raw file {path.name} has no header {','.join(_HEADER)}")
    rows: dict[int, list[tuple[float, int]]] = {}
    for row in reader:
        try:
            at, port, octets = row
            sample = float(at), int(octets)
        except ValueError:
            raise TrialError(f"raw file {path.name} is damaged in line {reader.line_num}: {','.join(row)}") from None
        earlier = rows.setdefault(int(port), [])
        if earlier and (sample[0] <= earlier[-1][0] or sample[1] <= earlier[-1][1]):
            raise TrialError(f"raw file {path.name}, line {reader.line_num}: the flow from port {port} went back")
        earlier.append(sample)
    if not rows:
        raise TrialError(f"raw file {path.name} holds no sample")
    return {port: Delivered(*(np.array(column) for column in zip(*found, strict=True))) for port, found in rows.items()}


def goodput_mbps(flows: Mapping[int, Delivered], begin_s: float, end_s: float) -> float:
    """What all flows together delivered from ``begin_s`` to ``end_s``, in Mbit/s of payload."""
    octets = sum(flow.until(end_s) - flow.until(begin_s) for flow in flows.values())
    return octets * 8 / (end_s - begin_s) / 1e6
