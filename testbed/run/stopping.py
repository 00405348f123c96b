"""When a run has enough repetitions: once the median of its primary metric is precise enough in every case."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from testbed import stats
from testbed.experiment.plan import Until
from testbed.results.result import Run, observations


def half_widths(run: Run, metric: str) -> list[float]:
    """For each case, half the width of the 95 % interval of the metric's median, relative to the median.

    Infinite where there is no interval.
    """
    found = []
    for _, records in run.cases():
        values, censored = observations(records, metric)
        summary = stats.summary(values, censored=censored)
        found.append(summary.half_width if summary else math.inf)
    return found


def next_repetitions(run: Run, until: Until) -> int | None:
    """How many repetitions the run needs in all, estimated from the trials so far; None if it needs no more.

    It needs no more with ``until.most`` repetitions either.
    """
    now = int(run.manifest["repetitions"])
    if now >= until.most or (run.records and max(half_widths(run, until.metric)) <= until.relative):
        return None
    # Half as many again: the data is tested only a few times, and at most half more trials than needed are run.
    return min(max(now + 1, math.ceil(now * 1.5), stats.LEAST_FOR_INTERVAL), until.most)


def outcome(run: Run, until: Until) -> dict[str, Any]:
    """What run.json says about it: the request, the widest interval, and whether the precision was reached."""
    widest = max(half_widths(run, until.metric), default=math.inf)
    reached = widest <= until.relative
    return {**asdict(until), "widest": round(widest, 6) if math.isfinite(widest) else None, "reached": reached}
