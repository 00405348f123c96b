"""Errors of the tool itself: they are found in the raw files and reported.

A trial with invalid numbers fails. A trial with numbers that are valid but incomplete or coarse has a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from testbed.errors import TrialError
from testbed.measure.outage import PAUSE_INTERVALS, ProbeFlow, late_sends
from testbed.measure.raw import read_json

#: By how much two readings of one clock may be out of order because of rounding, in seconds.
_CLOCK_S = 1e-5


def check_clock(flows: Sequence[ProbeFlow]) -> None:
    """Errors: TrialError if the clock went back: a packet left before the one ahead of it, or came before it left."""
    for flow in flows:
        steps = np.diff(flow.sent_s)
        if len(steps) and steps.min() < -_CLOCK_S:
            at = int(steps.argmin()) + 1
            raise TrialError(
                f"the clock went back: packet {at} of flow {flow.name} left {-steps.min():.6f} s before packet {at - 1}"
            )
        # A round that took long to send is noted with its end (observe.probe): it began after the round before it.
        began = np.concatenate(([-np.inf], flow.sent_s[:-1]))
        delays = flow.received_s - flow.sent_s
        early = np.flatnonzero(flow.received_s - began < -_CLOCK_S)
        if len(early):
            at = int(early[0])
            raise TrialError(
                f"the clock went back: packet {at} of flow {flow.name} arrived {-delays[at]:.6f} s before it left"
            )


def check_probe(path: Path, flows: Sequence[ProbeFlow]) -> list[str]:
    """Warnings from the probe.json that belongs to the probe.csv of these ``flows``.

    Errors: TrialError if the receiver's queue lost packets, or the file is damaged or about other flows.
    """
    about = read_json(path)
    try:
        dropped = {entry["flow"]: int(entry["receiver_dropped"]) for entry in about["flows"]}
        interval_s, due_s, ended_s = (float(about[key]) for key in ("interval_s", "due_s", "ended_s"))
    except (KeyError, TypeError, ValueError) as error:
        raise TrialError(f"raw file {path.name} is damaged: {error!r}") from None
    if sorted(dropped) != sorted(flow.name for flow in flows):
        raise TrialError(
            f"raw file {path.name} has the flows {', '.join(dropped)}; the packets are of"
            f" {', '.join(flow.name for flow in flows)}"
        )
    warnings = []
    for flow in flows:
        if dropped[flow.name]:
            raise TrialError(
                f"the receiver of flow {flow.name} had no room for {dropped[flow.name]} packets:"
                " the probe lost them, not the network"
            )
        if ended_s - float(flow.sent_s[-1]) > PAUSE_INTERVALS * interval_s:
            silent_ms = (ended_s - float(flow.sent_s[-1])) * 1e3
            warnings.append(f"the probe's sender of {flow.name} sent nothing in its last {silent_ms:.1f} ms")
        warnings += _paused(flow, interval_s, due_s)
    return warnings


def _paused(flow: ProbeFlow, interval_s: float, due_s: float) -> list[str]:
    count, longest_s = late_sends(flow, interval_s)
    if not count:
        return []
    late_s = flow.sent_s - (due_s + np.arange(len(flow.sent_s)) * interval_s)
    return [
        f"the probe's sender of {flow.name} paused {count} times, up to {longest_s * 1e3:.1f} ms, and was up to"
        f" {late_s.max() * 1e3:.1f} ms late: shorter outages cannot be measured"
    ]


def unseen(timeline: Sequence[Mapping[str, Any]]) -> list[str]:
    """A warning for each link on which some frames were not seen: its events may be incomplete."""
    return [
        f"{event['frames']} frames on {event['interface']} were not seen: its events may be incomplete"
        for event in timeline
        if (event["source"], event["event"]) == ("wire", "unseen")
    ]
