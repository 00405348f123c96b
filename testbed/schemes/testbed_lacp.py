"""The testbed's own controller: IEEE 802.1AX over several switches (testbed.controller)."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.controller import HTTP_PORT, OPENFLOW_PORT, client, config
from testbed.design.factor import Level
from testbed.errors import TrialError, unknown
from testbed.schemes import requirements
from testbed.schemes.scheme import Live, ProcessSpec, Scheme, compare
from testbed.spec import LacpOptions, Lag, LagOptions, SwitchSide, Topology

#: What the controller does when it is started again: resume from its saved state, or start without it.
RESTARTS = ("resume", "fresh")
#: What the controller shows of a static LAG in its state; and of one with LACP.
_OF_STATIC = ("min_links",)
_SHOWN = (
    *("key", "rate", "min_links"),
    *(field.name for field in dataclasses.fields(LacpOptions) if field.name != "ovs_bond_mode"),
)
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
    why_no_option = "it sends by a select group"
    isolates = True
    factors = ("framework", "restart")
    openflow = "OpenFlow15"

    def check(self, topology: Topology) -> None:
        """What the controller's own configuration refuses is refused before anything starts."""
        if topology.switches:
            config.check(self.lags(topology))
        super().check(topology)

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
        hosts = {machine.name for machine in live.topology.machines()}
        trunks = [
            lag
            for lag in self.lags(live.topology).lags
            if lag.lacp != "off" and not any(live.topology.far(port).node in hosts for port in lag.ports)
        ]
        if not trunks:
            return ""
        sent = {event["lag"]: event["ports"] for event in live.controller_events() if event["event"] == "distribute"}
        return ", ".join(lag.name for lag in trunks if len(sent.get(lag.name, ())) < len(lag.ports))

    def built(self, live: Live) -> dict[str, Any]:
        """Each LAG by the controller's state: what its LACP works with, or the ports and links of a static one."""
        lags = self.lags(live.topology).lags
        state = json.loads(client.ask("/state")) if lags else {}
        found: dict[str, Any] = {}
        for lag in lags:
            wanted = {name: getattr(lag, name) for name in (_OF_STATIC if lag.lacp == "off" else _SHOWN)}
            wanted["ports"] = len(lag.ports)
            if lag.lacp != "off":
                wanted |= {"mode": lag.lacp, "port_priorities": [lag.priority(port) for port in lag.ports]}
            found[lag.name] = {"lacp": lag.lacp, **_state_of(state, lag)}
            compare(lag.name, wanted, found[lag.name])
        return found

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


def _state_of(state: Mapping[str, Any], lag: Lag) -> dict[str, Any]:
    """A LAG as the controller's state has it, by the names of `testbed.spec.Lag`; ``ports`` is how many it has."""
    if lag.lacp == "off":
        found = state["lags"].get(lag.name, {})
        return {"ports": len(found.get("ports", ())), "min_links": found.get("min_links")}
    found = state["systems"].get(lag.system, {}).get("lags", {}).get(lag.name, {})
    shown = {name: found.get(name) for name in ("mode", *_SHOWN)}
    shown["max_active"] = found.get("max_active") or 0
    priorities = [port["priority"] for port in found.get("ports", ())]
    return {**shown, "ports": len(found.get("members", ())), "port_priorities": priorities}
