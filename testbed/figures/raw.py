"""What figures of one trial read of its raw files. What cannot be read is left out: the report tells of damage."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Mapping
from typing import Any

from testbed.results.result import Record, Run


def timeline(run: Run, record: Record) -> list[dict[str, Any]]:
    """The events of a trial in order of time; none if the file is not there."""
    events = []
    with contextlib.suppress(OSError):
        for line in (run.path / record.raw / "timeline.jsonl").read_text().splitlines():
            with contextlib.suppress(ValueError):
                events.append(json.loads(line))
    return sorted((event for event in events if "t_s" in event), key=lambda event: float(event["t_s"]))


def faults(events: list[dict[str, Any]]) -> list[tuple[float, float | None, str]]:
    """Each fault: when it began, when it ended (None: not before the trial did), and its name with its element."""
    found: list[tuple[float, float | None, str]] = []
    for event in events:
        if event.get("source") != "fault":
            continue
        name = f"{event.get('fault')} {event.get('element', '')}".strip()
        if event.get("event") == "begin":
            found.append((float(event["t_s"]), None, name))
            continue
        for place, (began_s, ended_s, other) in enumerate(found):
            if event.get("event") == "end" and other == name and ended_s is None:
                found[place] = (began_s, float(event["t_s"]), name)
                break
    return found


def rows(run: Run, record: Record, name: str) -> list[Mapping[str, str]]:
    """The rows of a CSV file of a trial; none if it is not there."""
    path = run.path / record.raw / name
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
