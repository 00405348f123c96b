"""What the faults of a line to the internet cost: detections by the speakers' logs, outages by probes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from testbed.design.trial import Measured, Trial
from testbed.faults.catalogue import parameters_of
from testbed.measure.impact import rounded
from testbed.measure.outage import ProbeFlow, load_probe, outage
from testbed.measure.raw import Event, controller_trouble, fault_windows, read_timeline
from testbed.measure.validity import check_clock, check_probe, unseen
from testbed.spec import Bgp
from testbed.theory import OutageBound, bgp, brownouts, laws, lines

#: What says that a neighbor is left, where a speaker has a session with it, and where BFD alone has.
_LEFT = {"bgp": ("bgp", "left", None), "bfd": ("bfd", "session", "Down")}


def detections(timeline: Sequence[Event], spared: str, by: str = "bgp") -> list[list[float]]:
    """For each fault, in order: seconds until each router that lost a neighbor had left it, but for ``spared``."""
    left = [
        event
        for event in timeline
        if (event["source"], event["event"], event.get("new")) == _LEFT[by] and event["host"] != spared
    ]
    found = []
    for begin_s, end_s, _ in fault_windows(timeline):
        last_s = float("inf") if end_s is None else end_s
        times: dict[tuple[str, str], float] = {}
        for event in left:
            if begin_s <= event["t_s"] < last_s:
                times.setdefault((event["host"], event["neighbor"]), round(event["t_s"] - begin_s, 9))
        found.append(sorted(times.values()))
    return found


def moved(timeline: Sequence[Event], before: Sequence[Sequence[str]]) -> list[bool]:
    """For each fault whether the speakers that choose a way had all left it by its end, so that an outage of 0 says
    something; ``before`` are the next hops of each while nothing fails, the one that is hit first."""
    seen = [event["hops"] for event in timeline if (event["source"], event["event"]) == ("network", "next_hops")]
    return [
        all(now and not set(now) & set(first[:1]) for now, first in zip(hops, before, strict=True)) for hops in seen
    ]


def measure(raw: Path, trial: Trial, interval_s: float) -> Measured:
    """The metrics of a trial of `routing` (results/README.md)."""
    topology, fault = trial.topology, str(trial.case["fault"])
    element = lines.element(topology, fault, str(trial.case["place"]))
    before = [lines.next_hops(topology, edge, topology.host(to).ip) for edge, to in lines.edges(topology)]
    found = lines.outage(topology, fault, element, parameters_of(fault, trial.case))
    return measured(raw, trial, interval_s, element, found, before)


def measured(
    raw: Path,
    trial: Trial,
    interval_s: float,
    element: str,
    bound: OutageBound | str,
    before: Sequence[Sequence[str]],
    hit: int | None = None,
) -> Measured:
    """The metrics of a trial with many faults on ``element``, each by theory with an outage of ``bound`` for the first
    ``hit`` flows, or for all; ``before`` is as in `moved`."""
    flows = load_probe(raw / "probe.csv")
    check_clock(flows)
    timeline = read_timeline(raw / "timeline.jsonl")
    group, fault = lines.group_of(trial.topology), str(trial.case["fault"])
    windows = [(begin_s, end_s) for begin_s, end_s, _ in fault_windows(timeline) if end_s is not None]
    lasts = [begin_s for begin_s, _ in windows[1:]] + [min(float(flow.sent_s[-1]) for flow in flows)]
    during = [[outage(flow, interval_s, *window) for flow in flows] for window in windows]
    outages = [max(found.outage_s for found in each[:hit]) for each in during]
    back = [
        max(outage(flow, interval_s, end_s, last_s).outage_s for flow in flows)
        for (_, end_s), last_s in zip(windows, lasts, strict=True)
    ]
    # A speaker that is itself gone or halted says nothing, or says it late.
    spared = element.partition(":")[0] if "--" not in element else ""
    found = detections(timeline, spared, "bgp" if trial.topology.bgp else "bfd")[: len(windows)]
    one = lines.detection(group, fault) or OutageBound(0.0, 0.0, "an event")
    timed = fault in bgp.SILENT and lines.detection(group, fault) is not None
    metrics: dict[str, Any] = {
        "faults": len(windows),
        "element": element,
        "detections_s": [at for each in found for at in each],
        "outages_s": [rounded(each) for each in outages],
        "moved": moved(timeline, before)[: len(windows)],
        "flows_hit": [sum(found.lost > 0 for found in each) for each in during],
        "reversions_s": [rounded(each) for each in back],
        "outage_s": rounded(max(outages, default=0.0)),
        "reversion_outage_s": rounded(max(back, default=0.0)),
        **_law(one if timed else OutageBound(0.0, 0.0, "an event"), bound),
        "law_quantiles_s": [rounded(each) for each in one.quantiles_s or ()] if timed else None,
        "outage_bound_s": bound.bound_s if isinstance(bound, OutageBound) else None,
        "outage_expected_s": rounded(bound.expected_s) if isinstance(bound, OutageBound) else None,
        "why_no_bound": bound if isinstance(bound, str) else None,
        "within_bound": None,
    }
    if fault in brownouts.FAULTS:
        assert isinstance(group, Bgp)  # experiments.routing refuses others
        law = brownouts.leaving(group, fault, parameters_of(fault, trial.case))
        metrics |= _partly(law, timeline, windows)
        metrics["lost_shares"] = [rounded(_lost(flows, *window)) for window in windows]
        if isinstance(bound, OutageBound):
            kept = all(bound.holds(each, interval_s) for each in outages)
            metrics["within_bound"] = kept and metrics["left_as_expected"] is not False
    elif isinstance(bound, OutageBound):
        low = not group.ecmp
        kept = all(bound.holds(each, interval_s, low=low) for each in outages) and all(metrics["moved"])
        metrics["within_bound"] = kept and (not timed or all(one.holds(at, 0.0) for each in found for at in each))
    warnings = (*check_probe(raw / "probe.json", flows), *controller_trouble(timeline), *unseen(timeline))
    if len(windows) < int(trial.case["faults"]):
        return Measured(metrics, "failed", f"only {len(windows)} faults: the sessions did not come back", warnings)
    return Measured(metrics, warnings=warnings)


def _law(one: OutageBound, bound: OutageBound | str) -> dict[str, float | None]:
    """The limits of a detection, and its mean; of a fault that nothing notices there are none."""
    if isinstance(bound, str):
        return dict.fromkeys(("low_s", "bound_s", "expected_s"))
    mean_s = one.expected_s if one.expected_s is not None else one.bound_s if one.bound_s == one.low_s else None
    return {"low_s": rounded(one.low_s), "bound_s": rounded(one.bound_s), "expected_s": rounded(mean_s)}


def _partly(
    leaving: brownouts.Leaving, timeline: Sequence[Event], windows: Sequence[tuple[float, float]]
) -> dict[str, Any]:
    """When a line that worked in part was left first, in each fault, null: it was not; and what theory says of it."""
    times = [event["t_s"] for event in timeline if (event["source"], event["event"]) == ("bgp", "left")]
    within = [[at - begin_s for at in times if begin_s <= at < end_s] for begin_s, end_s in windows]
    first = [round(min(each), 9) if each else None for each in within]
    shares = [leaving.law.cdf(end_s - begin_s) for begin_s, end_s in windows] if leaving.law else []
    expected = None
    if leaving.never:
        expected = not any(within)
    elif leaving.law is not None:
        low_s, high_s = leaving.low_s, leaving.law.high_s + bgp.PAUSE_S
        expected = all(low_s <= at <= high_s for at in first if at is not None)
        if min(shares, default=0.0) == 1.0:
            expected &= None not in first
    return {
        "first_left_s": first,
        "times_left": [len(each) for each in within],
        "left_share_expected": rounded(sum(shares) / len(shares)) if shares else 0.0 if leaving.never else None,
        "left_mean_s": rounded(laws.mean_s(leaving.law)) if leaving.law else None,
        "why_no_law": leaving.why or None,
        "left_as_expected": expected,
    }


def _lost(flows: Sequence[ProbeFlow], begin_s: float, end_s: float) -> float:
    """The share of the packets sent in a time that were lost."""
    sent = [(begin_s <= flow.sent_s) & (flow.sent_s < end_s) for flow in flows]
    lost = sum(int(np.isnan(flow.received_s[each]).sum()) for flow, each in zip(flows, sent, strict=True))
    return lost / max(1, sum(int(each.sum()) for each in sent))
