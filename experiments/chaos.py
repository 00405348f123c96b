"""Chaos: does the network recover by itself from random faults, and how much traffic is lost meanwhile?

Question      When faults hit at random, one after the other and several at a time, how much do flows between the hosts
              lose, and is the network as before when the last fault has ended?
Factors       The number of faults (events) that begin within horizon_s, each lasting up to longest_s. Or a schedule, as
              a line (see testbed/faults/schedule.py) or as the file schedule.json of an earlier trial, which is then
              repeated. Mode, controller, and any other argument of the topology.
Procedure     1. Between every two of up to three hosts a UDP packet is sent each way every probe interval. With a web
                 service the client sends requests to it instead: packets to hosts would pass the balancers by.
              2. The schedule is drawn from the trial's seed over all elements and faults of the network, written to
                 schedule.json, and played.
              3. When the last fault has ended, the trial waits until all bonds are complete, the LAGs between switches
                 are up and all hosts reach each other, as at its start, and a web service answers.
Expectation   Every fault is repaired, so the network converges again within the time that LACP, the switches'
              reconnection and the monitors take. A trial whose network does not converge is censored.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError, TrialError
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.faults.schedule import Schedule, drawn, parsed, read
from testbed.lab import steps
from testbed.measure.outage import load_probe, outage, reordered
from testbed.measure.raw import controller_trouble, not_aggregated, read_json, read_timeline
from testbed.measure.requests import felt, load_requests
from testbed.observe.requests import check
from testbed.spec import Topology
from testbed.spec.bond import EVERY_MODE
from testbed.theory import chain, gateways

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_HOSTS = 3
_AFTER_S = 0.5
#: How long the client of a web service waits for an answer: longer than until TCP's next SYN (RFC 6298, 2.1: 1 s).
_TIMEOUT_S = 1.5
#: Defaults: how many faults a schedule has, how long it is, and how long a fault lasts at the most.
_EVENTS, _HORIZON_S, _LONGEST_S = 6, 10.0, 3.0


def schedule_of(topology: Topology, case: Mapping[str, Level], seed: int) -> Schedule:
    """The schedule of a trial: the one that its case names, or one drawn from its seed. Errors: SpecError."""
    if text := str(case.get("schedule", "")):
        return parsed(text)
    return drawn(
        topology,
        seed,
        int(case["events"]),
        horizon_s=float(case.get("horizon_s", _HORIZON_S)),
        longest_s=float(case.get("longest_s", _LONGEST_S)),
        controller=schemes.chosen(case).side.controller,
    )


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why the schedule of a case cannot be played in that network, or nothing be asked there; None if both can."""
    if topology.entry is None:
        blocked = gateways.blocked_either_way(topology, *topology.pair)
    else:
        blocked = chain.unreached(topology, schemes.chosen(case).side)
    if blocked is not None:
        return blocked
    try:
        schedule = schedule_of(topology, case, 1)
        schedule.checked(topology)
        if topology.entry is not None:
            check(float(case["probe_interval_ms"]) / 1e3, _TIMEOUT_S)
    except SpecError as error:
        return ". ".join(filter(None, (error.message, error.hint.removesuffix("."))))  # the hint lists what is there
    drawn_by = {"events": _EVENTS, "horizon_s": _HORIZON_S, "longest_s": _LONGEST_S}
    for name, default in drawn_by.items():
        if case.get("schedule") and case.get(name, default) != default:
            return f"{name}={case[name]}: it is of a schedule that is drawn, and here one is given"
    controlled = schemes.chosen(case).side.controller
    for each in schedule.injections:
        if "controller" in catalogue.named(each.fault).element and not controlled:
            return f"{each.fault}: with controller={case['controller']} no controller controls the switches"
    return None


def procedure(lab: Lab) -> None:
    """Inside: probe, or ask, play the schedule, wait until the network has converged."""
    interval_s = float(lab.case["probe_interval_ms"]) / 1e3
    if lab.topology.entry is not None:
        with steps.asking(lab, interval_s, timeout_s=_TIMEOUT_S):
            _play(lab)
        return
    hosts = lab.topology.protected or tuple(host.name for host in lab.topology.hosts)
    with steps.probing_both_ways(lab, interval_s, list(itertools.combinations(hosts[:_HOSTS], 2))):
        _play(lab)


