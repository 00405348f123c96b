"""Whether what two sets of trials of a case measured differs by more than chance, and by enough to matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from testbed import stats
from testbed.results.result import Record, observations

#: A difference counts if chance makes one like it less often than this, after Holm's correction for all tests made.
LEVEL = 0.05
#: A delta below this is negligible (J. Romano et al., 2006, for N. Cliff's delta).
NEGLIGIBLE = 0.147
#: By default medians or means that differ by less than this part of them do not matter.
MARGIN = 0.05


@dataclass(frozen=True)
class Judgement:
    """One metric of one case on both sides, such as in two runs.

    ``before`` and ``after`` are medians in the metric's unit, or shares of trials where it is true or false; ``word``
    is ``same``, ``no difference``, ``too few trials`` (to tell chance from effect), ``negligible`` or ``differs``;
    ``matters`` is that it differs. ``p`` is corrected for all tests of the comparison.
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


#: A case's name, and its records on the one side and on the other.
Pair = tuple[str, Sequence[Record], Sequence[Record]]


def judge(groups: Sequence[Sequence[Pair]], margin: float, *, tests_alone: bool = False) -> list[tuple[Judgement, ...]]:
    """What each metric of each pair says, group by group; corrected for the tests of all groups together.

    Unless ``tests_alone``, two things differ without a test: a statement that held always on the first side and does
    not on the second, and samples too small for a test that do not overlap.
    """
    drafts = [[draft for pair in pairs for draft in _of_case(*pair, margin)] for pairs in groups]
    corrected = iter(stats.holm([draft.p for own in drafts for draft in own if draft.p is not None]))
    return [
        tuple(_judged(draft, None if draft.p is None else next(corrected), tests_alone) for draft in own)
        for own in drafts
    ]


@dataclass(frozen=True)
class _Draft:
    """A judgement before the correction: ``large`` is by more than the margin, ``apart`` without a test."""

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


def _judged(draft: _Draft, p: float | None, tests_alone: bool) -> Judgement:
    unlikely = (p is not None and p < LEVEL) or (draft.apart and not tests_alone)
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
    sizes = len(samples[0]), len(samples[1])
    # All of the one and none of the other is the rarest that chance can do with so many trials.
    few = stats.fisher((sizes[0], 0), (0, sizes[1])) >= LEVEL
    counts = [(sum(sample), len(sample) - sum(sample)) for sample in samples]
    shares = [yes / (yes + no) for yes, no in counts]
    good = 0.0 if metric == "failed" else 1.0
    broken = shares[0] == good and shares[1] != good
    same = shares[0] == shares[1]
    apart = broken or (few and abs(shares[1] - shares[0]) == 1)
    p = None if same or few else stats.fisher(*counts)
    return _Draft(case, metric, sizes, shares[0], shares[1], None, None, p, same, large=True, apart=apart)


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
