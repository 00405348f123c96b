"""The table of a run's cases: the summary of each case's trials, as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from testbed import stats
from testbed.results.result import Record, Run, observations, quantities


@dataclass(frozen=True)
class Column:
    """A column of the table, shown if a trial has the metric; ``text`` makes a case's cell from its trials."""

    metric: str
    heading: str
    text: Callable[[Sequence[Record]], str]


def number(value: float, form: str, scale: float) -> str:
    """A value as text; ``beyond`` if it is infinite, which means above every observed value."""
    return "beyond" if math.isinf(value) else form.format(value * scale)


def _median(metric: str, form: str, scale: float = 1.0) -> Callable[[Sequence[Record]], str]:
    """The median, with censored values as lower bounds."""

    def text(records: Sequence[Record]) -> str:
        values, censored = observations(records, metric)
        found = stats.summary(values, censored=censored)
        return "-" if found is None else number(found.median, form, scale)

    return text


def _interval(metric: str, form: str, scale: float = 1.0) -> Callable[[Sequence[Record]], str]:
    def text(records: Sequence[Record]) -> str:
        values, censored = observations(records, metric)
        found = stats.median_interval(values, censored=censored)
        return "-" if found is None else " to ".join(number(end, form, scale) for end in found)

    return text


def _most(metric: str, form: str, scale: float = 1.0) -> Callable[[Sequence[Record]], str]:
    """The largest value, with a ``>`` if it is a lower bound."""

    def text(records: Sequence[Record]) -> str:
        values, censored = observations(records, metric)
        if not values:
            return "-"
        at = max(range(len(values)), key=lambda place: (censored[place], values[place]))
        return ("> " if censored[at] else "") + form.format(values[at] * scale)

    return text


def _constant(metric: str, scale: float = 1.0) -> Callable[[Sequence[Record]], str]:
    def text(records: Sequence[Record]) -> str:
        values = quantities(records, metric)
        return f"{max(values) * scale:g}" if values else "none"

    return text


def share_true(metric: str) -> Callable[[Sequence[Record]], str]:
    """In how many trials a metric is true, of those that have it."""

    def text(records: Sequence[Record]) -> str:
        found = [value for record in records if isinstance(value := record.metrics.get(metric), bool)]
        return f"{sum(found)} of {len(found)}" if found else "-"

    return text


def listed(records: Sequence[Record], metric: str) -> list[float | None]:
    """The entries of a metric that is a list, such as one time for each fault, in all trials that did not fail."""
    return [value for record in records if record.status != "failed" for value in record.metrics.get(metric) or ()]


def _end(records: Sequence[Record], of: Callable[[Sequence[float]], float]) -> str:
    """The shortest or the longest of the detection times of all trials, in ms."""
    times = [value for value in listed(records, "detections_s") if value is not None]
    return f"{of(times) * 1e3:.1f}" if times else "-"


def _present(records: Sequence[Record], metric: str) -> str:
    """In how many faults there is a time, of all."""
    found = listed(records, metric)
    return f"{sum(each is not None for each in found)} of {len(found)}" if found else "-"


def _mean(records: Sequence[Record], metric: str, scale: float) -> str:
    found = [each for each in listed(records, metric) if each is not None]
    return f"{sum(found) / len(found) * scale:.1f}" if found else "-"


def _of_all(records: Sequence[Record], part: str, whole: str) -> str:
    """How many, of how many, in all trials together."""
    counts = [sum(quantities(records, name)) for name in (part, whole)]
    return f"{counts[0]:.0f} of {counts[1]:.0f}" if counts[1] else "-"


#: The headings of two counts, of which the second is shown where it differs: a fault may be detected at two ends.
_FAULTS, _DETECTIONS = "faults", "detections"


def _longest_of_others(records: Sequence[Record]) -> str:
    """The longest outage of any other pair of hosts, by its metric's lists for each pair."""
    found = [record.metrics["others_outages_s"] for record in records if record.metrics.get("others_outages_s")]
    return f"{max(max(times) for pairs in found for times in pairs.values()) * 1e3:.1f}" if found else "-"


