"""What the faults of a site cost the clients of its service."""

from __future__ import annotations

from pathlib import Path

from testbed.design.trial import Measured, Trial
from testbed.measure.routing import measured
from testbed.theory import lines, sites


def measure(raw: Path, trial: Trial, interval_s: float) -> Measured:
    """The metrics of a trial of `sites` (results/README.md): those of the first client's flow."""
    topology, fault, place = trial.topology, str(trial.case["fault"]), str(trial.case["place"])
    edge = sites.trail(topology, topology.client)[1]
    before = [lines.next_hops(topology, edge, sites.service(topology))]
    element, bound = sites.element(topology, fault, place), sites.outage(topology, fault, place)
    return measured(raw, trial, interval_s, element, bound, before, hit=1)
