"""Failover latency with our controller on Ryu 4.34 in place of os-ken."""

from __future__ import annotations

import dataclasses

from experiments.failover import failover
from testbed.design.factor import Factor
from testbed.experiment.experiment import Experiment


def failover_on_ryu() -> Experiment:
    """The experiment, with what the controller runs on as one more factor."""
    framework = Factor("framework", ("ryu",), "what our controller runs on", known=("os-ken", "ryu"))
    usual = failover()
    return dataclasses.replace(usual, name="failover_on_ryu", factors=(*usual.factors, framework))
