"""A plain learning switch, without LAGs."""

from __future__ import annotations

from testbed.schemes import requirements
from testbed.schemes.scheme import Scheme
from testbed.spec import SwitchSide, Topology


class LearningSwitch(Scheme):
    """A plain learning switch: Open vSwitch by itself, without LAGs."""

    name = "none"
    side = SwitchSide(lags=False, negotiates=False, controller=False, groups=False)

    def check(self, topology: Topology) -> None:
        """It has nothing that keeps frames from looping."""
        requirements.no_loop(topology, self.name, lags=False)
