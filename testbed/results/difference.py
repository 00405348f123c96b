"""Where two executions of one trial differ: the first file, line and instant, and what happened last before. Pure.

raw files, trial by trial --> those that differ --> the earliest line by the trial's clock --> the last common event
run.json                  --> the inputs that differ: code, kernel, runtime image, tools, machine
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testbed import rawfiles
from testbed.errors import TrialError
from testbed.results import checksums
from testbed.results.result import Record

#: The keys of run.json that hold what a trial's bytes depend on, and the machine, on which they must not depend.
INPUTS = (
    *("code", "commit", "user_code", "user_topology", "kernel", "runtime", "digests", "tools", "backend", "clock"),
    "machine",
)
#: Raw files that hold what a trial was given: a difference there comes before all others.
_GIVEN = ("trial.json", "clocks.json")
#: The columns and keys that hold a line's time on the trial's clock, in seconds: the first that a line has counts.
_TIMES = ("t_s", "received_s", "sent_s", "last_s", "first_s")
#: Files with an event a line; the others hold samples or packets, of which there always is one just before.
_EVENTS = ("timeline.jsonl", "controller.log", "wire.csv", "phase.log")
_PHASE = re.compile(r"\(at ([0-9.]+) s of the trial's clock\)$")


@dataclass(frozen=True)
class Line:
    """A line of a raw file, with its number from 1 and, where it has one, its time on the trial's clock."""

    file: str
    number: int
    text: str
    t_s: float | None = None

    def __str__(self) -> str:
        when = "" if self.t_s is None else f" (at {self.t_s:.9g} s)"
        return f"{rawfiles.shown_name(self.file)} line {self.number}{when}: {rawfiles.printable(self.text)}"


#: A line of either execution; None where it has no such line.
Pair = tuple[Line | None, Line | None]


@dataclass(frozen=True)
class Difference:
    """How the second execution of a trial differs from the first.

    ``files`` are all that differ, each with the reason. ``before`` and ``after`` are the first line that differs, in
    either execution; None: it has no such line. ``common`` is the last event before that both have.
    """

    trial: int
    files: Mapping[str, str]
    before: Line | None
    after: Line | None
    common: Line | None

    def sentences(self) -> list[str]:
        """What a person reads."""
        files = ", ".join(f"{rawfiles.shown_name(name)} ({why})" for name, why in self.files.items())
        found = [f"trial {self.trial} differs in {files}"]
        found.append(f"  first, the run has:  {self.before or 'nothing there'}")
        found.append(f"  and the repetition:  {self.after or 'nothing there'}")
        if self.common:
            found.append(f"  last common event:   {self.common}")
        return found


def of_trial(first: Path, second: Path, before: Record, after: Record) -> Difference | None:
    """The difference of two executions of a trial: their runs' directories and records; None if there is none.

    Every raw file counts, and of the record all but `wall_s`.
    """
    places = first / before.raw, second / after.raw
    names = sorted({name for place in places for name in rawfiles.names(place)})
    files = {name: why for name in names if name != checksums.NAME and (why := _why(*places, name))}
    found: list[Pair] = [_first(*(_Text.of(place, name) for place in places)) for name in files]
    found = sorted((pair for pair in found if any(pair)), key=lambda pair: min(map(_order, filter(None, pair))))
    keys = [key for key in asdict(before) if key != "wall_s" and asdict(before)[key] != asdict(after)[key]]
    if keys:
        files["trials.jsonl"] = ", ".join(keys)
        found.append(_of_record(before, after, keys[0]))
    if not found:
        return Difference(before.number, files, None, None, None) if files else None
    was, now = found[0]
    lines = [line for line in (was, now) if line is not None]
    at_s = min((line.t_s for line in lines if line.t_s is not None), default=math.inf)
    common = None if lines[0].file in _GIVEN else _common(*places, at_s)
    return Difference(before.number, files, was, now, common)


