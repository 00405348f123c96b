"""Two runs side by side: what was done differently, and whether what came out differs by more than chance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from testbed import stats
from testbed.errors import SpecError
from testbed.result import Record, Run, observations

#: A difference counts if chance makes one like it less often than this, after Holm's correction for all tests made.
LEVEL = 0.05
#: A delta below this is negligible (J. Romano et al., 2006, for N. Cliff's delta).
NEGLIGIBLE = 0.147
#: By default medians or means that differ by less than this part of them do not matter.
MARGIN = 0.05

#: Keys of run.json that say how a run was made. What else is in it is text, or follows from these.
_KEYS = ("experiment", "topology", "factors", "repetitions", "seed", "backend", "clock", "commit", "kernel", "tools")


@dataclass(frozen=True)
class Change:
    """A key of run.json that differs."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Judgement:
    """One metric of one case in both runs.

    ``before`` and ``after`` are medians in the metric's unit, or shares of trials where it is true or false; ``word``
    is ``same``, ``no difference``, ``too few trials`` (to tell chance from effect), ``negligible`` or ``differs``;
    ``matters`` is what the exit code goes by. ``p`` is corrected for all tests of the comparison.
    """

    case: str
    metric: str
    n: tuple[int, int]
    before: float
    after: float
    delta: float | None
    interval: tuple[float, float] | None
    p: float | None
    word: str
    matters: bool


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
    drafts = [
        draft for key in shared for draft in _of_case(_name(json.loads(key)), cases[0][key], cases[1][key], margin)
    ]
    corrected = iter(stats.holm([draft.p for draft in drafts if draft.p is not None]))
    judged = tuple(_judged(draft, None if draft.p is None else next(corrected)) for draft in drafts)
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


@dataclass(frozen=True)
class _Draft:
    """A judgement before the correction: ``large`` is by more than the margin, ``apart`` holds even for few trials."""

    case: str
    metric: str
    n: tuple[int, int]
    before: float
    after: float
    delta: float | None
    interval: tuple[float, float] | None
    p: float | None
    same: bool
    large: bool
    apart: bool


def _judged(draft: _Draft, p: float | None) -> Judgement:
    unlikely = draft.apart if p is None else p < LEVEL or draft.apart
    if draft.same:
        word = "same"
    elif unlikely:
        word = "differs" if draft.large else "negligible"
    else:
        word = "too few trials" if p is None else "no difference"
    shared = draft.case, draft.metric, draft.n, draft.before, draft.after, draft.delta, draft.interval
    return Judgement(*shared, p, word, word == "differs")


def _of_case(name: str, first: Sequence[Record], second: Sequence[Record], margin: float) -> list[_Draft]:
    found = [_truth(name, "failed", [[r.status == "failed" for r in records] for records in (first, second)])]
    metrics = dict.fromkeys(metric for record in (*first, *second) for metric in record.metrics)
    for metric in metrics:
        raw = [[record.metrics.get(metric) for record in records] for records in (first, second)]
        truths = [[value for value in values if isinstance(value, bool)] for values in raw]
        if all(truths):
            found.append(_truth(name, metric, truths))
        elif not any(truths):
            draft = _number(name, metric, first, second, margin)
            found += [draft] if draft else []
    return found


def _truth(case: str, metric: str, samples: Sequence[Sequence[bool]]) -> _Draft:
    """A statement that is true or false of each trial. One that held always and does not any more matters."""
    counts = [(sum(sample), len(sample) - sum(sample)) for sample in samples]
    shares = [yes / (yes + no) for yes, no in counts]
    good = 0.0 if metric == "failed" else 1.0
    broken = shares[0] == good and shares[1] != good
    same = shares[0] == shares[1]
    p = None if same else stats.fisher(*counts)
    sizes = len(samples[0]), len(samples[1])
    return _Draft(case, metric, sizes, shares[0], shares[1], None, None, p, same, large=True, apart=broken)


def _number(case: str, metric: str, first: Sequence[Record], second: Sequence[Record], margin: float) -> _Draft | None:
    (one, cut1), (other, cut2) = observations(first, metric), observations(second, metric)
    if not one or not other:
        return None
    found = stats.difference(one, other, (cut1, cut2))
    large = (
        _beyond(found.before, found.after, margin)
        or _beyond(math.fsum(one) / len(one), math.fsum(other) / len(other), margin)
    ) and abs(found.delta) >= NEGLIGIBLE
    # With few trials no test can tell; samples that do not even touch are told apart all the same.
    apart = found.p is None and abs(found.delta) == 1
    return _Draft(
        case,
        metric,
        (len(one), len(other)),
        found.before,
        found.after,
        found.delta,
        found.interval,
        None if found.identical else found.p,
        found.identical,
        large,
        apart,
    )


def _beyond(before: float, after: float, margin: float) -> bool:
    if before == after:
        return False
    if not math.isfinite(before) or not math.isfinite(after):
        return True
    return abs(after - before) > margin * max(abs(before), abs(after))
