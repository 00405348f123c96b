"""The metrics of a failover trial, from its probe.csv and timeline.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.design.trial import Measured, Trial
from testbed.measure.detection import first_taken_out, since
from testbed.measure.exposure import compared, exposed_flows, failing_links, hit_ends, shows_its_outage
from testbed.measure.impact import impact, rounded
from testbed.measure.impact import metrics as impact_metrics
from testbed.measure.outage import load_probe
from testbed.measure.prediction import lasting_share, loses, predict
from testbed.measure.raw import controller_trouble, event_of, find, not_aggregated, not_reached, read_timeline
from testbed.measure.validity import check_clock, check_probe, unseen
from testbed.spec import Topology
from testbed.theory import OutageBound
from testbed.theory.reachability import agrees


def measure(raw: Path, trial: Trial, interval_s: float) -> Measured:
    """Outage of the worst exposed flow with its breakdown, reversion, rejoin, loss, delay, and the bound of theory.

    Of the flows of one direction that crossed the failing link, the first counts (testbed.measure.exposure).
    """
    flows = load_probe(raw / "probe.csv")
    check_clock(flows)
    timeline = read_timeline(raw / "timeline.jsonl")
    begin = event_of(timeline, "fault", "begin")
    end = event_of(timeline, "fault", "end")
    window = begin["t_s"], end["t_s"]
    found = impact(flows, interval_s, window, timeline, trial.topology, str(begin["element"]))
    links = failing_links(trial.topology, str(begin["fault"]), str(begin["element"]))
    exposed = (
        range(len(flows))
        if links is None
        else exposed_flows(raw / "paths.csv", hit_ends(trial.topology, begin, links), begin["t_s"])
    )
    chosen = [found[place] for place in compared([flow.name for flow in found], exposed)]
    apart = [flow.failure.outage_s for place, flow in enumerate(found) if place not in exposed]
    worst = max((flow.failure for flow in chosen), key=lambda outage: outage.outage_s)
    senders = {_ends(flow.name)[0] for flow in chosen} if exposed else None
    answered = find(timeline, "network", "not_aggregated") is None
    predicted = predict(trial, begin, end, answered=answered, senders=senders)
    share = lasting_share(trial, begin)
    losing = [flow.name for flow in flows if loses(flow, *window, share)]
    parted = not_reached(timeline)
    never = [flow.name for flow in found if _ends(flow.name) in parted]
    # A flapping link loses packets for as long as it flaps: each loss is an outage of its own.
    resumed = worst.recovered and not never and (not losing or begin["fault"] == "flapping")
    bound = predicted.held(resumed=resumed)
    # Whatever the switch hashes, the client's flow is on the member that was found to carry most and then failed.
    hit = bool(exposed) and not trial.case.get("element") and bound is not None and bound.law is not None
    metrics: dict[str, Any] = {
        **impact_metrics(chosen, found),
        "exposed_flows": [flow.name for place, flow in enumerate(found) if place in exposed],
        "unexposed_outage_s": rounded(max(apart)) if apart else None,
        "noticed_s": since(begin, first_taken_out(timeline, *window)),
        "rejoin_s": since(end, find(timeline, "network", "rejoined")),
        **_theory(bound, interval_s),
        "why_no_bound": None if bound is not None else predicted.why or "theory has none",
        "within_bound": None if bound is None else resumed and bound.holds(worst.outage_s, interval_s, low=hit),
        "ends_by_theory": bound is not None,
        "connected": resumed,
        "connected_by_theory": predicted.connected,
        "as_foretold": agrees(predicted.connected, resumed),
    }
    warnings = (*check_probe(raw / "probe.json", flows), *_warnings(timeline), *_unanswered(trial.topology))
    if not shows_its_outage(metrics):
        missed = f"no flow crossed {begin['element']} when {begin['fault']} began: its outage is not shown"
        warnings = (*warnings, missed)
    stopped = [flow.name for flow in found if not flow.failure.recovered]
    if stopped or not resumed:
        what = "did not resume before the repair" if stopped else "lost packets until the repair"
        if never:
            what = "did not get through before the fault"
        reason = f"{', '.join(never or stopped or losing)} {what}" + (f": {predicted.why}" if predicted.why else "")
        return Measured(metrics, "censored", reason, warnings)
    return Measured(metrics, warnings=warnings)


def _ends(flow: str) -> tuple[str, str]:
    """The sender and the receiver of a flow by its name, such as h1>h2 or h1>h2#2."""
    sender, _, receiver = flow.partition("#")[0].partition(">")
    return sender, receiver


def _unanswered(topology: Topology) -> list[str]:
    return [
        f"the ARP monitor of {host.name} asks {', '.join(nobody)}, which is the address of no host here"
        for host in topology.hosts
        if (nobody := topology.unanswered(host.name))
    ]


def _theory(bound: OutageBound | None, interval_s: float) -> dict[str, Any]:
    """What theory predicts for the outage of the worst flow, if the fault hits it both ways."""
    if bound is None:
        return dict.fromkeys(("low_s", "bound_s", "limit_s", "expected_s", "law_quantiles_s"))
    quantiles_s = bound.quantiles_s
    return {
        "low_s": rounded(bound.low_s),
        "bound_s": rounded(bound.bound_s),
        "limit_s": rounded(bound.seen_s(interval_s)),
        "expected_s": rounded(bound.expected_s),
        "law_quantiles_s": None if quantiles_s is None else [rounded(each) for each in quantiles_s],
    }


def _warnings(timeline: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    found = [*not_aggregated(timeline), *controller_trouble(timeline), *unseen(timeline)]
    if (event := find(timeline, "network", "not_rejoined")) is not None:
        found.append(str(event["reason"]))
    return tuple(found)
