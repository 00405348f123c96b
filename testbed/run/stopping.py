"""When a run has repetitions enough: once the median of its primary metric is known well in every case."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from testbed import stats
from testbed.experiment.plan import Until
from testbed.results.result import Run, observations


def half_widths(run: Run, metric: str) -> list[float]:
    """Of each case half the 95 % interval of the metric's median over that median; infinite if it has none."""
    found = []
    for _, records in run.cases():
        values, censored = observations(records, metric)
        summary = stats.summary(values, censored=censored)
        found.append(summary.half_width if summary else math.inf)
    return found


def next_repetitions(run: Run, until: Until) -> int | None:
    """How many repetitions the run needs in all, as far as can be told now; None if it has enough, or the most."""
    now = int(run.manifest["repetitions"])
    if now >= until.most or (run.records and max(half_widths(run, until.metric)) <= until.relative):
        return None
    # Half as many again: few looks at the data, and at most half of the trials more than were needed.
    return min(max(now + 1, math.ceil(now * 1.5), stats.LEAST_FOR_INTERVAL), until.most)


def outcome(run: Run, until: Until) -> dict[str, Any]:
    """What run.json says of it: what was asked, and what came of it."""
    widest = max(half_widths(run, until.metric), default=math.inf)
    reached = widest <= until.relative
    return {**asdict(until), "widest": round(widest, 6) if math.isfinite(widest) else None, "reached": reached}
