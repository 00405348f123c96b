"""Two runs side by side: what was done differently, and whether what came out differs by more than chance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from testbed.errors import SpecError
from testbed.judgement import MARGIN, Judgement, judge
from testbed.result import Record, Run

#: Keys of run.json that say how a run was made. What else is in it is text, or follows from these.
_KEYS = ("experiment", "topology", "factors", "repetitions", "seed", "backend", "clock", "commit", "kernel", "tools")


@dataclass(frozen=True)
class Change:
    """A key of run.json that differs."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Comparison:
    """What changed, the judgements on shared cases, and the cases that only one run has."""

    changes: tuple[Change, ...]
    judgements: tuple[Judgement, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def matters(self) -> bool:
        """Whether anything differs by more than chance and by more than the margin."""
        return any(judgement.matters for judgement in self.judgements)

    def as_json(self) -> dict[str, Any]:
        """For programs. What is infinite (a median beyond what was seen) is the word ``inf``."""
        found: dict[str, Any] = json.loads(json.dumps(_finite({**asdict(self), "matters": self.matters})))
        return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def compare(before: Run, after: Run, margin: float = MARGIN) -> Comparison:
    """The second run against the first. Errors: SpecError if they share no case."""
    names = _told_apart(before, after)
    cases = [_cases(run, names) for run in (before, after)]
    shared = [key for key in cases[0] if key in cases[1]]
    if not shared:
        raise SpecError(
            f"{before.path} and {after.path} share no case: nothing can be compared",
            "Compare runs of one experiment with levels in common.",
        )
    pairs = [(_name(json.loads(key)), cases[0][key], cases[1][key]) for key in shared]
    (judged,) = judge([pairs], margin)
    only = [tuple(_name(json.loads(key)) for key in own if key not in other) for own, other in (cases, reversed(cases))]
    return Comparison(tuple(changes(before.manifest, after.manifest)), judged, only[0], only[1])


def _cases(run: Run, names: Sequence[str]) -> dict[str, list[Record]]:
    """The records of each case, which goes by the factors of those ``names``."""
    found: dict[str, list[Record]] = {}
    for record in run.records:
        found.setdefault(json.dumps({name: record.case.get(name) for name in names}), []).append(record)
    return found


def _told_apart(*runs: Run) -> list[str]:
    """The factors by which cases go: those with more than one level in a run.

    A factor that has one level in each run, another in each perhaps, is what the comparison is about.
    """
    levels: list[dict[str, set[str]]] = [{}, {}]
    for own, run in zip(levels, runs, strict=True):
        for record in run.records:
            for name, level in record.case.items():
                own.setdefault(name, set()).add(repr(level))
    return [name for name in levels[0] if any(len(own.get(name, ())) > 1 for own in levels)] + [
        name for name in levels[1] if name not in levels[0] and len(levels[1][name]) > 1
    ]


def _name(case: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {level}" for name, level in case.items()) or "all trials"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What of two manifests differs in how the runs were made; of mappings, such as the tools, key by key."""
    found = []
    for key in _KEYS:
        was, now = before.get(key), after.get(key)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            names = dict.fromkeys([*was, *now])
            pairs = [(n, was.get(n), now.get(n)) for n in names if _unordered(was.get(n)) != _unordered(now.get(n))]
            found += [Change(f"{key}.{n}", old, new) for n, old, new in pairs]
        elif was != now:
            found.append(Change(key, was, now))
    return found


def _unordered(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, list) else value  # the levels of a factor
