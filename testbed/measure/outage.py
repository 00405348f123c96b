"""Outages from a probe's packets, in the terms of RFC 6414 (terminology for protection performance).

    sent      | | | | | | | | | | | | | | | | | | | |      one packet each interval
    received  | | | | |                     | | | | |
                      a<------ outage ----->b              outage_s = b - a (3.6.3, by timestamps)
                        x x x x x x x x x x                outage_loss_s = lost x interval (3.6.2, by loss)
                      |---------------------------|        outage_rate_s = the steps of a time scale in which
                                                           packets are missing (3.6.1, by time)

The received line shows the packets that continue the sequence: the number of each is larger than all before it.
Between two of them is a gap. A gap is an outage only if the network made it: a packet in the gap, or the one that ends
it, was lost or came more than ``LATE_PACKET_S`` later than expected from the delay of the packet before the gap.

- A run without loss or delay has outage 0, not one interval. The shortest outage that can be seen is two intervals.
- A sender that pauses makes a gap in which nothing is missing: no outage. If packets are missing as well, the pause
  is subtracted. ``late_sends`` counts pauses.
- Packets that swap places are counted by ``reordered``. A packet that was held up and comes late, out of sequence, does
  not end an outage.

A gap belongs to the window in which its first missing packet should have arrived.

The three methods agree on an outage in which all packets are lost and none is delayed (`Outage.methods_agree`). They
disagree, rightly, if only some packets are lost, or if packets are held up and come later.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.measure.table import Columns, optional, read_csv

#: A packet whose delay exceeds that of the one before its gap by more than this counts as missing. The noted instant of
#: a fault may also differ from the real one by this.
LATE_PACKET_S = 0.010
#: A sender that pauses for more than this many intervals cannot measure an outage as short as its pause.
PAUSE_INTERVALS = 2.0
#: The time scale of the method by rate (3.6.1): the packets that are due in each of its steps.
BIN_PACKETS = 10
#: Of a probe.csv; a lost packet has no receive time.
PROBE_COLUMNS: Columns = {"flow": str, "seq": int, "sent_s": float, "received_s": optional}

#: The error of sums of times, in seconds.
_ROUNDING_S = 1e-6

Times = NDArray[np.floating[Any]]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class ProbeFlow:
    """One direction's packets in order of sequence number; ``received_s`` is NaN for a lost packet."""

    name: str
    sent_s: Times
    received_s: Times
    duplicated: int

    @property
    def lost(self) -> int:
        """Packets of the whole run that never arrived."""
        return int(np.isnan(self.received_s).sum())


@dataclass(frozen=True)
class Outage:
    """The longest outage of a flow in a window, in seconds; lower bounds if the flow did not recover in the window.

    ``begin_s`` is when the last packet before the outage arrived; ``lost`` counts all packets lost in the window.
    """

    outage_s: float
    outage_loss_s: float
    lost: int
    recovered: bool
    outage_rate_s: float = 0.0
    begin_s: float = 0.0
    interval_s: float = 0.0

    @property
    def methods_agree(self) -> bool | None:
        """Whether the methods differ by no more than their resolutions: two intervals, and two steps of the rate's.

        None if the flow did not recover, because each is a bound then.
        """
        if not self.recovered:
            return None
        by_loss = abs(self.outage_s - self.outage_loss_s) <= 2 * self.interval_s + _ROUNDING_S
        by_rate = abs(self.outage_s - self.outage_rate_s) <= 2 * BIN_PACKETS * self.interval_s + _ROUNDING_S
        return by_loss and by_rate


def load_probe(path: Path) -> tuple[ProbeFlow, ...]:
    """The flows of a probe.csv. Errors: TrialError naming a damaged line, or a packet that does not follow the last."""
    table = read_csv(path, PROBE_COLUMNS, "packet")
    found, wrong = [], list[tuple[int, str]]()
    for name, rows in table.by("flow").items():
        sequence = table["seq"][rows]
        steps = np.diff(sequence, prepend=-1)
        follows = (steps == 1) | (steps == 0)  # 0: a duplicate
        follows[0] = sequence[0] == 0
        if not follows.all():
            place = int(follows.argmin())
            before = sequence[place - 1] if place else -1
            wrong.append((int(rows[place]), f"packet {sequence[place]} of flow {name} follows packet {before}"))
        kept = rows[steps == 1]
        duplicated = len(rows) - len(kept)
        found.append(ProbeFlow(name, table["sent_s"][kept], table["received_s"][kept], duplicated))
    if wrong:
        raise table.error(*min(wrong))
    return tuple(found)


@dataclass(frozen=True)
class _Gaps:
    """The gaps between each packet that continues the sequence and the next one that does."""

    begin_s: Times
    end_s: Times
    stall_s: Times
    missed_s: Times  # when the first missing packet should have arrived; infinite where nothing is missing


