"""What the faults of a gateway cost: take-overs of a virtual address by the wire, outages by probes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from testbed.design.trial import Measured, Trial
from testbed.faults import catalogue
from testbed.measure.breakdown import ANNOUNCEMENTS
from testbed.measure.impact import rounded
from testbed.measure.outage import ProbeFlow, load_probe, outage
from testbed.measure.raw import Event, controller_trouble, fault_windows, read_timeline
from testbed.measure.validity import check_clock, check_probe, unseen
from testbed.spec import Topology, Vrrp
from testbed.theory import OutageBound, gateways, vrrp


def group_of(topology: Topology) -> Vrrp:
    """The VRRP group that has the client's gateway; of networks where none has it, the first."""
    return gateways.group_of(topology, topology.client) or topology.vrrp[0]


#: So many Advertisements are sent in each fault in which some are lost at random.
ADVERTS = 100


def best(topology: Topology) -> str:
    """The router that is master while all live: that with the highest priority."""
    return group_of(topology).ranked[0]


def takeovers(timeline: Sequence[Event], topology: Topology) -> list[float | None]:
    """For each fault, in order: seconds until another router announced the client's gateway; None: none did in time."""
    gateway = topology.host(topology.client).gateway
    own = set(topology.interfaces(best(topology)))
    said = [
        event["t_s"]
        for event in timeline
        if event["source"] == "wire"
        and event["event"] in ANNOUNCEMENTS
        and event["address"] == gateway
        and event["interface"] not in own
        and event["direction"] == "out"
    ]
    found: list[float | None] = []
    for begin_s, end_s, _ in fault_windows(timeline):
        last_s = float("inf") if end_s is None else end_s
        found.append(next((round(at - begin_s, 9) for at in said if begin_s <= at < last_s), None))
    return found


def masters_beside(raw: Path, topology: Topology) -> int:
    """How often the next best router became master on the client's side, by its log."""
    router = group_of(topology).ranked[1]
    near = topology.attachment(router, topology.host(topology.client).subnet).interface
    log = (raw / "services" / router / "keepalived.out").read_text(errors="replace")
    return log.count(f"({near}) Entering MASTER STATE")


def measure(raw: Path, trial: Trial, interval_s: float) -> Measured:
    """The metrics of a trial with many faults (results/README.md)."""
    every = load_probe(raw / "probe.csv")
    check_clock(every)
    timeline = read_timeline(raw / "timeline.jsonl")
    group, fault = group_of(trial.topology), str(trial.case["fault"])
    flows = [flow for flow in every if {*flow.name.split(">")} == {*trial.topology.pair}]
    windows = [(begin_s, end_s) for begin_s, end_s, _ in fault_windows(timeline) if end_s is not None]
    lasts = [begin_s for begin_s, _ in windows[1:]] + [min(float(flow.sent_s[-1]) for flow in flows)]
    outages = [max(outage(flow, interval_s, *window).outage_s for flow in flows) for window in windows]
    back = [
        max(outage(flow, interval_s, end_s, last_s).outage_s for flow in flows)
        for (_, end_s), last_s in zip(windows, lasts, strict=True)
    ]
    taken = takeovers(timeline, trial.topology)[: len(windows)]
    seen = [at for at in taken if at is not None]
    given = catalogue.parameters_of(fault, trial.case)
    law, bound = vrrp.takeover(group, fault, given), vrrp.outage(group, fault, given)
    metrics: dict[str, Any] = {
        "faults": len(windows),
        "detections_s": taken,
        "outages_s": [rounded(each) for each in outages],
        "reversions_s": [rounded(each) for each in back],
        "outage_s": rounded(max(outages, default=0.0)),
        "reversion_outage_s": rounded(max(back, default=0.0)),
        **_law(law),
        # Without BFD all times between the two are alike.
        **({"law_quantiles_s": _quantiles(law)} if group.bfd_ms else {}),
        "outage_bound_s": bound.bound_s if isinstance(bound, OutageBound) else None,
        "why_no_bound": bound if isinstance(bound, str) else None,
        "within_bound": _within(fault, law, bound, taken, outages, interval_s),
        **_of_others(trial, every, windows, interval_s),
    }
    if fault == "lossy":
        metrics |= _beside(raw, trial, len(windows))
        law = "the next best router is master beside it"
    if metrics["others_within_bound"] is False and metrics["within_bound"]:
        metrics["within_bound"] = False
    warnings = (*check_probe(raw / "probe.json", every), *controller_trouble(timeline), *unseen(timeline))
    if silent := _silent(trial.topology, every, windows):
        return Measured(metrics, "failed", f"nothing arrived before the first fault of {', '.join(silent)}", warnings)
    if len(windows) < int(trial.case["faults"]):
        return Measured(metrics, "failed", f"only {len(windows)} faults: the router did not come back", warnings)
    if len(seen) < len(taken) and not isinstance(law, str):
        warnings = (*warnings, f"no other router announced the address in {len(taken) - len(seen)} faults")
    return Measured(metrics, warnings=warnings)