#: The headings of columns that are shown only if a case has something there.
_OTHERS, _CROSSED = "other tenants' longest ms", "packets across tenants"
_IF_ANY = ("95 % interval", _OTHERS, _CROSSED)


def _crossed(records: Sequence[Record]) -> str:
    found = quantities(records, "crossed_packets")
    return f"{sum(found):.0f}" if found else "-"


COLUMNS = (
    Column("goodput_mbps", "goodput Mbit/s", _median("goodput_mbps", "{:.1f}")),
    Column("goodput_mbps", "95 % interval", _interval("goodput_mbps", "{:.1f}")),
    Column("ideal_mbps", "ideal Mbit/s", _median("ideal_mbps", "{:.1f}")),
    Column("goodput_ratio", "of ideal", _median("goodput_ratio", "{:.1f} %", 100)),
    Column("jain_index", "Jain index", _median("jain_index", "{:.3f}")),
    Column("retransmits", "retransmits", _median("retransmits", "{:.0f}")),
    Column("outage_s", "outage ms", _median("outage_s", "{:.1f}", 1e3)),
    Column("outage_s", "95 % interval", _interval("outage_s", "{:.1f}", 1e3)),
    Column("outage_s", "longest ms", _most("outage_s", "{:.1f}", 1e3)),
    Column("outage_bound_s", "outage bound ms", _constant("outage_bound_s", 1e3)),
    Column("survivors", "survivors", lambda records: _of_all(records, "survivors", "sessions")),
    Column("stall_s", "stall ms", _median("stall_s", "{:.1f}", 1e3)),
    Column("stall_s", "95 % interval", _interval("stall_s", "{:.1f}", 1e3)),
    Column("stall_s", "longest ms", _most("stall_s", "{:.1f}", 1e3)),
    Column("failed_requests", "failed", lambda records: _of_all(records, "failed_requests", "requests")),
    Column("late_requests", "late", _median("late_requests", "{:.0f}")),
    Column("longest_gap_s", "longest gap ms", _most("longest_gap_s", "{:.1f}", 1e3)),
    Column("slowest_s", "slowest ms", _most("slowest_s", "{:.1f}", 1e3)),
    Column("faults", _FAULTS, lambda records: f"{sum(quantities(records, 'faults')):.0f}"),
    Column("detections_s", _DETECTIONS, lambda records: str(len(listed(records, "detections_s")))),
    Column("detection_min_s", "shortest ms", lambda records: _end(records, min)),
    Column("detection_max_s", "longest ms", lambda records: _end(records, max)),
    Column("low_s", "at least ms", _constant("low_s", 1e3)),
    Column("bound_s", "bound ms", _constant("bound_s", 1e3)),
    Column("within_bound", "within bound", share_true("within_bound")),
    Column("within_standard", "as the standard says", share_true("within_standard")),
    Column("first_left_s", "left", lambda records: _present(records, "first_left_s")),
    Column("left_share_expected", "by theory %", _median("left_share_expected", "{:.0f}", 100)),
    Column("lost_shares", "lost %", lambda records: _mean(records, "lost_shares", 100)),
    Column("outage_loss_s", "by loss ms", _median("outage_loss_s", "{:.1f}", 1e3)),
    Column("others_outages_s", _OTHERS, _longest_of_others),
    Column("crossed_packets", _CROSSED, _crossed),
    Column("reversion_outage_s", "reversion ms", _most("reversion_outage_s", "{:.1f}", 1e3)),
    *(
        Column(f"goodput_{when}_mbps", f"{when}, Mbit/s", _median(f"goodput_{when}_mbps", "{:.1f}"))
        for when in ("before", "during", "after")
    ),
    *(
        column
        for what, words in (("usable_{}_links", "usable {}, links"), ("wire_cost_{}", "cost {}, copies"))
        for key, name in ((what.format(when), words.format(when)) for when in ("before", "during", "after"))
        for column in (
            Column(key, name, _median(key, "{:.2f}")),
            Column(f"law_{key}", "by theory", _median(f"law_{key}", "{:.2f}")),
        )
    ),
    *(
        column
        for what, words in (("moved", "moved"), ("in_vain", "in vain"), ("back", "moved back"), ("astray", "astray"))
        for column in (
            Column(f"{what}_share", f"{words} %", _median(f"{what}_share", "{:.1f}", 100)),
            Column(f"law_{what}_share", "by theory", _median(f"law_{what}_share", "{:.1f}", 100)),
        )
    ),
    Column("within_law", "within the law", share_true("within_law")),
    Column("placement_as_predicted", "as predicted", share_true("placement_as_predicted")),
)
#: Where outages have a bound of their own, the other limits are those of detections.
_OF_DETECTIONS = {"low_s": "detected from ms", "bound_s": "detected by ms"}
#: The main metrics; the table of a run without any of them shows its other metrics as well.
_KNOWN = ("goodput_mbps", "outage_s", "stall_s", "detections_s", "longest_gap_s", "moved_share")
#: At most this many of these others.
_MOST_OTHERS = 6