def _gaps(flow: ProbeFlow, interval_s: float) -> tuple[_Gaps, Times]:
    """The gaps of a flow, and when each packet should have arrived, from the delay of the one before its gap."""
    count = len(flow.sent_s)
    order = _arrivals(flow)
    in_sequence = order[np.maximum.accumulate(order) == order] if len(order) else order
    # There may also be a gap before the first packet that arrives, and one without end after the last.
    places = np.concatenate(([-1], in_sequence, [count]))
    arrived = np.concatenate((flow.sent_s[:1], flow.received_s[in_sequence], [np.inf]))
    sent = np.concatenate((flow.sent_s[:1], flow.sent_s[in_sequence], flow.sent_s[-1:]))
    delay = arrived - sent
    before = np.searchsorted(places, np.arange(count), side="left") - 1
    expected = flow.sent_s + delay[before]
    late = ~(flow.received_s - expected <= LATE_PACKET_S)  # true for NaN as well: lost
    first_missing = np.full(len(places), np.inf)
    np.minimum.at(first_missing, before[late], expected[late])
    pauses = np.diff(flow.sent_s, prepend=flow.sent_s[:1])
    excess = np.where(pauses > PAUSE_INTERVALS * interval_s, pauses - interval_s, 0.0)
    paused = np.concatenate(([0.0], np.cumsum(excess), [excess.sum()]))[places + 1]
    gaps = _Gaps(arrived[:-1], arrived[1:], np.diff(paused), first_missing[:-1])
    return gaps, expected


def outage(flow: ProbeFlow, interval_s: float, begin_s: float, end_s: float) -> Outage:
    """The longest outage that begins in the window from ``begin_s`` until ``end_s``, and the loss in the window.

    Both edges are moved ``LATE_PACKET_S`` earlier: so the window holds the first losses of a fault even if the fault
    was noted a little after it began.
    """
    gaps, expected = _gaps(flow, interval_s)
    low_s, high_s = begin_s - LATE_PACKET_S, end_s - LATE_PACKET_S
    lost = int((np.isnan(flow.received_s) & (expected >= low_s) & (expected < high_s)).sum())
    found = (gaps.missed_s >= low_s) & (gaps.missed_s < high_s)
    lengths = (np.minimum(gaps.end_s, end_s) - gaps.begin_s - gaps.stall_s)[found]
    recovered = not bool((gaps.end_s[found] >= end_s).any())
    longest = int(lengths.argmax()) if len(lengths) else None
    return Outage(
        0.0 if longest is None else float(lengths[longest]),
        lost * interval_s,
        lost,
        recovered,
        _by_rate(flow, interval_s, expected, low_s, end_s),
        0.0 if longest is None else float(gaps.begin_s[found][longest]),
        interval_s,
    )


def _by_rate(flow: ProbeFlow, interval_s: float, expected: Times, low_s: float, high_s: float) -> float:
    """How long packets were missing, in steps of ``BIN_PACKETS`` intervals (RFC 6414, 3.6.1)."""
    step_s = BIN_PACKETS * interval_s
    missing = expected[~(flow.received_s - expected <= LATE_PACKET_S)]
    steps = np.floor((missing[(missing >= low_s) & (missing < high_s)] - low_s) / step_s)
    return len(np.unique(steps)) * step_s


def _arrivals(flow: ProbeFlow) -> Places:
    """The sequence numbers of the packets that arrived, in order of arrival."""
    order = np.argsort(flow.received_s, kind="stable")  # NaN sorts last
    return order[: len(order) - flow.lost]


def reordered(flow: ProbeFlow) -> int:
    """Packets that arrived after one with a larger sequence number (RFC 4737, section 3)."""
    order = _arrivals(flow)
    return int((order < np.maximum.accumulate(order)).sum()) if len(order) else 0


def reordering_extent(flow: ProbeFlow) -> int:
    """The largest extent of a reordered packet, in packets; 0 if none is reordered (RFC 4737, 4.2.1).

    The extent is the distance, in packets received, to the first one received with a larger sequence number.
    """
    order = _arrivals(flow)
    if not len(order):
        return 0
    ahead = np.searchsorted(np.maximum.accumulate(order), order, side="right")
    return max(0, int((np.arange(len(order)) - ahead).max()))


@dataclass(frozen=True)
class Delay:
    """One-way delay of the packets that were sent in a window and arrived, in seconds; None if none did (RFC 7679)."""

    median_s: float | None
    max_s: float | None


def delay(flow: ProbeFlow, begin_s: float, end_s: float) -> Delay:
    """The delay of the packets sent from ``begin_s`` until ``end_s``."""
    sent = (flow.sent_s >= begin_s) & (flow.sent_s < end_s) & ~np.isnan(flow.received_s)
    delays = (flow.received_s - flow.sent_s)[sent]
    return Delay(float(np.median(delays)), float(delays.max())) if len(delays) else Delay(None, None)


def late_sends(flow: ProbeFlow, interval_s: float) -> tuple[int, float]:
    """How often the sender paused for more than ``PAUSE_INTERVALS`` intervals, and its longest pause in seconds."""
    pauses = np.diff(flow.sent_s)
    return int((pauses > PAUSE_INTERVALS * interval_s).sum()), float(pauses.max(initial=0.0))
