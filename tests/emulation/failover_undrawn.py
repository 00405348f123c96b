"""Failover latency without figures, where a test looks at something else."""

from __future__ import annotations

import dataclasses

from experiments.failover import failover
from testbed.experiment.experiment import Experiment


def failover_undrawn() -> Experiment:
    """The experiment, with nothing to draw."""
    return dataclasses.replace(failover(), name="failover_undrawn", figures=())
