"""Losing the controller: does traffic stop when the controller is killed or paused, and when it is back?

Question      What outage does a constant-rate flow between two bonded hosts have when the controller is away for a
              while, when a member fails meanwhile, and when the controller is back?
Factors       event: the controller is killed and started again (controller_crash), or stopped and continued
              (controller_pause). down_s: for how long. restart: the new controller continues from the state that the
              old one saved (resume), or starts without it (fresh). member_cut: whether a member of the client loses
              its carrier 0.5 s after the event begins, until the end. lacp_rate, and any other argument of the
              topology.
Procedure     1. The client and the server send each other a UDP packet every probe interval, with sequence numbers.
              2. At an instant drawn at random over one LACP period the event begins. It lasts for down_s.
              3. The trial continues for as long as the switches may need to reconnect and LACP to negotiate again.
              4. The cut member is repaired, and the trial ends when all members carry traffic again.
Expectation   Flows and groups stay in the switches, and a select group leaves a port without carrier by itself. So
              nothing is lost until a host's bond has received no LACPDU for its timeout, 3 s (fast) or 90 s (slow), of
              which up to one period has passed when the event begins. Then LACP has to negotiate again. A fresh
              controller takes all members out, however short its absence, and waits for Aggregate_Wait_Time (2 s).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import theory
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.errors import TrialError
from testbed.experiment.experiment import Experiment
from testbed.faults.catalogue import CONTROLLER
from testbed.lab.steps import carrying, far_end, lacp_period_s, probing_both_ways, wait_back, wait_random_phase
from testbed.measure.impact import rounded
from testbed.measure.outage import load_probe, outage
from testbed.measure.raw import controller_trouble, not_aggregated, read_timeline
from testbed.schemes import testbed_lacp
from testbed.spec import Topology
from testbed.theory.controller_loss import AGGREGATE_WAIT_S, EXCHANGE_S, controller_loss_bound

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

Event = dict[str, Any]

EVENTS = ("controller_crash", "controller_pause")
_BEFORE_S, _CUT_AFTER_S, _AFTER_S = 0.5, 0.5, 0.5
#: Switches try to reconnect after a second at the most.
_RECONNECT_S = 1.0


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why a case does not apply to that network; None if it does."""
    if not topology.switches:
        return f"topology {topology.name!r} has no switch, so it has no controller"
    if case["event"] == "controller_pause" and case["restart"] != "resume":
        return f"restart={case['restart']}: a controller that was only stopped continues with its state"
    return None


