"""An experiment that never ends: a loop that does not sleep, so that virtual time does not advance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


def procedure(lab: Lab) -> None:
    """Inside: write a file, then loop without a pause."""
    lab.write("before.json", "written before the loop")
    end = lab.now() + 1
    while lab.now() < end:
        pass


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: never reached."""
    raise AssertionError((raw, trial))


def endless() -> Experiment:
    """The experiment."""
    return Experiment(
        name="endless",
        title="Without end",
        question="Is the trial ended?",
        topology="dual_switch",
        factors=(Factor("mode", ("active-backup",), "bonding mode of both hosts"),),
        procedure=procedure,
        measure=read,
        figures=(),
    )
