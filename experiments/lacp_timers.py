"""LACP's timers: how long does each end of a link take to time out a silent partner?

Question      How long does LACP take, at each end, to remove a member whose frames are lost while its carrier stays,
              and does that agree with the standard's timers?
Factors       lacp_rate (which both ends ask of each other), end (host: the kernel's bond; switch: the controller), and
              any other argument of the topology.
Procedure     1. One trial injects many silent losses in one network, in both directions at once: each on a member of
                 the client drawn at random, at an instant drawn at random over one LACP period.
              2. A loss lasts until both ends must have detected it. Then the member is repaired, and the next loss
                 follows once it carries traffic again.
Measurement   host:   from the fault to the kernel's message (netlink) that the bond took the member out.
              switch: from the fault to the Receive machine's transition to EXPIRED for that port in the controller.
Expectation   Each LACPDU restarts current_while_timer, so what is left of it is the timeout less the age of the last
              LACPDU: uniform in (2, 3] s with rate fast, in (60, 90] s with rate slow (IEEE 802.1AX-2014, 6.4.4 and
              6.4.12; each timer may be off by 250 ms, 6.4.10). The bonding driver counts its timers in steps of
              100 ms, and the kernel makes 104 ms of each (theory.monitor_period_s): its 3 s are 3.12 s and its 90 s are
              93.6 s. A trial at the host's end is held to this bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes, theory
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.lab.steps import far_end, wait_back, wait_random_phase
from testbed.measure.detection import after_each_fault, expired_after_each_fault
from testbed.measure.raw import controller_trouble, not_aggregated, read_timeline
from testbed.spec import Topology
from testbed.theory.clocks import lacpdu_period_s

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_NOTICED_S = 1.0


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why a case does not apply to that network; None if it does."""
    if case["end"] == "switch" and not topology.switches:
        return f"end=switch: topology {topology.name!r} has no switch"
    return None


def lasts_s(case: Mapping[str, Level], topology: Topology) -> float:
    """About how long a trial lasts on its own clock, in seconds."""
    rate = topology.bond(topology.client).lacp_rate
    drawn_s = lacpdu_period_s(rate, driver=case["end"] == "switch") / 2
    return int(case["faults"]) * (drawn_s + theory.bonding_lacp_bound(rate).limit_s + _NOTICED_S)


def procedure(lab: Lab) -> None:
    """Inside: inject a silent loss into one member after another."""
    rate = lab.topology.bond(lab.client).lacp_rate
    longest_s = theory.bonding_lacp_bound(rate).limit_s
    for _ in range(int(lab.case["faults"])):
        port = far_end(lab, lab.random.choice(lab.members(lab.client)))
        wait_random_phase(lab, lacpdu_period_s(rate, driver=lab.case["end"] == "switch"))
        with lab.fault("silent_loss", port):
            lab.sleep_until(lab.now() + longest_s + _NOTICED_S)
        if not wait_back(lab, lab.client):
            return


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    timeline = read_timeline(raw / "timeline.jsonl")
    rate = trial.topology.bond(trial.topology.client).lacp_rate
    if trial.case["end"] == "host":
        found, bound = (
            after_each_fault(timeline, trial.topology.client, ("role", "backup")),
            theory.bonding_lacp_bound(rate),
        )
    else:
        found, bound = expired_after_each_fault(timeline), theory.facing_bonding_lacp_bound(rate)
    seen = [at for at in found if at is not None]
    quantiles_s = bound.quantiles_s
    standard = theory.lacp_bound(rate)
    metrics = {
        "faults": len(found),
        "detections_s": found,
        "detection_min_s": min(seen, default=None),
        "detection_max_s": max(seen, default=None),
        "standard_low_s": standard.low_s,
        "standard_bound_s": standard.bound_s,
        "low_s": round(bound.low_s, 9),
        "bound_s": round(bound.bound_s, 9),
        "expected_s": None if bound.expected_s is None else round(bound.expected_s, 9),
        "law_quantiles_s": quantiles_s and [round(each, 9) for each in quantiles_s],
        **_intervals(seen, bound, trial),
        "within_bound": _within(found, bound),
        "within_standard": _within(found, standard),
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline))
    if len(found) < int(trial.case["faults"]):
        return Measured(metrics, "failed", f"only {len(found)} faults: the member did not come back", warnings)
    return Measured(metrics, warnings=warnings)


def _intervals(seen: list[float], bound: theory.OutageBound, trial: Trial) -> dict[str, list[float] | None]:
    """Where by the extreme times alone the ends of a uniform distribution are, with 95 % confidence."""
    from testbed import stats  # here, because scipy is not there in a trial

    found: dict[str, list[float] | None] = {"low_interval_s": None, "bound_interval_s": None}
    if seen and trial.case["end"] == "switch":
        found["low_interval_s"] = [round(each, 9) for each in stats.low_end_interval(seen, bound.bound_s)]
        found["bound_interval_s"] = [round(each, 9) for each in stats.high_end_interval(seen, bound.low_s)]
    return found


def _within(found: Sequence[float | None], bound: theory.OutageBound) -> bool:
    """Whether every detection is in the bound's interval, give or take its tolerance."""
    return all(at is not None and bound.low_s - bound.tolerance_s < at <= bound.limit_s for at in found)


def lacp_timers() -> Experiment:
    """The experiment."""
    return Experiment(
        name="lacp_timers",
        title="LACP's timers",
        question="How long does LACP take, at each end, to remove a member whose frames are lost?",
        topology="single_switch",
        factors=(
            Factor("mode", ("802.3ad",), "bonding mode of both hosts", known=("802.3ad",)),
            Factor("controller", ("testbed",), schemes.FACTOR.meaning, known=("testbed",)),
            Factor("lacp_rate", ("fast", "slow"), "LACP rate that both ends ask of each other"),
            Factor("end", ("host", "switch"), "which end has to detect the fault", known=("host", "switch")),
            Factor("faults", (20,), "silent losses in one trial", least=1),
        ),
        bonded=True,
        procedure=procedure,
        lasts_s=lasts_s,
        measure=read,
        figures=("detection",),
        repetitions=5,
        quick_repetitions=1,
        limit_s=6000.0,
        not_applicable=not_applicable,
    )
