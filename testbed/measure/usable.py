"""What the ways carried before, during and after a fault, and what a packet cost on the wire, from a loads.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from testbed.design.trial import Trial
from testbed.errors import TrialError
from testbed.measure.raw import read_json
from testbed.theory.goodput import ETHERNET_OVERHEAD_BYTES
from testbed.theory.wire_cost import frame_octets, shortest_way

#: When the loads were offered.
TIMES = ("before", "during", "after")


def metrics(raw: Path, trial: Trial) -> dict[str, Any]:
    """The metrics (results/README.md) of a loads.json. Errors: TrialError if it is damaged."""
    loads = read_json(raw / "loads.json")
    found: dict[str, Any] = {}
    for time in TIMES:
        try:
            found |= {name.format(time): value for name, value in _of(loads[time], trial).items()}
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise TrialError(f"raw file loads.json is damaged: {error!r} of the loads {time} the fault") from error
    return found


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
