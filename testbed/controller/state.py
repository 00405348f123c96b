"""The controller's state as JSON values, and as Prometheus metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from testbed.controller.config import Edge, PortId, port_name
from testbed.controller.core import Core
from testbed.controller.fabric import Fabric
from testbed.controller.flow_tables import Group

#: One line of a metric: its labels and its value.
Sample = tuple[Mapping[str, object], int]


def fabric_state(fabric: Fabric) -> dict[str, Any]:
    """Links, designated forwarders, LAGs and addresses; each switch's ports and whether it is connected."""
    switches = {
        f"{dpid:x}": {
            "connected": dpid in fabric.connected,
            "ports": {str(number): carrier for number, carrier in sorted(ports.items())},
        }
        for dpid, ports in sorted(fabric.ports.items())
    }
    lags = {
        lag_name: {
            "ports": _names(lag.ports),
            "min_links": lag.min_links,
            "collecting": _names(lag.collecting),
            "distributing": _names(lag.distributing),
            "forwarders": [f"{dpid:x}" for dpid in sorted(fabric.forwarders.get(lag_name, ()))],
        }
        for lag_name, lag in fabric.lags.items()
    }
    links = [
        {"a": _edge(a), "b": _edge(b), "live": link in fabric.live, "tree": link in fabric.tree}
        for link, (a, b) in sorted(fabric.links.items())
    ]
    addresses = {address: _edge(edge) for address, edge in sorted(fabric.addresses.items())}
    return {"switches": switches, "lags": lags, "links": links, "addresses": addresses}


def core_state(core: Core, now: float) -> dict[str, Any]:
    """The whole state of a controller. ``now`` and all times are seconds on its clock."""
    state = fabric_state(core.fabric)
    for dpid, datapath in core.datapaths.items():
        groups = group_state(datapath.groups)
        state["switches"][f"{dpid:x}"] |= {
            "groups": groups,
            "groups_programmed": len(groups),
            "flows_programmed": datapath.flows,
            "messages_sent": dict(datapath.sent),
        }
    return {
        "now": now,
        **state,
        "held": [port_name(port) for port in sorted(core.held)],
        "isolated": [port_name(port) for port in sorted(core.isolated)],
        "transitions": dict(core.transitions),
        "systems": {each: system.snapshot() for each, system in core.systems.items()},
    }


def group_state(groups: Mapping[int, Group]) -> dict[str, Any]:
    """Groups by number: their kind, and the ports or other groups that they send to."""
    return {
        str(number): {
            "kind": group.kind,
            "buckets": [{"port": it.port} if it.group is None else {"group": it.group} for it in group.buckets],
        }
        for number, group in sorted(groups.items())
    }


def metrics(state: Mapping[str, Any]) -> str:
    """A state (`core_state`) in Prometheus' text format 0.0.4."""
    ports = [
        ({"system": system, "lag": lag, "port": port_name(tuple(port["port"]))}, port, found)
        for system, shown in state["systems"].items()
        for lag, found in shown["lags"].items()
        for port in found["ports"]
    ]
    switches = [({"dpid": dpid}, switch) for dpid, switch in state["switches"].items()]
    lines: list[str] = []
    lines += _metric(
        "lacpdus_sent_total",
        "counter",
        "LACPDUs sent.",
        ((at, port["counters"]["lacpdus_sent"]) for at, port, _ in ports),
    )
    lines += _metric(
        "lacpdus_received_total",
        "counter",
        "LACPDUs received.",
        ((at, port["counters"]["lacpdus_received"]) for at, port, _ in ports),
    )
    lines += _metric(
        "port_distributing",
        "gauge",
        "Whether the LAG member sends frames.",
        ((at, port["port"] in lag["distributing"]) for at, port, lag in ports),
    )
    lines += _metric(
        "lag_members_distributing",
        "gauge",
        "Members of the LAG that send frames.",
        (({"lag": lag}, len(shown["distributing"])) for lag, shown in state["lags"].items()),
    )
    lines += _metric(
        "transitions_total",
        "counter",
        "Transitions of the LACP machines.",
        (({"machine": machine}, count) for machine, count in sorted(state["transitions"].items())),
    )
    lines += _metric(
        "switch_connected",
        "gauge",
        "Whether the switch is connected and answers.",
        ((at, switch["connected"]) for at, switch in switches),
    )
    for what in ("flows", "groups"):
        counts = ((at, switch.get(f"{what}_programmed", 0)) for at, switch in switches)
        lines += _metric(f"{what}_programmed", "gauge", f"{what.capitalize()} programmed on the switch.", counts)
    lines += _metric(
        "messages_sent_total",
        "counter",
        "OpenFlow messages sent since the switch connected.",
        (({**at, "kind": kind}, n) for at, switch in switches for kind, n in switch.get("messages_sent", {}).items()),
    )
    return "\n".join(lines) + "\n"


def _metric(metric: str, kind: str, help_text: str, samples: Iterable[Sample]) -> list[str]:
    lines = [f"# HELP testbed_{metric} {help_text}", f"# TYPE testbed_{metric} {kind}"]
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(str(text))}"' for label, text in labels.items())
        lines.append(f"testbed_{metric}{{{shown}}} {int(value)}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _names(ports: Iterable[PortId]) -> list[str]:
    return [port_name(port) for port in ports]


def _edge(edge: Edge) -> str:
    return edge if isinstance(edge, str) else port_name(edge)
