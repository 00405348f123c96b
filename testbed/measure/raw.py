"""Reading a trial's timeline, counters and JSON files.

For a measurement a damaged file is an error that names the place, never a value. For a figure (``readable_...``) what
cannot be read is left out: the trial's own record and the report name the damage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed import rawfiles
from testbed.errors import TrialError
from testbed.measure.table import damage, line_error, read_json_lines, readable_json_lines

Event = dict[str, Any]


def read_json(path: Path) -> Any:
    """A raw file in JSON. Errors: TrialError if it is no ordinary file or not JSON, FileNotFoundError if it is not
    there."""
    try:
        return rawfiles.loads(rawfiles.read(path))
    except ValueError as error:
        raise TrialError(f"raw file {path.name} is damaged: {error}") from error


def read_timeline(path: Path) -> list[Event]:
    """The events of a timeline.jsonl in order of time.

    Errors: TrialError naming a damaged line, or one whose time is before that of the line above it.
    """
    events: list[Event] = read_json_lines(path)
    before = -math.inf
    for number, event in enumerate(events, 1):
        try:
            at = float(event["t_s"])
        except (KeyError, TypeError, ValueError) as error:
            raise damage(path, number, f"no time t_s in it ({error!r})") from error
        if at < before:
            raise line_error(path, number, f"the clock went back from {before} to {at} s")
        before = at
    return events


def readable_timeline(path: Path) -> list[Event]:
    """The events of a timeline.jsonl that can be read, in order of time; none if the file is not there."""
    events = [event for event in readable_json_lines(path) if isinstance(event, dict)]
    timed = [event for event in events if isinstance(event.get("t_s"), int | float)]
    return sorted(timed, key=lambda event: float(event["t_s"]))


def fault_windows(events: Sequence[Event]) -> list[tuple[float, float | None, str]]:
    """For each fault: when it began and ended, in seconds (None: it did not end), and its name with its element."""
    found: list[tuple[float, float | None, str]] = []
    for event in events:
        if event.get("source") != "fault":
            continue
        name = f"{event.get('fault')} {event.get('element', '')}".strip()
        if event.get("event") == "begin":
            found.append((float(event["t_s"]), None, name))
            continue
        for place, (begin_s, end_s, other) in enumerate(found):
            if event.get("event") == "end" and other == name and end_s is None:
                found[place] = (begin_s, float(event["t_s"]), name)
                break
    return found


def find(timeline: Sequence[Event], source: str, event: str) -> Event | None:
    """The first event of that name; None if there is none."""
    return next((line for line in timeline if line["source"] == source and line["event"] == event), None)


def event_of(timeline: Sequence[Event], source: str, event: str) -> Event:
    """The first event of that name. Errors: TrialError if there is none."""
    found = find(timeline, source, event)
    if found is None:
        raise TrialError(f"timeline.jsonl lacks the event {source} {event}")
    return found


def controller_trouble(timeline: Sequence[Event]) -> list[str]:
    """A warning for each exception in our controller, each message that a switch refused, each cable in a wrong LAG."""
    return _wrong_cables(timeline) + [
        f"the controller's log has an {event['event']} at {event['t_s']:.3f} s: {event.get('reason') or event}"
        for event in timeline
        if event["source"] == "controller" and event["event"] in ("exception", "error")
    ]


def _wrong_cables(timeline: Sequence[Event]) -> list[str]:
    """The ports whose partner was not their LAG's: by our LACP at the end (testbed.lacp.rivals), or by the switches'
    own once the network had converged."""
    last = {(event["lag"], event["port"]): event["new"] for event in timeline if event.get("machine") == "cabling"}
    told = [event for event in timeline if (event["source"], event["event"]) == ("network", "wrong_cable")]
    last |= {(event["lag"], event["port"]): "WRONG" for event in told}
    return [
        f"port {port} of LAG {lag} leads to another partner than the LAG's other ports: is the cable in a wrong port?"
        for (lag, port), state in last.items()
        if state != "RIGHT"
    ]


def not_aggregated(timeline: Sequence[Event]) -> list[str]:
    """A warning for each host whose bond has no LACP partner, or not for all of its members."""
    return [
        f"the bond of {event['host']} has {_partner(event)}: {event['reason']}"
        for event in timeline
        if (event["source"], event["event"]) == ("network", "not_aggregated")
    ]


def not_reached(timeline: Sequence[Event]) -> set[tuple[str, str]]:
    """The pairs of hosts of which the first did not reach the second before the procedure began."""
    event = find(timeline, "network", "not_reached")
    return set() if event is None else {(str(a), str(b)) for a, b in event["pairs"]}


def _partner(event: Event) -> str:
    carrying = event.get("carrying")
    return f"an LACP partner for {', '.join(carrying)} only" if carrying else "no LACP partner"


def member_deltas(counters: Any, name: str) -> dict[str, int]:
    """How much a counter of each interface grew between ``start`` and ``end`` of a counters.json.

    Errors: TrialError naming an interface that is missing, or whose counter decreased.
    """
    start, end = counters["start"]["interfaces"], counters["end"]["interfaces"]
    found = {}
    for interface, before in start.items():
        after = end.get(interface, {}).get(name)
        if after is None or name not in before or after < before[name]:
            raise TrialError(f"counters.json: {name} of {interface} goes from {before.get(name)} to {after}")
        found[interface] = after - before[name]
    return found
