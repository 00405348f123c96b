"""The testbed's own controller: IEEE 802.1AX over several switches (testbed.controller)."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from testbed.controller import HTTP_PORT, OPENFLOW_PORT, client, config
from testbed.design.factor import Level
from testbed.errors import SpecError, TrialError, unknown
from testbed.schemes import requirements
from testbed.schemes.scheme import Live, ProcessSpec, Scheme
from testbed.spec import LacpOptions, Lag, LagOptions, SwitchSide, Topology

#: What the controller does when it is started again: resume from its saved state, or start without it.
RESTARTS = ("resume", "fresh")
#: The options of a LAG that the controller shows in its state.
_SHOWN = tuple(field.name for field in dataclasses.fields(LacpOptions))
#: What the controller's application may run on: os-ken, or Ryu 4.34.
FRAMEWORKS = ("os-ken", "ryu")


def controller_process(
    python: list[str], topology: Topology, scratch: Path, *arguments: str, **variables: str
) -> ProcessSpec:
    """`testbed.controller` started by ``python``, with the configuration that the topology needs."""
    environment = configured(topology, scratch, **variables)
    configuration = environment["TESTBED_CONTROLLER"]
    command = (*python, "-m", "testbed.controller", configuration, str(OPENFLOW_PORT), *arguments)
    return ProcessSpec(command, OPENFLOW_PORT, environment)


def configured(topology: Topology, scratch: Path, **variables: str) -> dict[str, str]:
    """Write the controller's configuration for a topology; the variables that a controller's process gets."""
    configuration = scratch / "controller.yaml"
    configuration.write_text(config.to_yaml(topology))
    return {
        "PYTHONPATH": str(requirements.PROJECT),
        "TESTBED_CONTROLLER": str(configuration),
        # Every address of the trial's own network, which nothing else is in: each switch comes by one of its own.
        "TESTBED_CONTROLLER_LISTEN": "0.0.0.0",
        **variables,
    }


class TestbedLacp(Scheme):
    """The testbed's own controller: LACP for the switches' LAGs, select groups, learning."""

    name = "testbed"
    side = SwitchSide()
    lag_options = frozenset(LagOptions.settings()) - {"ovs_bond_mode"}
    factors = ("framework", "restart")
    openflow = "OpenFlow15"

    def check(self, topology: Topology) -> None:
        """What the controller's own configuration refuses is refused before anything starts."""
        if topology.switches:
            config.check(self.lags(topology))
        for lag in topology.lags:
            if lag.ovs_bond_mode:
                raise SpecError(
                    f"LAG {lag.name!r} has ovs_bond_mode={lag.ovs_bond_mode}, which controller {self.name} has not:"
                    " it sends by a select group",
                    "Leave it out, or use --set controller=ovs.",
                )

    def process(self, topology: Topology, case: Mapping[str, Level], scratch: Path) -> ProcessSpec:
        """A case may set ``framework``, what the application runs on, and ``restart``, whether it keeps its state."""
        framework, restart = str(case.get("framework", FRAMEWORKS[0])), str(case.get("restart", RESTARTS[0]))
        for what, found, known in (("framework", framework, FRAMEWORKS), ("restart", restart, RESTARTS)):
            if found not in known:
                raise unknown(what, found, known)
        python = requirements.ryu() if framework == "ryu" else [sys.executable]
        kept = {"TESTBED_CONTROLLER_STATE": str(scratch / "controller.state")} if restart == "resume" else {}
        shown = {"TESTBED_CONTROLLER_HTTP": str(HTTP_PORT)}
        return controller_process(python, self.lags(topology), scratch, **shown, **kept)

    def placing(self, lag: Lag) -> str:
        """Select groups hash addresses and ports (testbed.controller.selection_method)."""
        del lag
        return "scores"

    def missing(self, live: Live) -> str:
        """The LAGs between switches that the controller does not send over all ports of yet; it logs when it does."""
        hosts = {host.name for host in live.topology.hosts}
        trunks = [
            lag
            for lag in self.lags(live.topology).lags
            if lag.lacp != "off" and not any(live.topology.far(port).node in hosts for port in lag.ports)
        ]
        if not trunks:
            return ""
        sent = {event["lag"]: event["ports"] for event in live.controller_events() if event["event"] == "distribute"}
        return ", ".join(lag.name for lag in trunks if len(sent.get(lag.name, ())) < len(lag.ports))

    def check_built(self, live: Live) -> None:
        """The controller's LAGs with LACP, by its own state, have the ports and options of the topology's."""
        lags = [lag for lag in self.lags(live.topology).lags if lag.lacp != "off"]
        systems = json.loads(client.ask("/state"))["systems"] if lags else {}
        for lag in lags:
            found = systems.get(lag.system, {}).get("lags", {}).get(lag.name, {})
            seen = {**found, "ports": len(found.get("members", ())), "max_active": found.get("max_active") or 0}
            wanted = {name: getattr(lag, name) for name in _SHOWN if name in seen} | {"ports": len(lag.ports)}
            for name, value in wanted.items():
                if seen[name] != value:
                    raise TrialError(f"LAG {lag.name} was built with {name} {seen[name]}, wanted {value}")

    def collect(self, live: Live) -> None:
        """The controller's state and metrics as it shows them; that it does not answer is noted."""
        if not live.topology.switches:
            return
        try:
            state, metrics = client.ask("/state"), client.ask("/metrics")
        except TrialError as error:
            live.note("network", "state_not_shown", reason=error.message)
            return
        (live.raw / "controller_state.json").write_text(state)
        (live.raw / "controller_metrics.prom").write_text(metrics)
