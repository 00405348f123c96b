"""The spread of the trials of each case: quartiles, extremes, and percentiles where there are enough trials."""

from __future__ import annotations

from collections.abc import Sequence

from testbed import stats
from testbed.report.tables import factor_names, listed, number
from testbed.results.result import Record, Run, observations

#: The metrics, each with its name in the table, its unit there, and the factor to that unit. Of a metric that is a
#: list, every entry counts.
_METRICS = {
    "outage_s": ("outage", "ms", 1e3),
    "stall_s": ("stall", "ms", 1e3),
    "detections_s": ("detection", "ms", 1e3),
    "goodput_mbps": ("goodput", "Mbit/s", 1.0),
}
_PERCENTILES = (95.0, 99.0)
#: Fewer values than these get no row.
_LEAST = 4


def spread_rows(run: Run) -> tuple[list[str], list[list[str]]]:
    """The table: its header, and a row of text for each case and metric with enough values; there may be no row."""
    names = factor_names(run)
    percentiles = [f"{percent:g}th" for percent in _PERCENTILES]
    header = [*names, "of", "n", "least", "1st quartile", "median", "3rd quartile", *percentiles, "most"]
    rows = []
    for case, records in run.cases():
        for metric, (name, unit, scale) in _METRICS.items():
            values, censored = _values(records, metric)
            found = stats.summary(values, censored=censored)
            if found is None or found.n < _LEAST:
                continue
            beyond = [stats.percentile(values, percent, censored) for percent in _PERCENTILES]
            shown = [found.least, found.quartile1, found.median, found.quartile3, *beyond, found.most]
            levels = [str(case.get(factor, "-")) for factor in names]
            count = f"{found.n}" + (f" ({found.censored} censored)" if found.censored else "")
            texts = ["-" if value is None else number(value, "{:.1f}", scale) for value in shown]
            rows.append([*levels, f"{name}, {unit}", count, *texts])
    return header, rows


def _values(records: Sequence[Record], metric: str) -> tuple[list[float], list[bool]]:
    values, censored = observations(records, metric)
    if not values:
        values = [value for value in listed(records, metric) if value is not None]
        censored = [False] * len(values)
    return values, censored
