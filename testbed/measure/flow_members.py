"""Where flows were, by what crossed each member, beside where they were predicted to be."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TrialError

#: A flow by its protocol, source address and port, and target address and port.
FlowKey = tuple[str, str, int, str, int]


@dataclass(frozen=True)
class Placed:
    """Flows over members: how many were predicted and measured on each, and how many were where they should be."""

    measured: list[int]
    predicted: list[int] | None
    matched: int | None
    #: Flows with packets on more than one member; they count as measured where most packets were.
    split: int


def crossed(path: Path, members: Sequence[str], direction: str) -> dict[FlowKey, list[int]]:
    """From a captured.csv: for each flow the packets on each member. Errors: TrialError naming a damaged line."""
    text = path.read_text()
    if not text.endswith("\n"):
        raise TrialError(f"raw file {path.name} is cut off in line {text.count(chr(10)) + 1}")
    found: dict[FlowKey, list[int]] = {}
    for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
        try:
            if row["direction"] != direction or row["interface"] not in members:
                continue
            key = (
                row["protocol"],
                row["source_ip"],
                int(row["source_port"]),
                row["target_ip"],
                int(row["target_port"]),
            )
            packets = int(row["packets"])
        except (KeyError, TypeError, ValueError):
            raise TrialError(f"raw file {path.name} is damaged in line {number}") from None
        found.setdefault(key, [0] * len(members))[members.index(row["interface"])] += packets
    return found


def placed(packets: Mapping[FlowKey, Sequence[int]], predicted: Mapping[FlowKey, int | None], members: int) -> Placed:
    """Measured beside predicted placement. Errors: TrialError naming a flow of which no packet was seen."""
    measured, expected = [0] * members, [0] * members
    matched = split = 0
    for flow, member in predicted.items():
        seen = packets.get(flow)
        if seen is None or not any(seen):
            raise TrialError(f"no packet of flow {' '.join(map(str, flow))} crossed a member")
        split += sum(count > 0 for count in seen) > 1
        measured[max(range(members), key=lambda place: seen[place])] += 1
        if member is not None:
            expected[member] += 1
            matched += sum(seen) == seen[member]
    known = None not in predicted.values()
    return Placed(measured, expected if known else None, matched if known else None, split)
