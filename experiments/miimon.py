"""The MII monitor: how long does a bond take to detect that a member has lost its carrier?

Question      How are the detection times of the bonding driver's link monitor distributed?
Factors       Mode, miimon_ms, downdelay_ms, and any other argument of the topology.
Procedure     1. One trial injects many carrier losses in one network, each on a member of the client drawn at random.
              2. A loss begins at an instant drawn at random over a whole period of the monitor, counted from the return
                 of the last member, so that all phases of the monitor are equally likely.
              3. A loss lasts for two periods of the monitor, plus downdelay. Then the member is repaired, and the next
                 loss follows once it can carry traffic again.
Measurement   From the loss to the kernel's own message (netlink) that the member's link is down. No traffic is needed.
Expectation   The monitor checks the link every m ms, so each time up to m is equally likely: uniform in (0, m], plus
              downdelay. The kernel's m is slightly longer, because it rounds its timers up (theory.monitor_period_s);
              the distribution is tested against that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes, theory
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.lab.steps import far_end, wait_back, wait_random_phase
from testbed.measure.detection import after_each_fault
from testbed.measure.raw import controller_trouble, not_aggregated, read_timeline
from testbed.spec import Topology
from testbed.spec.bond import DRIVER_MODES

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


def lasts_s(case: Mapping[str, Level], topology: Topology) -> float:
    """About how long a trial lasts on its own clock, in seconds."""
    bond = topology.bond(topology.client)
    period_s = theory.monitor_period_s(bond.miimon_ms)
    return int(case["faults"]) * (bond.downdelay_ms / 1e3 + 2.5 * period_s + bond.updelay_ms / 1e3)


def procedure(lab: Lab) -> None:
    """Inside: cut one member after another."""
    bond = lab.topology.bond(lab.client)
    period_s = theory.monitor_period_s(bond.miimon_ms)
    for _ in range(int(lab.case["faults"])):
        port = far_end(lab, lab.random.choice(lab.members(lab.client)))
        wait_random_phase(lab, period_s)
        with lab.fault("carrier_loss", port):
            lab.sleep_until(lab.now() + bond.downdelay_ms / 1e3 + 2 * period_s)
        if not wait_back(lab, lab.client):
            return


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    timeline = read_timeline(raw / "timeline.jsonl")
    found = after_each_fault(timeline, trial.topology.client)
    seen = [at for at in found if at is not None]
    bond = trial.topology.bond(trial.topology.client)
    period_s = theory.monitor_period_s(bond.miimon_ms)
    delay_s = bond.downdelay_ms // bond.miimon_ms * period_s
    metrics = {
        "faults": len(found),
        "detections_s": found,
        "detection_min_s": min(seen, default=None),
        "detection_max_s": max(seen, default=None),
        "period_s": period_s,
        "low_s": delay_s,
        "bound_s": round(delay_s + period_s, 9),
        "expected_s": round(delay_s + period_s / 2, 9),
        "asked_bound_s": round((bond.downdelay_ms // bond.miimon_ms + 1) * bond.miimon_ms / 1e3, 9),
        "bound_interval_s": _interval(seen, delay_s),
        "within_bound": all(at is not None and at <= delay_s + period_s + 1 / theory.GUEST_HZ for at in found),
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline))
    if len(found) < int(trial.case["faults"]):
        return Measured(metrics, "failed", f"only {len(found)} cuts: the member did not come back", warnings)
    return Measured(metrics, warnings=warnings)


def _interval(seen: list[float], low_s: float) -> list[float] | None:
    """Where by the largest time alone the upper end of a uniform distribution is, with 95 % confidence."""
    from testbed import stats  # here, because scipy is not there in a trial

    return [round(end_s, 9) for end_s in stats.high_end_interval(seen, low_s)] if seen else None


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why there is no link monitor to time; None if there is one."""
    del case
    bond = topology.bond(topology.client)
    if bond.mode in DRIVER_MODES:
        return f"mode {bond.mode} has no link monitor (miimon_ms)"
    return None


def miimon() -> Experiment:
    """The experiment."""
    return Experiment(
        name="miimon",
        title="Detection by the MII monitor",
        question="How are the times distributed that a bond takes to detect a lost carrier?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup",), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("miimon_ms", (50, 100, 200), "interval of the link monitor", (100,), least=1),
            Factor("downdelay_ms", (0,), "how long a carrier must be absent", least=0),
            Factor("faults", (50,), "carrier losses in one trial", least=1),
        ),
        bonded=True,
        not_applicable=not_applicable,
        procedure=procedure,
        lasts_s=lasts_s,
        measure=read,
        figures=("detection",),
        repetitions=8,
        quick_repetitions=4,
    )
