"""The MII monitor: how long does a bond take to see that a member has lost its carrier?

Question      How is the time distributed that the bonding driver's monitor needs to notice a lost carrier?
Factors       Mode, miimon_ms, downdelay_ms, and anything else that the topology lets vary.
Procedure     1. One trial cuts many times in one network, each time a member of h1 drawn at random.
              2. Each cut falls at an instant drawn at random over a whole period of the monitor, counted from when the
                 last member was back, so that every phase of the monitor is hit alike.
              3. The cut lasts until the monitor must have looked twice; then the member returns, and once it can carry
                 traffic again the next cut may come.
Measurement   From the cut to the kernel's own message (netlink) that the member's link is down. No traffic is needed.
Expectation   The monitor looks every m ms, so each time up to m is equally likely: uniform in (0, m], plus downdelay.
              What the kernel makes of m is a little more, because it rounds its timers up (theory.monitor_period_s).
              Which of the two it is the largest time decides (stats.high_end_interval); a test of the distribution
              would hardly tell them apart (stats.uniform_power). The fault's phase is drawn over the kernel's period,
              so that the shape is no finding: its ends are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes, stats, theory
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.lab.steps import far_end, wait_back, wait_random_phase
from testbed.measure.detection import after_each_fault
from testbed.measure.raw import controller_trouble, not_aggregated, read_timeline

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


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
    return [round(end_s, 9) for end_s in stats.high_end_interval(seen, low_s)] if seen else None


def miimon() -> Experiment:
    """The experiment."""
    return Experiment(
        name="miimon",
        title="Detection by the MII monitor",
        question="How is the time distributed that a bond needs to see that a member has lost its carrier?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup",), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("miimon_ms", (50, 100, 200), "how often the monitor is to look", (100,), least=1),
            Factor("downdelay_ms", (0,), "how long a carrier must be gone", least=0),
            Factor("faults", (50,), "cuts in one trial", least=1),
        ),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("detection",),
        repetitions=8,
        quick_repetitions=4,
    )
