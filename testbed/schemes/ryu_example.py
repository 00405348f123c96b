"""Ryu's own LACP example: one switch, passive, no groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.design.factor import Level
from testbed.errors import SpecError
from testbed.schemes import requirements
from testbed.schemes.scheme import ProcessSpec, Scheme
from testbed.schemes.testbed_lacp import controller_process
from testbed.spec import SwitchSide, Topology


class RyuExample(Scheme):
    """Ryu 4.34's own example, simple_switch_lacp_13, as it comes, but configured with the topology's LAGs."""

    name = "ryu-example"
    side = SwitchSide(groups=False, port_status=False)
    openflow = "OpenFlow13"

    def check(self, topology: Topology) -> None:
        """It takes LAGs of two ports or more on one switch, floods, and needs Ryu."""
        negotiated = [lag for lag in topology.lags if lag.lacp != "off"]
        requirements.on_one_switch(negotiated, topology, self.name)
        for lag in negotiated:
            if len(lag.ports) < 2:
                raise SpecError(f"LAG {lag.name!r} has one port; controller {self.name} takes two or more")
        requirements.no_loop(topology, self.name, lags=False)
        requirements.ryu()

    def process(self, topology: Topology, case: Mapping[str, Level], scratch: Path) -> ProcessSpec:
        """The launcher that gives the example the topology's LAGs (testbed.controller.example)."""
        del case
        return controller_process(requirements.ryu(), topology, scratch, "example")
