"""What the ways carried before, during and after a fault, and what a packet cost on the wire, from a loads.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.design.trial import Trial
from testbed.errors import TrialError
from testbed.measure.raw import read_json
from testbed.theory.goodput import ETHERNET_HEADER_BYTES, ETHERNET_OVERHEAD_BYTES, IP_HEADER_BYTES, UDP_HEADER_BYTES
from testbed.theory.wire_cost import one_copy_octets

#: When the loads were offered.
TIMES = ("before", "during", "after")


def metrics(raw: Path, trial: Trial, payload_bytes: int) -> dict[str, Any]:
    """The metrics (results/README.md) of a loads.json. Errors: TrialError if it is damaged."""
    loads = read_json(raw / "loads.json")
    found: dict[str, Any] = {}
    for time in TIMES:
        try:
            light, full = loads[time]["light"], loads[time]["full"]
            mbps = int(full["received"]) * payload_bytes * 8 / float(full["seconds"]) / 1e6
            found[f"usable_{time}_mbps"] = round(mbps, 6)
            found[f"usable_{time}_links"] = round(mbps / _link_mbps(trial, payload_bytes), 6)
            found[f"wire_cost_{time}"] = _cost(trial, light, payload_bytes)
            found[f"delivered_{time}_ratio"] = round(int(light["delivered"]) / int(light["sent"]), 6)
            found[f"duplicated_{time}_ratio"] = round(int(light["duplicated"]) / int(light["sent"]), 6)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise TrialError(f"raw file loads.json is damaged: {error!r} of the loads {time} the fault") from error
    return found


def _cost(trial: Trial, light: Mapping[str, Any], payload_bytes: int) -> float | None:
    """The octets on all links for each that one copy of what was delivered needs; None if nothing was."""
    needed = int(light["delivered"]) * one_copy_octets(trial.topology, payload_bytes)
    return round(int(light["wire_octets"]) / needed, 6) if needed else None


def _link_mbps(trial: Trial, payload_bytes: int) -> float:
    """What one link of the client carries of packets of this payload."""
    topology = trial.topology
    host = topology.host(topology.client)
    headers = UDP_HEADER_BYTES + IP_HEADER_BYTES[host.ip_version] + ETHERNET_HEADER_BYTES + ETHERNET_OVERHEAD_BYTES
    rate_mbps = max(topology.link_of(member).rate_mbps or 0.0 for member in topology.members(topology.client))
    return rate_mbps * payload_bytes / (payload_bytes + headers)