def _columns(run: Run) -> list[Column]:
    found = [c for c in COLUMNS if any(c.metric in record.metrics for record in run.records)]
    if not any(column.metric in _KNOWN for column in found):
        named = dict.fromkeys(name for record in run.records for name in record.metrics)
        shown = {column.metric for column in found}
        found += [c for name in named if name not in shown and (c := _other(run, name))][:_MOST_OTHERS]
    if any("outage_bound_s" in record.metrics for record in run.records):
        found = [replace(c, heading=_OF_DETECTIONS.get(c.metric, c.heading)) for c in found]
    groups = [records for _, records in run.cases()]
    counts = {c.heading: [c.text(records) for records in groups] for c in found if c.heading in (_FAULTS, _DETECTIONS)}
    if counts.get(_FAULTS) == counts.get(_DETECTIONS):
        found = [c for c in found if c.heading != _DETECTIONS]
    return [c for c in found if c.heading not in _IF_ANY or any(c.text(records) != "-" for records in groups)]


def _other(run: Run, metric: str) -> Column | None:
    """A column for a metric that has none in COLUMNS: its median, or how often it is true."""
    values = [record.metrics.get(metric) for record in run.records]
    if any(isinstance(value, bool) for value in values):
        return Column(metric, metric, share_true(metric))
    if any(isinstance(value, int | float) for value in values):
        return Column(metric, metric, _median(metric, "{:.4g}"))
    return None


def factor_names(run: Run) -> list[str]:
    """The factors that distinguish the cases; always the mode, if there is one that no other factor stands for."""
    varied = run.varied()
    implied = any("mode" in names for names in run.manifest.get("sets", {}).values())
    return varied if "mode" in varied or implied or "mode" not in run.manifest["factors"] else ["mode", *varied]


def case_name(run: Run, case: dict[str, Any]) -> str:
    """The levels that distinguish this case from the others, in words."""
    return ", ".join(f"{name} {case.get(name)}" for name in factor_names(run)) or run.experiment


def case_rows(run: Run) -> tuple[list[str], list[list[str]]]:
    """The table of cases: its header, and a row of text for each case. Values are medians unless named otherwise."""
    names = factor_names(run)
    columns = _columns(run)
    rows = []
    for case, records in run.cases():
        levels = [str(case.get(name, "-")) for name in names]
        rows.append([*levels, _count(records), *(column.text(records) for column in columns)])
    return [*names, "n", *(column.heading for column in columns)], rows


def _count(records: Sequence[Record]) -> str:
    """How many trials; and how many of them failed or are censored."""
    statuses = [record.status for record in records]
    bad = [f"{statuses.count(s)} {s}" for s in ("failed", "censored") if s in statuses]
    return f"{len(statuses)}" + (f" ({', '.join(bad)})" if bad else "")
