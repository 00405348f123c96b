"""Chaos: does the network come back, by itself, from whatever was done to it, and what did traffic feel meanwhile?

Question      When faults strike at random, one after the other and several at a time, what do flows between the hosts
              lose, and is everything as before when the last fault has ended?
Factors       How many faults (events) strike within horizon_s, each for up to longest_s; or a schedule, as a line
              (see testbed/faults/schedule.py) or as the file schedule.json that an earlier trial left: then that one is
              played again. Mode, controller, and whatever the topology lets vary.
Procedure     1. Every two of up to three hosts send each other a UDP packet each probe interval.
              2. The schedule is drawn from the trial's seed over all that can fail in the network, written to
                 schedule.json, and played from an instant drawn over the slowest link monitor's real period on.
              3. When the last fault has ended, the trial waits until all bonds are complete, the LAGs between switches
                 are up and all hosts reach each other, as it did at its beginning.
Expectation   Everything that was broken is mended, so the network converges again within the time that LACP, the
              switches' reconnection and the monitors take. A trial whose network does not is censored.
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
from testbed.spec import MODES, Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_HOSTS = 3
_AFTER_S = 0.5
#: Unless they are asked for: how long the schedule is, and how long a fault lasts at the most.
_HORIZON_S, _LONGEST_S = 10.0, 3.0


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
    """Why the schedule of a case cannot be played in that network; None if it can."""
    try:
        schedule = schedule_of(topology, case, 1)
        schedule.checked(topology)
    except SpecError as error:
        return error.message
    controlled = schemes.chosen(case).side.controller
    for each in schedule.injections:
        if "controller" in catalogue.named(each.fault).element and not controlled:
            return f"{each.fault}: with controller={case['controller']} no controller controls the switches"
    return None


def procedure(lab: Lab) -> None:
    """Inside: probe, let everything happen, wait until all is well."""
    hosts = [host.name for host in lab.topology.hosts][:_HOSTS]
    pairs = list(itertools.combinations(hosts, 2))
    with steps.probing_both_ways(lab, float(lab.case["probe_interval_ms"]) / 1e3, pairs):
        lab.sleep_until(lab.now() + steps.BEFORE_S)
        steps.wait_random_phase(lab, steps.longest_period_s(lab))
        lab.note("schedule", "begin")
        lab.play(schedule_of(lab.topology, lab.case, lab.trial.seed))
        lab.note("schedule", "end")
        try:
            lab.wait_converged()
        except TrialError as error:
            lab.note("network", "not_recovered", reason=error.message)
        else:
            lab.note("network", "recovered")
        lab.sleep_until(lab.now() + _AFTER_S)


def measure(raw: Path, trial: Trial) -> Measured:
    """Outside: what the flows felt, and how long the network took to be whole again."""
    interval_s = float(trial.case["probe_interval_ms"]) / 1e3
    flows, timeline = load_probe(raw / "probe.csv"), read_timeline(raw / "timeline.jsonl")
    at = {(e["source"], e["event"]): e for e in timeline if e["source"] in ("schedule", "network")}
    begin, end = at["schedule", "begin"]["t_s"], at["schedule", "end"]["t_s"]
    last_s = min(float(flow.sent_s[-1]) for flow in flows)
    felt = {flow.name: outage(flow, interval_s, begin, last_s) for flow in flows}
    recovered = at.get(("network", "recovered"))
    metrics: dict[str, Any] = {
        "strikes": len(read_json(raw / "schedule.json")),
        "outage_s": round(max(each.outage_s for each in felt.values()), 9),
        "outage_loss_s": round(max(each.outage_loss_s for each in felt.values()), 9),
        "lost": sum(each.lost for each in felt.values()),
        "duplicated": sum(flow.duplicated for flow in flows),
        "reordered": sum(reordered(flow) for flow in flows),
        "recovery_s": round(recovered["t_s"] - end, 9) if recovered else None,
        "flows": {name: {"outage_s": round(each.outage_s, 9), "lost": each.lost} for name, each in felt.items()},
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline))
    if recovered is None:
        reason = at["network", "not_recovered"]["reason"]
        return Measured(metrics, "censored", f"the network did not come back: {reason}", warnings)
    return Measured(metrics, warnings=warnings)


def chaos() -> Experiment:
    """The experiment."""
    return Experiment(
        name="chaos",
        title="Faults at random",
        question="Does the network come back from faults at random, and what does traffic feel meanwhile?",
        topology="mlag",
        factors=(
            Factor("mode", ("802.3ad",), "bonding mode of the hosts", known=MODES),
            schemes.FACTOR,
            Factor("events", (6,), "how many faults strike", least=1),
            Factor("probe_interval_ms", (2.0,), "time between two probe packets of a flow", least=0.1),
        ),
        options=(
            Factor("schedule", ("",), "a schedule to play instead: a line of strikes, or a file", read=read),
            Factor("horizon_s", (_HORIZON_S,), "the faults begin within so many seconds", least=0.1),
            Factor("longest_s", (_LONGEST_S,), "each lasts at most so long", least=0.1),
        ),
        procedure=procedure,
        measure=measure,
        figures=("lanes",),
        repetitions=10,
        quick_repetitions=2,
        limit_s=300.0,
        not_applicable=not_applicable,
    )
