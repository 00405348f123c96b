"""Probes between all hosts at once, both ways, and two flows of which each is pinned to a member of its own.

A user's own experiment, given by path. Nothing fails; the experiment checks the probe itself.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import theory
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.measure.outage import load_probe, outage
from testbed.measure.validity import check_clock, check_probe
from testbed.observe.probe import PORTS, flows, probing
from testbed.spec import Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_FIRST_SOURCE_PORT = 40_000


def pairs(topology: Topology) -> list[tuple[str, str]]:
    """Every host with every other, in both directions, and h1 with h2 once more."""
    return [*itertools.permutations([host.name for host in topology.hosts], 2), ("h1", "h2")]


def source_ports(topology: Topology) -> list[int]:
    """Ports such that the two flows from h1 to h2 leave by different members, by the driver's documented hash."""
    ways = pairs(topology)
    ports = list(range(_FIRST_SOURCE_PORT, _FIRST_SOURCE_PORT + len(ways)))
    first = member(topology, ports[ways.index(("h1", "h2"))], PORTS[ways.index(("h1", "h2"))])
    while member(topology, ports[-1], PORTS[len(ways) - 1]) == first:
        ports[-1] += 1
    return ports


def member(topology: Topology, source_port: int, port: int) -> int | None:
    """The place of the member of h1 by which a flow to h2 leaves."""
    bond = topology.host("h1").bond
    assert bond is not None
    ends = topology.host_mac("h1"), topology.host_mac("h2"), topology.host("h1").ip, topology.host("h2").ip
    return theory.member_of_flow(bond, theory.Tuple5(*ends, source_port, port))


def procedure(lab: Lab) -> None:
    """Inside: probe for a while."""
    ways, interval_s = pairs(lab.topology), float(lab.case["probe_interval_ms"]) / 1e3
    with (
        flows(lab, ways, source_ports=source_ports(lab.topology)) as found,
        probing(found, interval_s, lab.raw / "probe.csv", clocks=lab.clocks),
    ):
        lab.sleep_until(lab.now() + float(lab.case["seconds"]))


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: how many packets each flow sent, and the longest outage of any."""
    interval_s = float(trial.case["probe_interval_ms"]) / 1e3
    found = load_probe(raw / "probe.csv")
    check_clock(found)
    warnings = tuple(check_probe(raw / "probe.json", found))
    worst_s = max(outage(flow, interval_s, 0.0, float(flow.sent_s[-1])).outage_s for flow in found)
    metrics = {
        "packets": {flow.name: len(flow.sent_s) for flow in found},
        "lost": sum(flow.lost for flow in found),
        "outage_s": worst_s,
    }
    return Measured(metrics, warnings=warnings)


def many_probes() -> Experiment:
    """The experiment."""
    return Experiment(
        name="many_probes",
        title="Many probes",
        question="Does the probe itself show losses or gaps?",
        topology="mlag",
        factors=(
            Factor("probe_interval_ms", (0.1,), "time between two packets"),
            Factor("seconds", (0.3,), "how long"),
        ),
        procedure=procedure,
        measure=read,
        figures=(),
    )
