"""Outages from a probe's packets, in the terms of RFC 6414 (terminology for protection performance).

    sent      | | | | | | | | | | | | | | | | | | | |      one packet each interval
    received  | | | | |                     | | | | |
                      a<------ outage ----->b              outage_s = b - a (3.6.3, by timestamps)
                        x x x x x x x x x x                outage_loss_s = lost x interval (3.6.2, by loss)
                      |---------------------------|        outage_rate_s = the steps of a time scale in which
                                                           packets are missing (3.6.1, by time)

The received line holds the packets that carry on the sequence: each larger than all before it. Between two
of them lies a gap. A gap is an outage only if the network made it: a packet between the two was lost or
came more than ``LATE_S`` later than the one before the gap lets expect, or the one that ends the gap did.

- A run without loss or delay has outage 0, not one interval; the shortest outage to be seen is two intervals.
- A sender that pauses makes a gap in which nothing is missing: no outage. Where packets are missing as well,
  the pause is taken off. ``late_sends`` tells of it.
- Packets that swap places are counted by ``reordered``. One that was stuck and comes late, out of sequence,
  does not end an outage.

A gap belongs to the window in which its first missing packet should have arrived.

The three methods agree on an outage in which everything is lost and nothing is delayed (`Outage.methods_agree`).
They disagree, rightly, where only some packets are lost, or where packets are held up and come later.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.errors import TrialError

#: How much later than the one before it a packet must come to count as missing, and how far the noted instant
#: of a fault may be off the real one.
LATE_S = 0.010
#: A sender that pauses for more than this many intervals cannot tell an outage as short as its pause.
PAUSE_INTERVALS = 2.0
#: The time scale of the method by rate (3.6.1): so many packets are due in each of its steps.
BIN_PACKETS = 10
_HEADER = ["flow", "seq", "sent_s", "received_s"]

#: What adding up times may be off, in seconds.
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
    """What a flow felt in a window, in seconds; lower bounds if it did not recover within it.

    ``begin_s`` is when the last packet before the longest outage arrived, and ``outage_s`` lies behind it.
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

        None if the flow did not recover: then each is a bound.
        """
        if not self.recovered:
            return None
        by_loss = abs(self.outage_s - self.outage_loss_s) <= 2 * self.interval_s + _ROUNDING_S
        by_rate = abs(self.outage_s - self.outage_rate_s) <= 2 * BIN_PACKETS * self.interval_s + _ROUNDING_S
        return by_loss and by_rate


def load_probe(path: Path) -> tuple[ProbeFlow, ...]:
    """The flows of a probe.csv. Errors: TrialError naming the damaged line."""
    rows: dict[str, list[tuple[float, float]]] = {}
    duplicated: dict[str, int] = {}
    text = path.read_text()
    if text.count("\n") and not text.endswith("\n"):
        raise TrialError(f"raw file {path.name} is cut off in line {text.count(chr(10)) + 1}")
    reader = csv.reader(text.splitlines())
    if next(reader, None) != _HEADER:
        raise TrialError(f"raw file {path.name} has no header {','.join(_HEADER)}")
    for row in reader:
        try:
            name, sequence_text, sent_text, received_text = row
            sequence, sent_s = int(sequence_text), float(sent_text)
            received_s = float(received_text) if received_text else np.nan
        except ValueError:
            raise TrialError(f"raw file {path.name} is damaged in line {reader.line_num}: {','.join(row)}") from None
        packets = rows.setdefault(name, [])
        if sequence == len(packets):
            packets.append((sent_s, received_s))
        elif sequence == len(packets) - 1:
            duplicated[name] = duplicated.get(name, 0) + 1
        else:
            raise TrialError(
                f"raw file {path.name}, line {reader.line_num}: packet {sequence} of flow {name} follows"
                f" packet {len(packets) - 1}"
            )
    if not rows:
        raise TrialError(f"raw file {path.name} holds no packet")
    tables = {name: np.array(packets, dtype=np.float64) for name, packets in rows.items()}
    return tuple(ProbeFlow(name, t[:, 0], t[:, 1], duplicated.get(name, 0)) for name, t in tables.items())


@dataclass(frozen=True)
class _Gaps:
    """What lies between two packets that carry on the sequence, for all such pairs."""

    begin_s: Times
    end_s: Times
    stall_s: Times
    missed_s: Times  # when the first missing packet should have arrived; infinite where nothing is missing


def _gaps(flow: ProbeFlow, interval_s: float) -> tuple[_Gaps, Times]:
    """The gaps of a flow, and when each packet should have arrived by the delay of the one before its gap."""
    count = len(flow.sent_s)
    order = _arrivals(flow)
    carry_on = order[np.maximum.accumulate(order) == order] if len(order) else order
    # A gap may also lie before the first packet to arrive, and stay open after the last.
    places = np.concatenate(([-1], carry_on, [count]))
    arrived = np.concatenate((flow.sent_s[:1], flow.received_s[carry_on], [np.inf]))
    sent = np.concatenate((flow.sent_s[:1], flow.sent_s[carry_on], flow.sent_s[-1:]))
    delay = arrived - sent
    before = np.searchsorted(places, np.arange(count), side="left") - 1
    expected = flow.sent_s + delay[before]
    late = ~(flow.received_s - expected <= LATE_S)  # true for NaN as well: lost
    first_missing = np.full(len(places), np.inf)
    np.minimum.at(first_missing, before[late], expected[late])
    pauses = np.diff(flow.sent_s, prepend=flow.sent_s[:1])
    excess = np.where(pauses > PAUSE_INTERVALS * interval_s, pauses - interval_s, 0.0)
    paused = np.concatenate(([0.0], np.cumsum(excess), [excess.sum()]))[places + 1]
    gaps = _Gaps(arrived[:-1], arrived[1:], np.diff(paused), first_missing[:-1])
    return gaps, expected


def outage(flow: ProbeFlow, interval_s: float, begin_s: float, end_s: float) -> Outage:
    """The longest outage that begins in the window from ``begin_s`` until ``end_s``, and what was lost in it.

    Both edges are taken ``LATE_S`` early, so that the window holds what a fault did at its beginning even if
    the fault was noted a little after it struck.
    """
    gaps, expected = _gaps(flow, interval_s)
    low_s, high_s = begin_s - LATE_S, end_s - LATE_S
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
    """How long packets were missing, on a time scale of ``BIN_PACKETS`` intervals a step (RFC 6414, 3.6.1)."""
    step_s = BIN_PACKETS * interval_s
    missing = expected[~(flow.received_s - expected <= LATE_S)]
    steps = np.floor((missing[(missing >= low_s) & (missing < high_s)] - low_s) / step_s)
    return len(np.unique(steps)) * step_s


def _arrivals(flow: ProbeFlow) -> Places:
    """The sequence numbers of what arrived, in order of arrival."""
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
    """One-way delay of the packets sent in a window that arrived, in seconds; None if none did (RFC 7679)."""

    median_s: float | None
    max_s: float | None


def delay(flow: ProbeFlow, begin_s: float, end_s: float) -> Delay:
    """The delay of what was sent from ``begin_s`` until ``end_s``."""
    sent = (flow.sent_s >= begin_s) & (flow.sent_s < end_s) & ~np.isnan(flow.received_s)
    delays = (flow.received_s - flow.sent_s)[sent]
    return Delay(float(np.median(delays)), float(delays.max())) if len(delays) else Delay(None, None)


def late_sends(flow: ProbeFlow, interval_s: float) -> tuple[int, float]:
    """How often the sender itself paused for more than two intervals, and its longest pause in seconds."""
    pauses = np.diff(flow.sent_s)
    return int((pauses > PAUSE_INTERVALS * interval_s).sum()), float(pauses.max(initial=0.0))
