"""The impact of a fault on each flow: outage with its breakdown, reversion, loss and delay.

----- before -----|-------- during --------|---- after ----      delay, by when packets were sent
                fault                    repair
                  |<-- failures            |<-- reversions       outages, by when the first missing packet was due
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from testbed.measure.breakdown import Breakdown, Event, breakdown, marks
from testbed.measure.outage import LATE_PACKET_S, Delay, Outage, ProbeFlow, delay, outage, reordered, reordering_extent
from testbed.spec import Topology


@dataclass(frozen=True)
class FlowImpact:
    """The impact of a fault on one flow; ``lost`` counts from its begin to the end of the trial."""

    name: str
    failure: Outage
    reversion: Outage
    breakdown: Breakdown
    delays: dict[str, Delay]
    duplicated: int
    reordered: int
    reordering_extent: int
    lost: int


def impact(
    flows: Sequence[ProbeFlow],
    interval_s: float,
    window: tuple[float, float],
    timeline: Sequence[Event],
    topology: Topology,
    element: str,
) -> tuple[FlowImpact, ...]:
    """The impact on each flow of the fault on ``element`` that lasted for ``window`` (begin and end in seconds)."""
    begin_s, end_s = window
    last_s = min(float(flow.sent_s[-1]) for flow in flows)
    found = []
    for flow in flows:
        failure = outage(flow, interval_s, begin_s, end_s)
        # The packets lost last before the repair belong to the failure, if only the repair ended it.
        back_s = end_s if failure.recovered else end_s + LATE_PACKET_S
        known = marks(timeline, topology, element, flow.name.partition(">")[0], window)
        windows = {"before": (0.0, begin_s), "during": window, "after": (end_s, last_s)}
        found.append(
            FlowImpact(
                flow.name,
                failure,
                outage(flow, interval_s, back_s, last_s),
                breakdown(failure, known),
                {name: delay(flow, *window) for name, window in windows.items()},
                flow.duplicated,
                reordered(flow),
                reordering_extent(flow),
                outage(flow, interval_s, begin_s, last_s).lost,
            )
        )
    return tuple(found)


def metrics(compared: Sequence[FlowImpact], flows: Sequence[FlowImpact]) -> dict[str, Any]:
    """The metrics (results/README.md): of the worst of ``compared``, of all ``flows`` together, and of each flow."""
    worst = max(compared, key=lambda flow: flow.failure.outage_s)
    back = max(flows, key=lambda flow: flow.reversion.outage_s)
    return {
        **_outage(worst.failure),
        **_parts(worst.breakdown),
        "lost": sum(flow.lost for flow in flows),
        "duplicated": sum(flow.duplicated for flow in flows),
        "reordered": sum(flow.reordered for flow in flows),
        "reordering_extent": max(flow.reordering_extent for flow in flows),
        **_delays(worst.delays),
        "reversion_outage_s": rounded(back.reversion.outage_s),
        "reversion_outage_loss_s": rounded(back.reversion.outage_loss_s),
        "reversion_outage_rate_s": rounded(back.reversion.outage_rate_s),
        "flows": {
            flow.name: {
                **_outage(flow.failure),
                "reversion_outage_s": rounded(flow.reversion.outage_s),
                "lost": flow.lost,
                **_parts(flow.breakdown),
            }
            for flow in flows
        },
    }


def _outage(found: Outage) -> dict[str, Any]:
    return {
        "outage_s": rounded(found.outage_s),
        "outage_loss_s": rounded(found.outage_loss_s),
        "outage_rate_s": rounded(found.outage_rate_s),
        "methods_agree": found.methods_agree,
    }


def _parts(found: Breakdown) -> dict[str, Any]:
    parts = ("detection_s", "decision_s", "programming_s", "forwarding_s")
    return {part: rounded(getattr(found, part)) for part in parts}


def _delays(delays: dict[str, Delay]) -> dict[str, Any]:
    found = {}
    for name, each in delays.items():
        found[f"delay_{name}_s"] = rounded(each.median_s)
        found[f"delay_{name}_max_s"] = rounded(each.max_s)
    return found


def rounded(value: float | None) -> float | None:
    """A time as records hold it: to the nanosecond."""
    return None if value is None else round(value, 9)
