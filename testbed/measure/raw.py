"""Reading raw files. A damaged one is an error that names the place, never a value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.errors import TrialError


def read_json(path: Path) -> Any:
    """A raw file in JSON. Errors: TrialError if it is not JSON, FileNotFoundError if it is not there."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise TrialError(f"raw file {path.name} is damaged: {error}") from error


def read_timeline(path: Path) -> list[dict[str, Any]]:
    """The events of a timeline.jsonl in order of time.

    Errors: TrialError naming a damaged line, or one whose time lies before that of the line ahead of it.
    """
    text = path.read_text()
    if text and not text.endswith("\n"):
        raise TrialError(f"raw file {path.name} is damaged in line {len(text.splitlines())}: it is cut off")
    events: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            events.append(json.loads(line))
            at = float(events[-1]["t_s"])
        except (ValueError, TypeError, KeyError) as error:
            raise TrialError(f"raw file {path.name} is damaged in line {number}: {error}") from error
        if len(events) > 1 and at < events[-2]["t_s"]:
            raise TrialError(
                f"raw file {path.name}, line {number}: the clock went back from {events[-2]['t_s']} to {at} s"
            )
    return events


def find(timeline: Sequence[dict[str, Any]], source: str, event: str) -> dict[str, Any] | None:
    """The first event of that name; None if there is none."""
    return next((line for line in timeline if line["source"] == source and line["event"] == event), None)


def event_of(timeline: Sequence[dict[str, Any]], source: str, event: str) -> dict[str, Any]:
    """The first event of that name. Errors: TrialError if there is none."""
    found = find(timeline, source, event)
    if found is None:
        raise TrialError(f"timeline.jsonl lacks the event {source} {event}")
    return found


def controller_trouble(timeline: Sequence[dict[str, Any]]) -> list[str]:
    """A warning for each exception in our controller, and for each message that a switch refused."""
    return [
        f"the controller's log has an {event['event']} at {event['t_s']:.3f} s: {event.get('reason') or event}"
        for event in timeline
        if event["source"] == "controller" and event["event"] in ("exception", "error")
    ]


def not_aggregated(timeline: Sequence[dict[str, Any]]) -> list[str]:
    """A warning for each host whose bond could not do what its mode asks for, because nobody answered its LACP."""
    return [
        f"the bond of {event['host']} has no LACP partner: {event['reason']}"
        for event in timeline
        if (event["source"], event["event"]) == ("network", "not_aggregated")
    ]


def member_deltas(counters: Any, name: str) -> dict[str, int]:
    """What a counter of each interface grew by between ``start`` and ``end`` of a counters.json.

    Errors: TrialError naming an interface that is missing, or whose counter shrank.
    """
    start, end = counters["start"]["interfaces"], counters["end"]["interfaces"]
    found = {}
    for interface, before in start.items():
        after = end.get(interface, {}).get(name)
        if after is None or name not in before or after < before[name]:
            raise TrialError(f"counters.json: {name} of {interface} goes from {before.get(name)} to {after}")
        found[interface] = after - before[name]
    return found
