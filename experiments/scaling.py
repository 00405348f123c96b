"""The cost of emulation: how much wall time does a network take, to set up and to run, as it grows?

Question      How much wall time does a trial take, for its set-up and for each virtual second, as hosts, members and
              switches are added?
Factors       Hosts, members, spines and leaves of the topology (or the arguments of another topology); how long the
              network runs; whether probes run meanwhile.
Procedure     1. The network is built and converges.
              2. It runs for ``run_s`` of its own time: with LACPDUs alone (probes=0), or with that many pairs of hosts
                 that send each other a UDP packet every probe interval.
Measurement   wall_s of a trial. It is the only metric that the seed does not determine: it depends on the machine, on
              its load, and on the network. Trials of one network with different run_s differ by the cost of a virtual
              second; the rest is the set-up. Run it with --jobs 1 on an idle machine. virtual_s and converged_s are
              on the trial's own clock and are the same on any machine.
Expectation   The set-up grows with the number of interfaces: each is made, shaped and monitored over netlink. An idle
              second grows with the number of LACP ports, a probed second with the number of packets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.lab.steps import probing_both_ways
from testbed.measure.raw import controller_trouble, event_of, not_aggregated, read_timeline
from testbed.spec import Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


#: The default.
_PROBE_INTERVAL_MS = 1.0


def not_applicable(case: Mapping[str, Level], _topology: Topology) -> str | None:
    """Why a case does not apply; None if it does."""
    if "pair" in case:
        return "pair: this experiment measures the whole network and no pair of hosts"
    if not case["probes"] and case["probe_interval_ms"] != _PROBE_INTERVAL_MS:
        return f"probe_interval_ms={case['probe_interval_ms']}: with probes=0 nothing is probed"
    return None


def procedure(lab: Lab) -> None:
    """Inside: let the network run."""
    names = [host.name for host in lab.topology.hosts]
    wanted = int(lab.case["probes"])
    pairs = list(zip(names, names[len(names) // 2 :], strict=False))[:wanted]
    with contextlib.ExitStack() as stack:
        if pairs:
            stack.enter_context(probing_both_ways(lab, float(lab.case["probe_interval_ms"]) / 1e3, pairs))
        lab.sleep_until(lab.now() + float(lab.case["run_s"]))


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: how large the network is, and when it had converged."""
    timeline = read_timeline(raw / "timeline.jsonl")
    topology = trial.topology
    converged_s = event_of(timeline, "network", "converged")["t_s"]
    metrics = {
        "nodes": len(topology.nodes()),
        "switches_built": len(topology.switches),
        "interfaces": 2 * len(topology.links),
        "lacp_ports": sum(len(lag.ports) for lag in topology.lags if lag.lacp != "off"),
        "run_s": float(trial.case["run_s"]),
        "converged_s": converged_s,
        "events": len(timeline),
    }
    return Measured(metrics, warnings=(*not_aggregated(timeline), *controller_trouble(timeline)))


def scaling() -> Experiment:
    """The experiment."""
    return Experiment(
        name="scaling",
        title="The cost of emulation",
        question="How much wall time does a network take as it grows?",
        topology="leaf_spine",
        factors=(
            schemes.FACTOR,
            Factor("hosts", (4, 8, 16, 32), "hosts, each on two leaves", (4, 16), least=2, network=True),
            Factor("run_s", (0.0, 30.0), "how long the network runs, in its own seconds", least=0),
            Factor("probes", (0,), "pairs of hosts that probe each other meanwhile", least=0),
            Factor("probe_interval_ms", (_PROBE_INTERVAL_MS,), "time between two probe packets of a flow", least=0.1),
        ),
        procedure=procedure,
        measure=read,
        figures=("cost",),
        repetitions=3,
        limit_s=600.0,
        not_applicable=not_applicable,
    )
