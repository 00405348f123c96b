"""The controller's state as JSON values: a controller that is restarted resumes from it. Pure.

It holds the LACP systems and what the switches' tables were computed from. A switch that connects to the new
controller therefore gets the tables that it already has, unless something has changed in the meantime. Times are
seconds on the same clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testbed.controller.config import Edge, PortId
from testbed.controller.core import Core
from testbed.controller.fabric import Fabric
from testbed.controller.graph import Graph, Link


def save(core: Core) -> dict[str, Any]:
    """The state of a controller between two events."""
    return {
        "fabric": _fabric(core.fabric),
        "isolated": [[*port] for port in sorted(core.isolated)],
        "fresh": [[*port, until] for port, until in sorted(core.fresh.items())],
        "systems": {name: system.saved() for name, system in core.systems.items()},
        "transitions": dict(core.transitions),
    }


def restore(core: Core, value: Mapping[str, Any]) -> None:
    """Put a new controller of the same configuration into a saved state.

    Errors: AttributeError, LookupError, TypeError or ValueError if `save` did not make the value; the core is then
    half restored and must not be used.
    """
    _restore_fabric(core.fabric, value["fabric"])
    core.isolated = frozenset(_port(port) for port in value["isolated"])
    core.fresh = {_port(found[:2]): float(found[2]) for found in value["fresh"]}
    if value["systems"].keys() != core.systems.keys():
        raise ValueError(f"the saved LACP systems are {', '.join(value['systems'])}")
    for name, system in core.systems.items():
        system.restore(value["systems"][name])
    core.transitions.update({str(machine): int(count) for machine, count in value["transitions"].items()})


def _fabric(fabric: Fabric) -> dict[str, Any]:
    return {
        "ports": {str(dpid): {str(no): up for no, up in ports.items()} for dpid, ports in fabric.ports.items()},
        "connected": sorted(fabric.connected),
        "lags": {
            name: {"collecting": [*lag.collecting], "distributing": [*lag.distributing]}
            for name, lag in fabric.lags.items()
        },
        "addresses": fabric.addresses,
        "forwarders": {name: sorted(dpids) for name, dpids in fabric.forwarders.items()},
        "tree": _links(fabric.tree),
        "live": _links(fabric.live),
        "trusted": _links(fabric.trusted),
    }


def _restore_fabric(fabric: Fabric, value: Mapping[str, Any]) -> None:
    for dpid, ports in value["ports"].items():
        fabric.connect(int(dpid))
        fabric.ports[int(dpid)] = {int(number): bool(carrier) for number, carrier in ports.items()}
    fabric.connected = {int(dpid) for dpid in value["connected"]}
    for name, lag in fabric.lags.items():
        lag.collecting = tuple(_port(port) for port in value["lags"][name]["collecting"])
        lag.distributing = tuple(_port(port) for port in value["lags"][name]["distributing"])
    for address, edge in value["addresses"].items():
        fabric.move(str(address), _edge(fabric, edge))
    tree, live, trusted = (_restore_links(value[what]) for what in ("tree", "live", "trusted"))
    forwarders = {name: frozenset(int(dpid) for dpid in value["forwarders"][name]) for name in fabric.forwarders}
    fabric.resume(Graph(fabric.ports, trusted, fabric.ports.keys() - fabric.connected), tree, live, forwarders)


def _port(value: Any) -> PortId:
    dpid, number = value
    return int(dpid), int(number)


def _edge(fabric: Fabric, value: Any) -> Edge:
    if isinstance(value, str) and value not in fabric.lags:
        raise ValueError(f"an address is saved at LAG {value!r}, which does not exist")
    return value if isinstance(value, str) else _port(value)


def _links(links: frozenset[Link]) -> list[list[int]]:
    return [[link.a, link.a_port, link.b, link.b_port] for link in sorted(links)]


def _restore_links(value: Any) -> frozenset[Link]:
    return frozenset(Link(*(int(number) for number in link)) for link in value)
