"""The testbed's own controller with static LAGs."""

from __future__ import annotations

import dataclasses
from typing import Any

from testbed.controller.forwarding import LAG_BASE
from testbed.schemes import ovs_shown
from testbed.schemes.scheme import Live, compare
from testbed.schemes.testbed_lacp import TestbedLacp
from testbed.spec import SwitchSide, Topology


class StaticLag(TestbedLacp):
    """The testbed's own controller with every LAG static: no LACP, a port with carrier is in use."""

    name = "static"
    side = SwitchSide(negotiates=False)
    why_no_option = "its LAGs are static"
    lag_options = frozenset({"lag_min_links"})

    def lags(self, topology: Topology) -> Topology:
        """Every LAG without LACP."""
        lags = tuple(dataclasses.replace(lag, lacp="off") for lag in topology.lags)
        return dataclasses.replace(topology, lags=lags)

    def built(self, live: Live) -> dict[str, Any]:
        """Besides what the controller shows, the ports of each LAG's group as the switches have it."""
        found = super().built(live)
        topology = live.topology
        groups = {each.name: ovs_shown.select_groups(live.groups(each.name)) for each in topology.switches if found}
        for place, lag in enumerate(topology.lags):
            ports = {(port.node, port.number): name for name, port in topology.ports.items()}
            sent = [ports.get((node, number)) for node in groups for number in groups[node].get(LAG_BASE + place, ())]
            found[lag.name]["group"] = sorted(map(str, sent))
            compare(lag.name, {"group": sorted(lag.ports)}, found[lag.name])
        return found
