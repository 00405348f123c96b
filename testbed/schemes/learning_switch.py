"""A plain learning switch, without LAGs."""

from __future__ import annotations

from typing import Any

from testbed.errors import TrialError
from testbed.schemes import ovs_shown, requirements
from testbed.schemes.scheme import Live, Scheme
from testbed.spec import SwitchSide, Topology


class LearningSwitch(Scheme):
    """A plain learning switch: Open vSwitch by itself, without LAGs."""

    name = "none"
    why_no_option = "its switches have no LAGs"
    side = SwitchSide(lags=False, negotiates=False, controller=False, groups=False)

    def check(self, topology: Topology) -> None:
        """It has nothing that keeps frames from looping, and no LAGs that could have options."""
        super().check(topology)
        requirements.no_loop(topology, self.name, lags=False)

    def built(self, live: Live) -> dict[str, Any]:
        """No LAG, as Open vSwitch shows: it has no bond and speaks no LACP."""
        for command in ("bond/show", "lacp/show") if live.topology.lags else ():
            if bonds := ovs_shown.sections(live.ask_switches(command)):
                raise TrialError(f"the switches were built with the bonds {', '.join(bonds)}, wanted none")
        return {}
