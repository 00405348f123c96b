"""A plain learning switch, without LAGs."""

from __future__ import annotations

from typing import Any

from testbed.schemes import requirements
from testbed.schemes.scheme import NO_LAGS, Live, Scheme, no_lags
from testbed.spec import SwitchSide, Topology


class LearningSwitch(Scheme):
    """A plain learning switch: Open vSwitch by itself, without LAGs."""

    name = "none"
    why_no_option = NO_LAGS
    side = SwitchSide(lags=False, negotiates=False, controller=False, groups=False)

    def check(self, topology: Topology) -> None:
        """It has nothing that keeps frames from looping, and no LAGs that could have options."""
        super().check(topology)
        requirements.no_loop(topology, self.name, lags=False)

    def built(self, live: Live) -> dict[str, Any]:
        """No LAG."""
        return no_lags(live)
