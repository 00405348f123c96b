"""When the ends of a link detected each fault of a trial, from its timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Event = dict[str, Any]
#: The kernel's report that the link of a member is down for its bond (IFLA_BOND_SLAVE_MII_STATUS). With downdelay the
#: status is going_down before.
LINK_DOWN = ("mii_status", "down")


def after_each_fault(timeline: Sequence[Event], host: str, change: tuple[str, str] = LINK_DOWN) -> list[float | None]:
    """For each fault, in order: seconds until the bond of ``host`` reported the change (event, new value).

    None if it did not before the fault ended.
    """
    return _first_in_each_fault(
        timeline,
        lambda event: (
            (event["source"], event.get("host")) == ("bond", host) and (event["event"], event.get("new")) == change
        ),
    )


def expired_after_each_fault(timeline: Sequence[Event]) -> list[float | None]:
    """For each fault: seconds until a port's Receive machine in our controller entered EXPIRED (802.1AX, 6.4.12)."""
    return _first_in_each_fault(
        timeline,
        lambda event: (event["source"], event.get("machine"), event.get("new")) == ("lacp", "receive", "EXPIRED"),
    )


def _first_in_each_fault(timeline: Sequence[Event], wanted: Callable[[Event], bool]) -> list[float | None]:
    found: list[float | None] = []
    began_s: float | None = None
    for event in timeline:
        kind = event["source"], event["event"]
        if kind == ("fault", "begin"):
            began_s = event["t_s"]
            found.append(None)
        elif kind == ("fault", "end"):
            began_s = None
        elif began_s is not None and found[-1] is None and wanted(event):
            found[-1] = round(event["t_s"] - began_s, 9)
    return found


def first_taken_out(timeline: Sequence[Event], begin_s: float, end_s: float) -> Event | None:
    """The first report in that time that a host stopped using a member: the kernel's of a bond, by its link's status or
    by LACP; or that of what watches its ways."""
    out = {"mii_status": ("down", "going_down"), "role": ("backup",)}
    return next(
        (
            event
            for event in timeline
            if (lost_way(event) or (event["source"] == "bond" and event["new"] in out.get(event["event"], ())))
            and begin_s <= event["t_s"] <= end_s
        ),
        None,
    )


def lost_way(event: Mapping[str, Any]) -> bool:
    """Whether a BFD session or an OSPF neighbor of a host has gone down (testbed.services.bird_ways)."""
    return (event["source"], event["event"]) in (("bfd", "session"), ("ospf", "neighbor")) and event["new"] == "Down"


def since(start: Event, event: Event | None) -> float | None:
    """Seconds from one event to another; None if there is no other."""
    return None if event is None else round(event["t_s"] - start["t_s"], 9)
