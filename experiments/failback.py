"""Fail-back: how does the return of a repaired member affect the traffic that had moved away?

Question      Does traffic return to a repaired member, by itself or by an operator's command, when, and at what cost?
Factors       Mode, primary_reselect, back (what moves the traffic back: itself, the bond; hand, an operator),
              updelay_ms, and any other argument of the topology.
Procedure     1. The client and the server send each other a UDP packet every probe interval.
              2. The member of the client that carries the traffic (the primary, where the mode has one) loses its
                 carrier at an instant drawn at random over the monitor's period. The loss lasts one second longer than
                 both ends need to detect it.
              3. The member is repaired, and the trial continues until it can carry traffic again.
              4. back=hand: the operator's command makes it the active member.
Expectation   active-backup (bonding.rst, primary_reselect): always: as soon as the monitor sees the primary up;
              better: only if it is faster, which it is not here; failure: only when the other member fails. By hand:
              at once. The old active member works until the change, so nothing is lost by it. 802.3ad and the
              balancing modes use the member again by themselves. updelay delays that by its own length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.lab.steps import (
    BEFORE_S,
    carrying,
    far_end,
    noticed_s,
    period_s,
    probing_both_ways,
    wait_back,
    wait_random_phase,
)
from testbed.measure.failover import measure
from testbed.measure.raw import event_of, read_timeline
from testbed.spec import Topology
from testbed.spec.bond import PRIMARY_MODES

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_RESUMED_S, _AFTER_S = 1.0, 0.5


def procedure(lab: Lab) -> None:
    """Inside: probe, cut the member, repair it, and move the traffic back."""
    with probing_both_ways(lab, float(lab.case["probe_interval_ms"]) / 1e3):
        member = carrying(lab, lab.client)
        lab.sleep_until(lab.now() + BEFORE_S)
        wait_random_phase(lab, period_s(lab, "carrier_loss"))
        with lab.fault("carrier_loss", far_end(lab, member)):
            lab.sleep_until(lab.now() + noticed_s(lab, "carrier_loss") + _RESUMED_S)
        wait_back(lab, lab.client)
        lab.sleep_until(lab.now() + _AFTER_S)
        if lab.case["back"] == "hand":
            lab.note("network", "by_hand", interface=member)
            lab.network.bond(lab.client).set_active(member)
            lab.sleep_until(lab.now() + _AFTER_S)


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why a case does not apply to that network; None if it does."""
    mode = topology.bond(topology.client).mode
    if case["back"] == "hand" and mode not in PRIMARY_MODES:
        return f"back=hand: mode {mode} has no active member that an operator could choose"
    return None


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: a failover trial's metrics, and whether and when the traffic was back."""
    found = measure(raw, trial, interval_s=float(trial.case["probe_interval_ms"]) / 1e3)
    timeline = read_timeline(raw / "timeline.jsonl")
    used = event_of(timeline, "network", "member_in_use")["interface"]
    end_s = event_of(timeline, "fault", "end")["t_s"]
    active = [e for e in timeline if e["event"] == "active_member" and e.get("host") == trial.topology.client]
    back = next((e["t_s"] for e in active if e["t_s"] > end_s and e["new"] == used), None)
    extra = {
        "returned": active[-1]["new"] == used if active else None,
        "return_s": None if back is None else round(back - end_s, 9),
    }
    return dataclasses.replace(found, metrics={**found.metrics, **extra})


def failback() -> Experiment:
    """The experiment."""
    return Experiment(
        name="failback",
        title="Fail-back",
        question="Does traffic go back to a repaired member, when, and what does that cost?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup",), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("fault", ("carrier_loss",), "the fault of the member in use", known=("carrier_loss",)),
            Factor("primary_reselect", ("always", "better", "failure"), "when a primary takes over again"),
            Factor("back", ("itself", "hand"), "what moves the traffic back", known=("itself", "hand")),
            Factor("updelay_ms", (0, 500), "how long a carrier must be present", least=0),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("outage", "lanes"),
        repetitions=10,
        quick_repetitions=1,
        limit_s=300.0,
        not_applicable=not_applicable,
    )
