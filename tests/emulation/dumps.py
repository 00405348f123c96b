"""Inside a guest: complete dumps of a network before, during and after each fault, by ip(8), tc(8) and ovsdb-client(1).

Usage: python -m tests.emulation.dumps TOPOLOGY SETTINGS CONTROLLER FAULTS

FAULTS is a list, of [name, element, parameters] or a schedule's line. Prints one JSON object a line: fault, and dumps.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from testbed.design.trial import Trial
from testbed.experiment import discovery
from testbed.experiment.plan import build_topology
from testbed.faults.schedule import parsed
from testbed.lab.lab import Lab, opened

#: What the kernel, the bonding driver and LACP count or choose for themselves.
_OWN = {"link_failure_count", "ad_aggregator_id", "aggregator", "churn"}
#: Attributes of Open vSwitch's interfaces: the kernel assigns new ones when an interface is made again.
_MADE = {"ifindex", "address", "link_netnsid"}
_TABLES = {
    "Bridge": ["_uuid", "name", "ports", "controller", "fail_mode", "other_config", "protocols", "datapath_type"],
    "Port": ["_uuid", "name", "interfaces", "lacp", "bond_mode", "other_config"],
    "Interface": ["_uuid", "name", "ofport", "ofport_request", "other_config", "type"],
    "Controller": ["_uuid", "target", "max_backoff"],
}


def printed(lab: Lab, node: str, *words: str, lines: str = "") -> str:
    """What a program prints in the namespace of a node."""
    command = ["mnexec", "-a", str(lab.network.pid(node)), *words]
    return subprocess.run(command, input=lines, check=True, capture_output=True, text=True).stdout


def links(lab: Lab, node: str) -> list[dict[str, Any]]:
    """Addresses and links of a node, without counters."""
    found: list[dict[str, Any]] = json.loads(printed(lab, node, "ip", "-j", "-d", "address", "show"))
    own = {*lab.topology.interfaces(node), "lo"} if node in {s.name for s in lab.topology.switches} else None
    for link in found:
        if own is not None and link["ifname"] not in own and not link["ifname"].startswith(tuple(own)):
            for name in _MADE & link.keys():
                del link[name]
        for part in (link, link.get("linkinfo", {}).get("info_slave_data", {})):
            for name in _OWN & part.keys():
                del part[name]
        link.get("linkinfo", {}).get("info_data", {}).get("ad_info", {}).pop("aggregator", None)
    return sorted(found, key=lambda link: str(link["ifname"]))


def queues(lab: Lab, node: str) -> list[str]:
    """Every queue, class and filter of a node."""
    names = [link["ifname"] for link in json.loads(printed(lab, node, "ip", "-j", "link", "show"))]
    asked = "qdisc show\n" + "".join(f"class show dev {name}\n" for name in names)
    shown = sorted(printed(lab, node, "tc", "-b", "-", lines=asked).splitlines())
    having = [name for name in names if any(f"clsact ffff: dev {name} " in line for line in shown)]
    filters = "".join(f"filter show dev {name} {hook}\n" for name in having for hook in ("egress", "ingress"))
    return [*shown, *(printed(lab, node, "tc", "-b", "-", lines=filters).splitlines() if filters else ())]


def database(lab: Lab) -> dict[str, list[str]]:
    """The rows of Open vSwitch's database, under their identities."""
    if not lab.topology.switches:
        return {}
    asked = [{"op": "select", "table": t, "where": [], "columns": columns} for t, columns in _TABLES.items()]
    command = ["ovsdb-client", "transact", lab.network.ovs.database, json.dumps(["Open_vSwitch", *asked])]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        t: sorted(json.dumps(row, sort_keys=True) for row in rows["rows"])
        for t, rows in zip(_TABLES, answer, strict=True)
    }


def bond_settings(lab: Lab) -> dict[str, list[str]]:
    """/proc/net/bonding without what the driver counts or chooses."""
    own = ("Link Failure Count", "Aggregator ID", "Partner Churn", "Actor Churn", "Partner Churned", "Actor Churned")
    return {
        bond["host"]: [line for line in bond["text"].splitlines() if not line.strip().startswith(own)]
        for bond in lab.bonds()
    }


def dump(lab: Lab) -> dict[str, Any]:
    """Everything, by node and kind."""
    nodes = [host.name for host in lab.topology.hosts] + [switch.name for switch in lab.topology.switches][:1]
    found: dict[str, Any] = {"bonds": bond_settings(lab), "database": database(lab)}
    for node in nodes:
        routes = json.loads(printed(lab, node, "ip", "-j", "route", "show", "table", "all"))
        found |= {f"{node} links": links(lab, node), f"{node} queues": queues(lab, node)}
        found[f"{node} routes"] = sorted(json.dumps(route) for route in routes)
    pid = lab.network.ovs.vswitchd.pid
    found["processes"] = [pid is not None and Path(f"/proc/{pid}/exe").exists()]  # a zombie has none (proc(5))
    return found


class Interrupted(Exception):
    """Leaves a fault's block in the middle."""


def during_fault(lab: Lab, name: str, element: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The dump in the middle of a fault, which an exception then ends."""
    during: dict[str, Any] = {}
    try:
        with lab.fault(name, element, **parameters):
            lab.sleep_until(lab.now() + 0.5)
            during = dump(lab)
            raise Interrupted
    except Interrupted:
        return during


def main(topology: str, settings: str, controller: str, wanted: str) -> None:
    """Print the dumps of every fault."""
    network = build_topology(discovery.topology(topology), json.loads(settings))
    trial = Trial(1, "", {"controller": controller}, 0, 1, network)
    with tempfile.TemporaryDirectory() as scratch, opened(trial, Path("/tmp/trial"), Path(scratch)) as lab:
        lab.wait_converged()
        lab.sleep_until(lab.now() + 3)  # LACP has converged
        before = dump(lab)
        for step in json.loads(wanted):
            if isinstance(step, str):
                lab.play(parsed(step))
                during = None
            else:
                during = during_fault(lab, *step)
            lab.wait_converged()
            lab.sleep_until(lab.now() + 3)
            after = dump(lab)
            print(json.dumps({"fault": step, "before": before, "during": during, "after": after}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
