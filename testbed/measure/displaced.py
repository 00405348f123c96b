"""Which flows were displaced: the members on which many flows were before a failure, while it lasted, and after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from testbed.errors import TrialError
from testbed.measure.table import Columns, read_csv

#: Of a places.csv (testbed.observe.flow_places); the members of a flow are joined by a plus sign.
COLUMNS: Columns = {"source_port": int, "before": str, "during": str, "after": str}


@dataclass(frozen=True)
class Displaced:
    """How many flows were on each member before, and how many of ``flows`` were displaced (theory.Displacement).

    ``unseen``: flows of which a packet was seen on no member, or on several, at one of the times at least; they are in
    none of the other numbers.
    """

    flows: int
    unseen: int
    members: list[int]
    lost: int
    moved: int
    in_vain: int
    back: int
    astray: int

    def share(self, what: str) -> float:
        """One of the numbers as a share of the flows."""
        return float(getattr(self, what)) / self.flows


def displaced(path: Path, members: int, failed: int) -> Displaced:
    """Compare the places of a places.csv; ``failed`` is the member that failed, counted from 0.

    Errors: TrialError naming a damaged line, or if no flow was seen each time.
    """
    table = read_csv(path, COLUMNS, "flow")
    names = {str(place): place for place in range(members)}
    before, during, after = (
        np.array([names.get(text, -1) for text in table[time]], dtype=np.intp) for time in ("before", "during", "after")
    )
    seen = (before >= 0) & (during >= 0) & (after >= 0)
    if not seen.any():
        raise TrialError(f"raw file {path.name}: no flow was seen on one member each time")
    before, during, after = before[seen], during[seen], after[seen]
    lost = before == failed
    moved = before != during
    return Displaced(
        flows=int(seen.sum()),
        unseen=int((~seen).sum()),
        members=np.bincount(before, minlength=members).tolist(),
        lost=int(lost.sum()),
        moved=int(moved.sum()),
        in_vain=int((moved & ~lost).sum()),
        back=int((during != after).sum()),
        astray=int((before != after).sum()),
    )
