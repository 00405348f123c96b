"""What an experiment is, its plan, and where it is found."""

from __future__ import annotations

from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment

__all__ = ["Experiment", "Factor", "Level", "Measured", "Trial"]
