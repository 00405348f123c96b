"""Whether a metric differs between two sets of trials by more than chance, and by enough to matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from testbed import stats
from testbed.results.result import Record, observations

#: The level of significance, after Holm's correction for all tests made.
LEVEL = 0.05
#: A delta below this is negligible (J. Romano et al., 2006, for N. Cliff's delta).
NEGLIGIBLE = 0.147
#: By default, medians or means that differ by less than this part do not matter.
MARGIN = 0.05


@dataclass(frozen=True)
class Judgement:
    """The result for one metric of one case on two sides, such as two runs.

    ``before`` and ``after`` are medians in the metric's unit, or, for a metric that is true or false, the share of
    trials in which it is true. ``word`` is ``same``, ``no difference``, ``too few trials`` (for a test),
    ``negligible`` (below the margin) or ``differs``; ``matters`` holds for the last. ``p`` is corrected for all tests
    of the comparison.
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


#: A case's name, and its records on the first and on the second side.
Pair = tuple[str, Sequence[Record], Sequence[Record]]


def judge(groups: Sequence[Sequence[Pair]], margin: float, *, tests_alone: bool = False) -> list[tuple[Judgement, ...]]:
    """The judgements of each group, one for each metric of each pair; p is corrected for the tests of all groups.

    Two things differ without a test: a metric that is true in every trial of the first side and not of the second, and
    samples that are too small for a test and do not overlap. With ``tests_alone`` they do not differ, and one trial
    never does.
    """
    results = [[found for pair in pairs for found in _of_case(*pair, margin)] for pairs in groups]
    corrected = iter(stats.holm([found.p for own in results for found in own if found.p is not None]))
    return [
        tuple(_judgement(found, None if found.p is None else next(corrected), tests_alone) for found in own)
        for own in results
    ]


@dataclass(frozen=True)
class _Result:
    """A result before the correction: ``large`` is by more than the margin, ``apart`` differs without a test."""

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


def _judgement(found: _Result, p: float | None, tests_alone: bool) -> Judgement:
    # One trial says nothing of how much trials of one case differ among themselves.
    alone = min(found.n) < 2
    unlikely = not alone and ((p is not None and p < LEVEL) or (found.apart and not tests_alone))
    if found.same:
        word = "same"
    elif unlikely:
        word = "differs" if found.large else "negligible"
    else:
        word = "too few trials" if p is None or alone else "no difference"
    shared = found.case, found.metric, found.n, found.before, found.after, found.delta, found.interval
    return Judgement(*shared, p, word, word == "differs")


def _of_case(name: str, first: Sequence[Record], second: Sequence[Record], margin: float) -> list[_Result]:
    found = [_truth(name, "failed", [[r.status == "failed" for r in records] for records in (first, second)])]
    metrics = dict.fromkeys(metric for record in (*first, *second) for metric in record.metrics)
    for metric in metrics:
        raw = [[record.metrics.get(metric) for record in records] for records in (first, second)]
        truths = [[value for value in values if isinstance(value, bool)] for values in raw]
        if all(truths):
            found.append(_truth(name, metric, truths))
        elif not any(truths):
            number = _number(name, metric, first, second, margin)
            found += [number] if number else []
    return found


def _truth(case: str, metric: str, samples: Sequence[Sequence[bool]]) -> _Result:
    """A metric that is true or false in each trial. One that was always as wanted, and no longer is, matters."""
    sizes = len(samples[0]), len(samples[1])
    # True in all trials of one side and in none of the other is the most extreme result with that many trials.
    few = stats.fisher((sizes[0], 0), (0, sizes[1])) >= LEVEL
    counts = [(sum(sample), len(sample) - sum(sample)) for sample in samples]
    shares = [yes / (yes + no) for yes, no in counts]
    good = 0.0 if metric == "failed" else 1.0
    broken = shares[0] == good and shares[1] != good
    same = shares[0] == shares[1]
    apart = broken or (few and abs(shares[1] - shares[0]) == 1)
    p = None if same or few else stats.fisher(*counts)
    return _Result(case, metric, sizes, shares[0], shares[1], None, None, p, same, large=True, apart=apart)


def _number(case: str, metric: str, first: Sequence[Record], second: Sequence[Record], margin: float) -> _Result | None:
    (one, cut1), (other, cut2) = observations(first, metric), observations(second, metric)
    if not one or not other:
        return None
    found = stats.difference(one, other, (cut1, cut2))
    large = (
        _beyond(found.before, found.after, margin)
        or _beyond(math.fsum(one) / len(one), math.fsum(other) / len(other), margin)
    ) and abs(found.delta) >= NEGLIGIBLE
    # With few trials there is no test; samples that do not overlap still differ.
    apart = found.p is None and abs(found.delta) == 1
    return _Result(
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