def _silent(topology: Topology, flows: Sequence[ProbeFlow], windows: Sequence[tuple[float, float]]) -> list[str]:
    """The flows of which nothing arrived before the first fault: one that never worked has no outage to measure.

    Those from one tenant to another are none of them: nothing of theirs may arrive.
    """
    within = [{*pair} for pair in (topology.pair, *gateways.tenants(topology))]
    begin_s = windows[0][0] if windows else np.inf
    own = [flow for flow in flows if {*flow.name.split(">")} in within]
    return [flow.name for flow in own if not (flow.received_s < begin_s).any()]


def _beside(raw: Path, trial: Trial, faults: int) -> dict[str, Any]:
    """How often another router was master beside the best one while Advertisements were lost, and by theory.

    Every fault but the first finds the timer set anew, so the numbers of each are independent.
    """
    found, group = masters_beside(raw, trial.topology), group_of(trial.topology)
    given = catalogue.valued("lossy", catalogue.parameters_of("lossy", trial.case))
    lost = float(given["loss_percent"]) / 100 if given["direction"] != "to_host" else 0.0
    names = ("masters_beside", "masters_beside_low", "masters_beside_high", "within_bound")
    if group.bfd_ms or not faults:
        return dict(zip(names, (found, None, None, None), strict=True))
    one = vrrp.masters_beside(ADVERTS, lost)
    chances = one
    for _ in range(faults - 1):
        chances = [float(each) for each in np.convolve(chances, one)]
    least, most = vrrp.usual(chances)
    return dict(zip(names, (found, least, most, least <= found <= most), strict=True))


def _of_others(
    trial: Trial, flows: Sequence[ProbeFlow], windows: Sequence[tuple[float, float]], interval_s: float
) -> dict[str, Any]:
    """What the tenants of other VRFs felt, and how many packets went from one tenant to another."""
    topology, fault = trial.topology, str(trial.case["fault"])
    tenants = gateways.tenants(topology)
    others = {pair: [flow for flow in flows if {*flow.name.split(">")} == {*pair}] for pair in tenants[1:]}
    own = {(a, b) for pair in tenants for a, b in (pair, pair[::-1])}
    across = [flow for flow in flows if tenants and tuple(flow.name.split(">")) not in own]
    if not others:
        return dict.fromkeys(("others_outages_s", "crossed_packets", "others_within_bound"))
    outages = {
        pair: [max(outage(flow, interval_s, *window).outage_s for flow in found) for window in windows]
        for pair, found in others.items()
    }
    crossed, kept = sum(int(np.isfinite(flow.received_s).sum()) for flow in across), True
    for pair, found in outages.items():
        group = gateways.group_of(topology, pair[0])
        given = catalogue.parameters_of(fault, trial.case)
        bound = vrrp.beside(group, group_of(topology), fault, given) if group is not None else ""
        if isinstance(bound, OutageBound):
            kept = kept and all(bound.holds(each, interval_s, low=fault != "router_hang") for each in found)
    return {
        "others_outages_s": {"+".join(pair): [rounded(each) for each in found] for pair, found in outages.items()},
        "crossed_packets": crossed,
        "others_within_bound": kept and crossed == 0,
    }


def _law(law: OutageBound | str) -> dict[str, Any]:
    if isinstance(law, str):
        return {"low_s": None, "bound_s": None, "expected_s": None}
    return {"low_s": rounded(law.low_s), "bound_s": rounded(law.bound_s), "expected_s": rounded(law.expected_s)}


def _quantiles(law: OutageBound | str) -> list[float | None] | None:
    """Every twentieth of the distribution of take-overs by theory."""
    return None if isinstance(law, str) else [rounded(each) for each in law.quantiles_s or ()] or None


def _within(
    fault: str,
    law: OutageBound | str,
    bound: OutageBound | str,
    taken: Sequence[float | None],
    outages: Sequence[float],
    interval_s: float,
) -> bool | None:
    """Whether every take-over and every outage agrees with theory; None where theory says nothing."""
    if isinstance(bound, str):
        return None
    if isinstance(law, str):
        told = all(at is None for at in taken)
    else:
        told = all(at is not None and law.holds(at, 0.0) for at in taken)
    # A router that hung announces nothing when it goes on: hosts may stay with the other one, and feel the next less.
    low = fault != "router_hang"
    return told and all(bound.holds(each, interval_s, low=low) for each in outages)
