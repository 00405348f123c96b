"""What traffic felt of one fault: for each flow outage, reversion, loss and delay, and what the outage consists of.

----- before -----|-------- during --------|---- after ----      delay, by when packets were sent
                fault                    repair
                  |<-- outages of it       |<-- reversions      by when the first missing packet was due
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from testbed.measure.breakdown import Event, Split, marks, split
from testbed.measure.outage import LATE_S, Delay, Outage, ProbeFlow, delay, outage, reordered, reordering_extent
from testbed.spec import Topology


@dataclass(frozen=True)
class FlowFelt:
    """One flow's share of a fault; ``lost`` since it began."""

    name: str
    failure: Outage
    reversion: Outage
    split: Split
    delays: dict[str, Delay]
    duplicated: int
    reordered: int
    reordering_extent: int
    lost: int


def felt(
    flows: Sequence[ProbeFlow],
    interval_s: float,
    window: tuple[float, float],
    timeline: Sequence[Event],
    topology: Topology,
    element: str,
) -> tuple[FlowFelt, ...]:
    """What each flow felt of the fault on ``element`` that lasted for ``window`` (begin and end in seconds)."""
    begin_s, end_s = window
    last_s = min(float(flow.sent_s[-1]) for flow in flows)
    found = []
    for flow in flows:
        failure = outage(flow, interval_s, begin_s, end_s)
        # What was lost last before the repair belongs to an outage that only the repair ended.
        back_s = end_s if failure.recovered else end_s + LATE_S
        known = marks(timeline, topology, element, flow.name.partition(">")[0], window)
        windows = {"before": (0.0, begin_s), "during": window, "after": (end_s, last_s)}
        found.append(
            FlowFelt(
                flow.name,
                failure,
                outage(flow, interval_s, back_s, last_s),
                split(failure, known),
                {name: delay(flow, *window) for name, window in windows.items()},
                flow.duplicated,
                reordered(flow),
                reordering_extent(flow),
                outage(flow, interval_s, begin_s, last_s).lost,
            )
        )
    return tuple(found)


def metrics(flows: Sequence[FlowFelt]) -> dict[str, Any]:
    """The metrics of all flows together (results/README.md): of the worst flow, or of all; ``flows`` keeps each."""
    worst = max(flows, key=lambda flow: flow.failure.outage_s)
    back = max(flows, key=lambda flow: flow.reversion.outage_s)
    return {
        **_outage(worst.failure),
        **_split(worst.split),
        "lost": sum(flow.lost for flow in flows),
        "duplicated": sum(flow.duplicated for flow in flows),
        "reordered": sum(flow.reordered for flow in flows),
        "reordering_extent": max(flow.reordering_extent for flow in flows),
        **_delays(worst.delays),
        "reversion_outage_s": _rounded(back.reversion.outage_s),
        "reversion_outage_loss_s": _rounded(back.reversion.outage_loss_s),
        "reversion_outage_rate_s": _rounded(back.reversion.outage_rate_s),
        "flows": {
            flow.name: {
                **_outage(flow.failure),
                "reversion_outage_s": _rounded(flow.reversion.outage_s),
                "lost": flow.lost,
                **_split(flow.split),
            }
            for flow in flows
        },
    }


def _outage(found: Outage) -> dict[str, Any]:
    return {
        "outage_s": _rounded(found.outage_s),
        "outage_loss_s": _rounded(found.outage_loss_s),
        "outage_rate_s": _rounded(found.outage_rate_s),
        "methods_agree": found.methods_agree,
    }


def _split(found: Split) -> dict[str, Any]:
    parts = ("detection_s", "decision_s", "programming_s", "forwarding_s")
    return {part: _rounded(getattr(found, part)) for part in parts}


def _delays(delays: dict[str, Delay]) -> dict[str, Any]:
    found = {}
    for name, each in delays.items():
        found[f"delay_{name}_s"] = _rounded(each.median_s)
        found[f"delay_{name}_max_s"] = _rounded(each.max_s)
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
