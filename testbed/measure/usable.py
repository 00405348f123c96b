"""What the ways carried before, during and after a fault, and what a packet cost on the wire, from a loads.json.

Beside each what theory says of it (testbed.theory.loads), or why it says nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from testbed import schemes
from testbed.design.trial import Trial
from testbed.errors import TrialError
from testbed.faults import catalogue
from testbed.measure.prediction import predict
from testbed.measure.raw import event_of, find, read_json, read_timeline
from testbed.theory import loads
from testbed.theory.goodput import ETHERNET_OVERHEAD_BYTES
from testbed.theory.wire_cost import frame_octets, shortest_way

#: When the loads were offered.
TIMES = ("before", "during", "after")


def metrics(raw: Path, trial: Trial) -> dict[str, Any]:
    """The metrics (results/README.md) of a loads.json. Errors: TrialError if it is damaged."""
    measured = read_json(raw / "loads.json")
    found: dict[str, Any] = {}
    for time in TIMES:
        try:
            found |= {name.format(time): value for name, value in _of(measured[time], trial).items()}
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise TrialError(f"raw file loads.json is damaged: {error!r} of the loads {time} the fault") from error
    return found


def laws(raw: Path, trial: Trial) -> dict[str, Any]:
    """What theory says of the loads of each time, and why where it says nothing. Errors: TrialError."""
    timeline = read_timeline(raw / "timeline.jsonl")
    begin, end = event_of(timeline, "fault", "begin"), event_of(timeline, "fault", "end")
    answered = find(timeline, "network", "not_aggregated") is None
    payload_bytes = int(read_json(raw / "loads.json")["before"]["full"]["payload_bytes"])
    found: dict[str, Any] = {}
    for time in TIMES:
        expected = _expected(trial, time, begin, end, payload_bytes, answered=answered)
        found |= {
            f"law_usable_{time}_links": None if expected.usable_links is None else round(expected.usable_links, 6),
            f"law_wire_cost_{time}": None if expected.wire_cost is None else round(expected.wire_cost, 6),
            f"why_no_law_{time}": expected.why or None,
        }
    return found


def _expected(
    trial: Trial, time: str, begin: dict[str, Any], end: dict[str, Any], payload_bytes: int, *, answered: bool
) -> loads.Expected:
    """What theory says of the loads of one time. During the fault it does if the technique must have acted by then."""
    topology, side = trial.topology, schemes.chosen(trial.case).side
    whole = loads.expected(topology, side, payload_bytes, answered=answered)
    if time == "before" or whole.usable_links is None:
        return whole
    if time == "after":
        why = loads.back(topology, side)
        return loads.Expected(whole.usable_links, None, why) if why else whole
    fault, parameters = str(begin["fault"]), begin.get("parameters", {})
    down = catalogue.failed(topology, fault, str(begin["element"]), parameters)
    predicted = predict(trial, begin, end, answered=answered)
    if down is None:
        return loads.nothing(predicted.why or "what fails carries a part of its frames, or at times")
    left = loads.expected(topology, side, payload_bytes, answered=answered, down=down.down, silent=down.silent)
    if predicted.bound is None and left.usable_links != 0:
        return loads.nothing(predicted.why or "theory does not say whether the ways that are left are used")
    return left


def _of(load: Any, trial: Trial) -> dict[str, float | None]:
    """The metrics of the loads of one time."""
    topology, light, full = trial.topology, load["light"], load["full"]
    payload_bytes, seconds = int(full["payload_bytes"]), float(full["window_s"])
    frame_bytes = frame_octets(topology, payload_bytes)
    rate_mbps = max(topology.link_of(member).rate_mbps or 0.0 for member in topology.members(topology.client))
    received_mbps = int(full["received"]) * payload_bytes * 8 / seconds / 1e6
    one_copy = int(light["delivered"]) * shortest_way(topology) * frame_bytes
    return {
        "usable_{}_mbps": round(received_mbps, 6),
        "usable_{}_links": round(
            received_mbps / rate_mbps * (frame_bytes + ETHERNET_OVERHEAD_BYTES) / payload_bytes, 6
        ),
        "wire_cost_{}": round(int(light["wire_octets"]) / one_copy, 6) if one_copy else None,
        "delivered_{}_ratio": round(int(light["delivered"]) / int(light["sent"]), 6),
        "duplicated_{}_ratio": round(int(light["duplicated"]) / int(light["sent"]), 6),
    }
