"""The testbed's own controller with static LAGs."""

from __future__ import annotations

import dataclasses

from testbed.schemes.testbed_lacp import TestbedLacp
from testbed.spec import SwitchSide, Topology


class StaticLag(TestbedLacp):
    """The testbed's own controller with every LAG static: no LACP, a port with carrier is in use."""

    name = "static"
    side = SwitchSide(negotiates=False)
    lag_options = frozenset({"lag_min_links"})

    def lags(self, topology: Topology) -> Topology:
        """Every LAG without LACP."""
        lags = tuple(dataclasses.replace(lag, lacp="off") for lag in topology.lags)
        return dataclasses.replace(topology, lags=lags)
