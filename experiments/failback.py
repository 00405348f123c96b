"""Fail-back: what does the return of a repaired member do to the traffic that had moved away?

Question      Does traffic go back to a repaired member, by itself or by hand, when, and what does that cost?
Factors       Mode, primary_reselect, who moves the traffic back (the bond itself, or an operator), updelay_ms, and
              anything else that the topology lets vary.
Procedure     1. Two hosts send each other a UDP packet every millisecond.
              2. The member of h1 that carries the traffic, which is the primary where the mode has one, loses its
                 carrier at an instant drawn over the monitor's real period, for as long as it takes until all
                 have noticed and a second more.
              3. It is repaired, and the trial goes on until the member can carry traffic again.
              4. back=hand: then the member is made the active one by the operator's command.
Expectation   active-backup (bonding.rst, primary_reselect): always: back as soon as the monitor sees the primary up;
              better: only if it is faster, so not here; failure: only when the other one fails. By hand: at once. The
              old active member works until the change, so that nothing is lost by it. 802.3ad and the modes that
              balance take the member in again by themselves. updelay delays that by as much.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor
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

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_RESUMED_S, _AFTER_S = 1.0, 0.5


def procedure(lab: Lab) -> None:
    """Inside: probe, cut, repair, and move the traffic back."""
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
            Factor("fault", ("carrier_loss",), "what befalls the member in use", known=("carrier_loss",)),
            Factor("primary_reselect", ("always", "better", "failure"), "when a primary takes over again"),
            Factor("back", ("itself", "hand"), "who moves the traffic back", known=("itself", "hand")),
            Factor("updelay_ms", (0, 500), "how long a carrier must be there", least=0),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("outage", "lanes"),
        repetitions=10,
        quick_repetitions=1,
        limit_s=300.0,
    )
