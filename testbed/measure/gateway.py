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
from testbed.measure.outage import load_probe, outage
from testbed.measure.raw import Event, controller_trouble, fault_windows, read_timeline
from testbed.measure.validity import check_clock, check_probe, unseen
from testbed.spec import Topology
from testbed.theory import OutageBound, vrrp

#: So many Advertisements are sent in each fault in which some are lost at random.
ADVERTS = 100


def best(topology: Topology) -> str:
    """The router that is master while all live: that with the highest priority."""
    return topology.vrrp[0].ranked[0]


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
    router = topology.vrrp[0].ranked[1]
    log = (raw / "services" / router / "keepalived.out").read_text(errors="replace")
    return log.count(f"({topology.interfaces(router)[0]}) Entering MASTER STATE")


def measure(raw: Path, trial: Trial, interval_s: float) -> Measured:
    """The metrics of a trial with many faults (results/README.md)."""
    flows = load_probe(raw / "probe.csv")
    check_clock(flows)
    timeline = read_timeline(raw / "timeline.jsonl")
    group, fault = trial.topology.vrrp[0], str(trial.case["fault"])
    windows = [(begin_s, end_s) for begin_s, end_s, _ in fault_windows(timeline) if end_s is not None]
    lasts = [begin_s for begin_s, _ in windows[1:]] + [min(float(flow.sent_s[-1]) for flow in flows)]
    outages = [max(outage(flow, interval_s, *window).outage_s for flow in flows) for window in windows]
    back = [
        max(outage(flow, interval_s, end_s, last_s).outage_s for flow in flows)
        for (_, end_s), last_s in zip(windows, lasts, strict=True)
    ]
    taken = takeovers(timeline, trial.topology)[: len(windows)]
    seen = [at for at in taken if at is not None]
    law, bound = vrrp.takeover(group, fault), vrrp.outage(group, fault)
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
    }
    if fault == "lossy":
        metrics |= _beside(raw, trial, len(windows))
        law = "the next best router is master beside it"
    warnings = (*check_probe(raw / "probe.json", flows), *controller_trouble(timeline), *unseen(timeline))
    if len(windows) < int(trial.case["faults"]):
        return Measured(metrics, "failed", f"only {len(windows)} faults: the router did not come back", warnings)
    if len(seen) < len(taken) and not isinstance(law, str):
        warnings = (*warnings, f"no other router announced the address in {len(taken) - len(seen)} faults")
    return Measured(metrics, warnings=warnings)


def _beside(raw: Path, trial: Trial, faults: int) -> dict[str, Any]:
    """How often another router was master beside the best one while Advertisements were lost, and by theory.

    Every fault but the first finds the timer set anew, so the numbers of each are independent.
    """
    found, group = masters_beside(raw, trial.topology), trial.topology.vrrp[0]
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
