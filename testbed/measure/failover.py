"""The metrics of a failover trial, from its probe.csv and timeline.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed import theory
from testbed.errors import TrialError
from testbed.experiment import Measured, Trial
from testbed.measure.outage import ProbeFlow, late_sends, load_probe, outage, reordered
from testbed.measure.raw import controller_trouble, not_aggregated, read_timeline


def measure(raw: Path, trial: Trial, interval_s: float) -> Measured:
    """Outage and reversion of the worst flow, detection, rejoin, loss, and the bound of theory."""
    flows = load_probe(raw / "probe.csv")
    timeline = read_timeline(raw / "timeline.jsonl")
    begin = _event(timeline, "fault", "begin")
    end = _event(timeline, "fault", "end")
    last_s = min(float(flow.sent_s[-1]) for flow in flows)
    failures = {flow.name: outage(flow, interval_s, begin["t_s"], end["t_s"]) for flow in flows}
    reversions = {flow.name: outage(flow, interval_s, end["t_s"], last_s) for flow in flows}
    worst = max(failures.values(), key=lambda found: found.outage_s)
    back = max(reversions.values(), key=lambda found: found.outage_s)
    bond = trial.topology.host("h1").bond
    answered = _find(timeline, "network", "not_aggregated") is None
    bound = theory.failover_bound(bond, str(trial.case["fault"]), lacp=answered) if bond else None
    metrics: dict[str, Any] = {
        "outage_s": _rounded(worst.outage_s),
        "outage_loss_s": _rounded(worst.outage_loss_s),
        "detection_s": _since(begin, _first_role_change(timeline, begin["t_s"], end["t_s"])),
        "lost": sum(found.lost for found in (*failures.values(), *reversions.values())),
        "duplicated": sum(flow.duplicated for flow in flows),
        "reordered": sum(reordered(flow) for flow in flows),
        "reversion_outage_s": _rounded(back.outage_s),
        "rejoin_s": _since(end, _find(timeline, "network", "rejoined")),
        "bound_s": None if bound is None else _rounded(bound.bound_s),
        "expected_s": None if bound is None or bound.expected_s is None else _rounded(bound.expected_s),
        "within_bound": None if bound is None else worst.recovered and worst.outage_s <= bound.limit_s,
        "flows": {
            flow.name: {
                "outage_s": _rounded(failures[flow.name].outage_s),
                "reversion_outage_s": _rounded(reversions[flow.name].outage_s),
                "lost": failures[flow.name].lost + reversions[flow.name].lost,
            }
            for flow in flows
        },
    }
    warnings = _warnings(flows, interval_s, timeline)
    stopped = [name for name, found in failures.items() if not found.recovered]
    if stopped:
        return Measured(metrics, "censored", f"{', '.join(stopped)} did not resume before the repair", warnings)
    return Measured(metrics, warnings=warnings)


def _warnings(flows: Sequence[ProbeFlow], interval_s: float, timeline: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    found = [*not_aggregated(timeline), *controller_trouble(timeline)]
    for flow in flows:
        count, longest_s = late_sends(flow, interval_s)
        if count:
            found.append(
                f"the probe's sender of {flow.name} paused {count} times, up to {longest_s * 1e3:.1f} ms:"
                " shorter outages cannot be told"
            )
    if (event := _find(timeline, "network", "not_rejoined")) is not None:
        found.append(str(event["reason"]))
    return tuple(found)


def _find(timeline: Sequence[dict[str, Any]], source: str, event: str) -> dict[str, Any] | None:
    return next((line for line in timeline if line["source"] == source and line["event"] == event), None)


def _event(timeline: Sequence[dict[str, Any]], source: str, event: str) -> dict[str, Any]:
    found = _find(timeline, source, event)
    if found is None:
        raise TrialError(f"timeline.jsonl lacks the event {source} {event}")
    return found


def _first_role_change(timeline: Sequence[dict[str, Any]], begin_s: float, end_s: float) -> dict[str, Any] | None:
    """The kernel's first word that a bond took a member out: by its link's status, or by LACP."""
    out = {"mii_status": ("down", "going_down"), "role": ("backup",)}
    return next(
        (
            line
            for line in timeline
            if line["source"] == "bond"
            and line["new"] in out.get(line["event"], ())
            and begin_s <= line["t_s"] <= end_s
        ),
        None,
    )


def _since(start: dict[str, Any], event: dict[str, Any] | None) -> float | None:
    return None if event is None else _rounded(event["t_s"] - start["t_s"])


def _rounded(value: float) -> float:
    return round(value, 9)
