"""Ryu's own LACP example: one switch, passive, no groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.design.factor import Level
from testbed.errors import SpecError
from testbed.schemes import ovs_shown, requirements
from testbed.schemes.scheme import Live, ProcessSpec, Scheme, compare
from testbed.schemes.testbed_lacp import controller_process
from testbed.spec import Lag, SwitchSide, Topology


class RyuExample(Scheme):
    """Ryu 4.34's own example, simple_switch_lacp_13, as it comes, but configured with the topology's LAGs."""

    name = "ryu-example"
    side = SwitchSide(groups=False, port_status=False)
    why_no_option = "it answers each LACPDU with what the partner asks for"
    openflow = "OpenFlow13"

    def check(self, topology: Topology) -> None:
        """It takes LAGs of two ports or more on one switch, floods, and needs Ryu."""
        super().check(topology)
        requirements.on_one_switch(topology.lags, topology, self.name)
        for lag in topology.lags:
            if lag.lacp == "off":
                raise SpecError(
                    f"LAG {lag.name!r} is static; controller {self.name} has LAGs with LACP only",
                    "Use --set controller=static, or none for switches without LAGs.",
                )
            if len(lag.ports) < 2:
                raise SpecError(f"LAG {lag.name!r} has one port; controller {self.name} takes two or more")
            bonds = [topology.host(name).bond for name in _hosts_of(topology, lag)]
            if any(bond and bond.mode == "802.3ad" and bond.lacp_rate != lag.rate for bond in bonds):
                raise SpecError(
                    f"LAG {lag.name!r} has rate={lag.rate}, which controller {self.name} has not: {self.why_no_option}",
                    "Give the bond and the LAG one rate: --set lacp_rate=fast, or slow.",
                )
        requirements.no_loop(topology, self.name, lags=False)
        requirements.ryu()

    def process(self, topology: Topology, case: Mapping[str, Level], scratch: Path) -> ProcessSpec:
        """The launcher that gives the example the topology's LAGs (testbed.controller.example)."""
        del case
        return controller_process(requirements.ryu(), topology, scratch, "example")

    def built(self, live: Live) -> dict[str, Any]:
        """The ports of each LAG whose LACPDUs the example takes, by the switches' flows."""
        topology, found = live.topology, dict[str, Any]()
        for lag in topology.lags:
            node = topology.owner(lag.ports[0])
            numbers = {topology.ports[name].number: name for name in topology.interfaces(node)}
            taken = [numbers.get(each) for each in ovs_shown.lacp_ports(live.ask_switches("bridge/dump-flows", node))]
            found[lag.name] = {"ports": sorted(name for name in lag.ports if name in taken)}
            if requirements.has_partner(topology, lag):
                compare(lag.name, {"ports": sorted(lag.ports)}, found[lag.name])
        return found


def _hosts_of(topology: Topology, lag: Lag) -> set[str]:
    """The hosts that a LAG leads to."""
    return {topology.far(port).node for port in lag.ports} & {host.name for host in topology.hosts}
