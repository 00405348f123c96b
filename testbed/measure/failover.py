"""The metrics of a failover trial, from its probe.csv and timeline.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.errors import TrialError
from testbed.experiment import Measured, Trial
from testbed.measure.artefacts import check_clock, check_probe, unseen
from testbed.measure.felt import felt
from testbed.measure.felt import metrics as felt_metrics
from testbed.measure.foretell import agrees, foretell, loses
from testbed.measure.outage import load_probe
from testbed.measure.raw import controller_trouble, not_aggregated, read_timeline


def measure(raw: Path, trial: Trial, interval_s: float) -> Measured:
    """Outage and reversion of the worst flow, what it consists of, rejoin, loss, delay, and the bound of theory."""
    flows = load_probe(raw / "probe.csv")
    check_clock(flows)
    timeline = read_timeline(raw / "timeline.jsonl")
    begin = _event(timeline, "fault", "begin")
    end = _event(timeline, "fault", "end")
    window = begin["t_s"], end["t_s"]
    found = felt(flows, interval_s, window, timeline, trial.topology, str(begin["element"]))
    worst = max((flow.failure for flow in found), key=lambda outage: outage.outage_s)
    foretold = foretell(trial, begin, end, answered=_find(timeline, "network", "not_aggregated") is None)
    bound = foretold.bound
    losing = [flow.name for flow in flows if loses(flow, end["t_s"])]
    # A flapping link goes on losing packets for as long as it flaps: each loss is an outage of its own.
    resumed = worst.recovered and (not losing or begin["fault"] == "flapping")
    metrics: dict[str, Any] = {
        **felt_metrics(found),
        "noticed_s": _since(begin, _first_role_change(timeline, *window)),
        "rejoin_s": _since(end, _find(timeline, "network", "rejoined")),
        "bound_s": None if bound is None else _rounded(bound.bound_s),
        "expected_s": None if bound is None or bound.expected_s is None else _rounded(bound.expected_s),
        "within_bound": None if bound is None else resumed and worst.outage_s <= bound.limit_s,
        "connected": resumed,
        "connected_by_theory": foretold.connected,
        "as_foretold": agrees(foretold.connected, resumed),
    }
    warnings = (*check_probe(raw / "probe.json", flows), *_warnings(timeline))
    stopped = [flow.name for flow in found if not flow.failure.recovered]
    if stopped or not resumed:
        what = "did not resume before the repair" if stopped else "lost packets until the repair"
        reason = f"{', '.join(stopped or losing)} {what}" + (f": {foretold.why}" if foretold.why else "")
        return Measured(metrics, "censored", reason, warnings)
    return Measured(metrics, warnings=warnings)


def _warnings(timeline: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    found = [*not_aggregated(timeline), *controller_trouble(timeline), *unseen(timeline)]
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