def of_inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs in the inputs of two runs, by their run.json, a sentence each."""
    found = []
    for key in INPUTS:
        was, now = before.get(key), after.get(key)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            found += [
                f"{key}.{name}: {_brief(was.get(name))} -> {_brief(now.get(name))}"
                for name in sorted({*was, *now})
                if was.get(name) != now.get(name)
            ]
        elif was != now:
            found.append(f"{key}: {_brief(was)} -> {_brief(now)}")
    return found


def _brief(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _why(before: Path, after: Path, name: str) -> str:
    """Why a raw file differs in two directories; empty if it does not."""
    if not rawfiles.exists(before, name):
        return "only in the repetition"
    if not rawfiles.exists(after, name):
        return "only in the run"
    was, now = checksums.entry(before, name), checksums.entry(after, name)
    if was == now:
        return ""
    return "other bytes" if was["bytes"] == now["bytes"] else f"{was['bytes']} and {now['bytes']} octets"


@dataclass(frozen=True)
class _Text:
    """A raw file as lines; none if it is not there."""

    lines: tuple[Line, ...]

    @classmethod
    def of(cls, place: Path, name: str) -> _Text:
        texts = _lines(place / name)
        times = _times(place, name, texts)
        return cls(tuple(Line(name, at, text, times[at - 1]) for at, text in enumerate(texts, 1)))


def _lines(path: Path) -> list[str]:
    """The lines of a raw file; none if it is not there, or is no ordinary file."""
    try:
        return rawfiles.read_text(path, errors="backslashreplace").splitlines()
    except (FileNotFoundError, TrialError):
        return []


def _times(place: Path, name: str, texts: Sequence[str]) -> list[float | None]:
    """The time of each line on the trial's clock, where it has one."""
    if name.endswith(".csv") and texts:
        header = texts[0].split(",")
        return [None, *(_time(dict(zip(header, row, strict=False))) for row in csv.reader(texts[1:]))]
    if name == "controller.log":
        return [None if at is None else at - _begin(place) for at in (_time(_json(text), ("time",)) for text in texts)]
    if name.endswith(".jsonl"):
        return [_time(_json(text)) for text in texts]
    if name == "phase.log":
        return [float(found[1]) if (found := _PHASE.search(text)) else None for text in texts]
    return [None] * len(texts)


def _json(text: str) -> Mapping[str, Any]:
    try:
        found = rawfiles.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _time(fields: Mapping[str, Any], keys: Sequence[str] = _TIMES) -> float | None:
    for key in keys:
        try:
            return float(fields[key])
        except (KeyError, TypeError, ValueError):
            continue
    return None


def _begin(place: Path) -> float:
    """When the trial began, on the clock of the controller's log: the timeline has its events on the trial's clock."""
    logged, known = (
        _controller_time(place / "controller.log", "time"),
        _controller_time(place / "timeline.jsonl", "t_s"),
    )
    return 0.0 if logged is None or known is None else logged - known


def _controller_time(path: Path, key: str) -> float | None:
    """The time of the controller's first event in a file of events."""
    events = (event for text in _lines(path) if (event := _json(text)).get("source") == "controller")
    return next((at for event in events if (at := _time(event, (key,))) is not None), None)


def _first(before: _Text, after: _Text) -> Pair:
    """The earliest line that only the first of two files has, and the earliest that only the second has."""
    extra = _only(before, after), _only(after, before)
    if any(extra):
        was, now = (min(lines, key=_order) if lines else None for lines in extra)
        return was, now
    # The same lines in another order, or the same with other ends of lines.
    pairs = zip(before.lines, after.lines, strict=True)
    ends = [text.lines[-1] if text.lines else None for text in (before, after)]
    return next(((was, now) for was, now in pairs if was.text != now.text), (ends[0], ends[1]))


def _only(mine: _Text, other: _Text) -> list[Line]:
    """The lines of a file that another does not have, or not as often."""
    left = Counter(line.text for line in other.lines)
    found = []
    for line in mine.lines:
        if left[line.text] > 0:
            left[line.text] -= 1
        else:
            found.append(line)
    return found


def _order(line: Line) -> tuple[bool, float, str, int]:
    """What a trial was given comes first, then what has a time, by it, then the rest."""
    at_s = math.inf if line.t_s is None else line.t_s
    return line.file not in _GIVEN, at_s, line.file, line.number


def _common(first: Path, second: Path, at_s: float) -> Line | None:
    """The last event before ``at_s`` that both executions have."""
    found = []
    for name in _EVENTS:
        before, after = _Text.of(first, name), _Text.of(second, name)
        extra = {line.number for line in _only(before, after)}
        earlier = (line for line in before.lines if line.t_s is not None and line.t_s < at_s)
        found += [line for line in earlier if line.number not in extra]
    return max(found, key=lambda line: (line.t_s or 0.0, line.number), default=None)


def _of_record(before: Record, after: Record, key: str) -> tuple[Line, Line]:
    """The first value of two records that differs: of the metrics, the first of these."""
    values = asdict(before)[key], asdict(after)[key]
    if isinstance(values[0], dict) and isinstance(values[1], dict):
        was, now = values
        inner = next(name for name in (*was, *now) if was.get(name) != now.get(name))
        key, values = f"{key}.{inner}", (was.get(inner), now.get(inner))
    return (
        Line("trials.jsonl", before.number, f"{key} {json.dumps(values[0])}"),
        Line("trials.jsonl", after.number, f"{key} {json.dumps(values[1])}"),
    )