def procedure(lab: Lab) -> None:
    """Inside: probe, take the controller away, cut a member, restore both."""
    event, down_s = str(lab.case["event"]), float(lab.case["down_s"])
    with probing_both_ways(lab, float(lab.case["probe_interval_ms"]) / 1e3), contextlib.ExitStack() as cut:
        member = carrying(lab, lab.client)
        lab.sleep_until(lab.now() + _BEFORE_S)
        wait_random_phase(lab, lacp_period_s(lab, lab.client))
        start_s = lab.now()
        with lab.fault(event, CONTROLLER):
            if lab.case["member_cut"]:
                lab.sleep_until(start_s + _CUT_AFTER_S)
                cut.enter_context(lab.fault("carrier_loss", far_end(lab, member)))
            lab.sleep_until(start_s + down_s)
        lab.sleep_until(lab.now() + _RECONNECT_S + AGGREGATE_WAIT_S + 2 * EXCHANGE_S)
        lab.note("network", "settled")
        cut.close()
        wait_back(lab, lab.client)
        lab.sleep_until(lab.now() + _AFTER_S)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    interval_s = float(trial.case["probe_interval_ms"]) / 1e3
    timeline = read_timeline(raw / "timeline.jsonl")
    begin_s = _at(timeline, source="fault", event="begin", element=CONTROLLER)
    settled_s = _at(timeline, source="network", event="settled")
    flows = load_probe(raw / "probe.csv")
    found = [outage(flow, interval_s, begin_s, settled_s) for flow in flows]
    returns = [outage(flow, interval_s, settled_s, float(flow.sent_s[-1])) for flow in flows]
    worst = max(found, key=lambda each: each.outage_s)
    back_s = _back_s(timeline, trial, begin_s)
    bond = trial.topology.bond(trial.topology.client)
    # A process that was only stopped still has its state.
    restart = "resume" if trial.case["event"] == "controller_pause" else str(trial.case["restart"])
    bounds = [controller_loss_bound(bond.lacp_rate, back_s - begin_s, restart)]
    if trial.case["member_cut"]:
        cut = theory.failover_bound(bond, "carrier_loss")
        bounds = [*bounds, cut] if cut is not None else []  # without a bound of the cut there is none of both
    metrics = {
        "outage_s": rounded(worst.outage_s),
        "outage_loss_s": rounded(worst.outage_loss_s),
        "lost": sum(each.lost for each in (*found, *returns)),
        "duplicated": sum(flow.duplicated for flow in flows),
        "reversion_outage_s": rounded(max(each.outage_s for each in returns)),
        "away_s": rounded(back_s - begin_s),
        "members_lost": _members_lost(timeline, begin_s, settled_s),
        "resumed": any(line["event"] == "resumed" for line in timeline if line["source"] == "controller"),
        "bound_s": rounded(max(bound.bound_s for bound in bounds)) if bounds else None,
        "expected_s": None,
        "within_bound": worst.recovered and worst.outage_s <= max(bound.limit_s for bound in bounds)
        if bounds
        else None,
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline))
    if not all(each.recovered for each in found):
        return Measured(metrics, "censored", "traffic did not resume", warnings)
    return Measured(metrics, warnings=warnings)


def _back_s(timeline: Sequence[Event], trial: Trial, begin_s: float) -> float:
    """When the last switch had a running controller again."""
    if trial.case["event"] == "controller_pause":
        return _at(timeline, source="fault", event="end", element=CONTROLLER)
    again = [line["t_s"] for line in timeline if line["event"] == "switch_connected" and line["t_s"] > begin_s]
    if len(again) < len(trial.topology.switches):
        raise TrialError("timeline.jsonl lacks a switch that connected again")
    return float(again[len(trial.topology.switches) - 1])


def _members_lost(timeline: Sequence[Event], begin_s: float, end_s: float) -> int:
    """How many members a bond took out while their link was up, as LACP does."""
    down: set[str] = set()
    lost = 0
    for line in timeline:
        if line["source"] == "carrier":
            (down.discard if line["new"] else down.add)(line["interface"])
        elif (line["source"], line["event"], line.get("new")) == ("bond", "role", "backup"):
            lost += begin_s <= line["t_s"] < end_s and line["interface"] not in down
    return lost


def _at(timeline: Sequence[Event], **wanted: str) -> float:
    for line in timeline:
        if wanted.items() <= line.items():
            return float(line["t_s"])
    raise TrialError(f"timeline.jsonl lacks the event {' '.join(wanted.values())}")


def controller_loss() -> Experiment:
    """The experiment."""
    return Experiment(
        name="controller_loss",
        title="Losing the controller",
        question="Does traffic stop when the controller is killed or paused, and when it is back?",
        topology="single_switch",
        factors=(
            Factor("event", ("controller_crash",), "what happens to the controller", known=EVENTS),
            Factor("down_s", (1.5, 5.0), "how long it is away", least=0.0),
            Factor("restart", testbed_lacp.RESTARTS, "how a new one starts", known=testbed_lacp.RESTARTS),
            Factor("lacp_rate", ("fast", "slow"), "LACP rate that both ends ask of each other"),
            Factor("member_cut", (False,), "whether a member in use is cut meanwhile", known=(False, True)),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("outage",),
        repetitions=5,
        quick_repetitions=1,
        limit_s=400.0,
        not_applicable=not_applicable,
    )
