"""Which member carried each flow, by the packets that crossed it, compared with the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TrialError
from testbed.measure.table import Columns, read_csv

#: Protocol, source address and port, target address and port.
FlowKey = tuple[str, str, int, str, int]

#: Of a captured.csv (testbed.observe.flow_capture).
COLUMNS: Columns = {
    "interface": str,
    "direction": str,
    "protocol": str,
    "source_ip": str,
    "source_port": int,
    "target_ip": str,
    "target_port": int,
    "packets": int,
}


@dataclass(frozen=True)
class MemberFlows:
    """How many flows were measured and predicted on each member.

    ``matched`` flows were on their predicted member with every packet. ``predicted`` and ``matched`` are None if the
    member of a flow was not predicted. ``split`` flows have packets on more than one member; they count as measured on
    the one that carried most. ``places`` has that of each flow, in the order of the prediction.
    """

    measured: list[int]
    predicted: list[int] | None
    matched: int | None
    split: int
    places: tuple[int, ...] = ()


def packets_by_member(path: Path, members: Sequence[str], direction: str) -> dict[FlowKey, list[int]]:
    """The packets of each flow in a captured.csv that crossed each member in a direction, ``in`` or ``out``.

    Errors: TrialError naming a damaged line.
    """
    found: dict[FlowKey, list[int]] = {}
    for interface, way, protocol, source_ip, source_port, target_ip, target_port, packets in read_csv(path, COLUMNS):
        if way == direction and interface in members:
            counts = found.setdefault((protocol, source_ip, source_port, target_ip, target_port), [0] * len(members))
            counts[members.index(interface)] += packets
    return found


def flows_by_member(
    packets: Mapping[FlowKey, Sequence[int]], predicted: Mapping[FlowKey, int | None], members: int
) -> MemberFlows:
    """Compare the member that carried each flow with the one that was predicted.

    Errors: TrialError naming a flow without packets.
    """
    measured, expected = [0] * members, [0] * members
    matched = split = 0
    places = []
    for flow, member in predicted.items():
        counts = packets.get(flow)
        if counts is None or not any(counts):
            raise TrialError(f"no packet of flow {' '.join(map(str, flow))} crossed a member")
        split += sum(count > 0 for count in counts) > 1
        places.append(max(range(members), key=lambda place: counts[place]))
        measured[places[-1]] += 1
        if member is not None:
            expected[member] += 1
            matched += sum(counts) == counts[member]
    known = None not in predicted.values()
    return MemberFlows(measured, expected if known else None, matched if known else None, split, tuple(places))