def _play(lab: Lab) -> None:
    lab.sleep_until(lab.now() + steps.BEFORE_S)
    steps.wait_random_phase(lab, steps.longest_period_s(lab))
    lab.note("schedule", "begin")
    lab.play(schedule_of(lab.topology, lab.case, lab.trial.seed))
    lab.note("schedule", "end")
    try:
        lab.wait_converged()
        if lab.topology.entry is not None:
            steps.wait_answered(lab)
    except TrialError as error:
        lab.note("network", "not_recovered", reason=error.message)
    else:
        lab.note("network", "recovered")
    lab.sleep_until(lab.now() + (_AFTER_S if lab.topology.entry is None else _TIMEOUT_S))


def measure(raw: Path, trial: Trial) -> Measured:
    """Outside: what the flows or the requests lost, and how long the network took to converge again."""
    interval_s = float(trial.case["probe_interval_ms"]) / 1e3
    timeline = read_timeline(raw / "timeline.jsonl")
    at = {(e["source"], e["event"]): e for e in timeline if e["source"] in ("schedule", "network")}
    begin, end = at["schedule", "begin"]["t_s"], at["schedule", "end"]["t_s"]
    recovered = at.get(("network", "recovered"))
    look = _probed if trial.topology.entry is None else _asked
    metrics: dict[str, Any] = {
        "strikes": len(read_json(raw / "schedule.json")),
        **look(raw, begin, interval_s),
        "recovery_s": round(recovered["t_s"] - end, 9) if recovered else None,
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline))
    if recovered is None:
        reason = at["network", "not_recovered"]["reason"]
        return Measured(metrics, "censored", f"the network did not come back: {reason}", warnings)
    return Measured(metrics, warnings=warnings)


def _probed(raw: Path, begin_s: float, interval_s: float) -> dict[str, Any]:
    flows = load_probe(raw / "probe.csv")
    last_s = min(float(flow.sent_s[-1]) for flow in flows)
    outages = {flow.name: outage(flow, interval_s, begin_s, last_s) for flow in flows}
    return {
        "outage_s": round(max(each.outage_s for each in outages.values()), 9),
        "outage_loss_s": round(max(each.outage_loss_s for each in outages.values()), 9),
        "lost": sum(each.lost for each in outages.values()),
        "duplicated": sum(flow.duplicated for flow in flows),
        "reordered": sum(reordered(flow) for flow in flows),
        "flows": {name: {"outage_s": round(each.outage_s, 9), "lost": each.lost} for name, each in outages.items()},
    }


def _asked(raw: Path, begin_s: float, interval_s: float) -> dict[str, Any]:
    """The outage is the longest time without success."""
    requests = load_requests(raw / "requests.csv")
    found = felt(requests, begin_s, requests[-1].due_s, interval_s=interval_s)
    return {"outage_s": round(max(0.0, found.longest_gap_s - interval_s), 9), **found.metrics()}


def chaos() -> Experiment:
    """The experiment."""
    return Experiment(
        name="chaos",
        title="Random faults",
        question="Does the network recover from random faults, and how much traffic is lost meanwhile?",
        topology="mlag",
        factors=(
            Factor("mode", ("802.3ad",), "mode of the hosts", known=EVERY_MODE),
            schemes.FACTOR,
            Factor("events", (_EVENTS,), "how many faults are injected", least=1),
            Factor("probe_interval_ms", (2.0,), "time between two probe packets of a flow, or two requests", least=0.1),
        ),
        options=(
            Factor("schedule", ("",), "a schedule to play instead: a line of injections, or a file", read=read),
            Factor("horizon_s", (_HORIZON_S,), "the faults begin within this many seconds", least=0.1),
            Factor("longest_s", (_LONGEST_S,), "the longest that a fault lasts, in seconds", least=0.1),
        ),
        procedure=procedure,
        measure=measure,
        figures=("lanes",),
        repetitions=10,
        quick_repetitions=2,
        limit_s=300.0,
        not_applicable=not_applicable,
    )
