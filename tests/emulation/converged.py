"""A user's own experiment: the network only has to converge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.measure.raw import read_timeline

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


def procedure(lab: Lab) -> None:
    """Inside: each pair of hosts has reached each other already."""
    lab.write("converged.json", {"hosts": len(lab.topology.hosts)})


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: when the bonds were up and all hosts reached each other, on the trial's clock."""
    times = {
        line["event"]: line["t_s"] for line in read_timeline(raw / "timeline.jsonl") if line["source"] == "network"
    }
    return Measured({"bonds_up_s": times["bonds_up"], "converged_s": times["converged"]})


def converged() -> Experiment:
    """The experiment."""
    return Experiment(
        name="converged",
        title="Convergence",
        question="Do the bonds come up, and do all hosts reach each other?",
        topology="single_switch",
        factors=(Factor("controller", ("testbed",), "what controls the switches"),),
        procedure=procedure,
        measure=read,
        figures=(),
    )
