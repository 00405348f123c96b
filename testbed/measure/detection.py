"""When a bond noticed each of many faults, from a trial's timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: The kernel's word that a member's link is down for its bond (IFLA_BOND_SLAVE_MII_STATUS); with downdelay it is
#: going down before.
_DOWN = ("mii_status", "down")


def after_each_fault(timeline: Sequence[dict[str, Any]], host: str) -> list[float | None]:
    """For each fault of the timeline, in order: the time in seconds until a bond of ``host`` has a member down.

    None where that did not happen before the fault ended.
    """
    found: list[float | None] = []
    began_s: float | None = None
    for event in timeline:
        kind = event["source"], event["event"]
        if kind == ("fault", "begin"):
            began_s = event["t_s"]
            found.append(None)
        elif kind == ("fault", "end"):
            began_s = None
        elif (
            began_s is not None
            and found[-1] is None
            and event["source"] == "bond"
            and event.get("host") == host
            and (event["event"], event.get("new")) == _DOWN
        ):
            found[-1] = round(event["t_s"] - began_s, 9)
    return found
