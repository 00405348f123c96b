"""The atlas: every technique that makes two ways one service, under one set of failures, on one network.

Question      How long does each technique leave traffic without a way when one of two fails, and what does it cost: how
              much of the ways can be used before, during and after the failure, and how many octets are on the wire for
              one that is delivered?
Factors       The technique: a mode of the hosts, or a scheme of the switches (`TECHNIQUES` says which of both each is).
              The failure (`FAILURES`): a cable without carrier; silent in both directions or in one; that loses 20 or
              80 percent of its frames; that flaps; a switch that is gone; the software of a switch that is gone. Any
              other argument of the topology.
Procedure     1. Two loads are offered for a fifth of a second each: one that no way is filled by, while the octets of
                 all links are counted, and one that fills all ways.
              2. As in failover: probes both ways, the failure of what carries them, its repair, the return. Multipath
                 TCP carries no datagrams: there it is numbered messages, as in the experiment messages.
              3. The same element fails again, for as long. When traffic must have another way the loads are offered
                 once more; and a third time after the repair.
Expectation   The outage has a law for each technique and failure (testbed/theory), or the reason why there is none. A
              technique that hashes flows over the ways uses both before and after, one that prefers a way or sends
              everything twice uses one. A packet costs one copy, with PRP, HSR and broadcast one for each way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import failover, messages
from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.lab.loads import loading
from testbed.measure import usable
from testbed.spec import Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_PROBE_MS = 1.0
#: A LAG, or what needs none, over switches that are one LACP system, or that are joined (topologies/two_ways.py).
_JOINED: Mapping[str, Level] = {"controller": "testbed", "peer_links": 1, "ends": "hosts"}
#: The hosts see two networks.
_APART: Mapping[str, Level] = {"controller": "testbed", "peer_links": 0, "ends": "hosts"}
#: Each host has one link; the switches have two ways.
_SWITCHED: Mapping[str, Level] = {"ends": "switches"}
#: The same, and the two ways are the links of one LAG between the switches.
_LAG: Mapping[str, Level] = {"ends": "lag", "length": 0}

#: Every technique: what it is of the network's factors.
TECHNIQUES: dict[Level, Mapping[str, Level]] = {
    **{
        mode: {**_JOINED, "mode": mode}
        for mode in ("active-backup", "802.3ad", "balance-xor", "balance-rr", "broadcast", "balance-tlb", "balance-alb")
    },
    "active-backup-arp": {**_APART, "mode": "active-backup", "arp_interval_ms": 100, "miimon_ms": 0},
    **{
        f"team-{runner}": {**_JOINED, "mode": mode, "bond": "team"}
        for runner, mode in (
            ("activebackup", "active-backup"),
            ("lacp", "802.3ad"),
            ("loadbalance", "balance-xor"),
            ("roundrobin", "balance-rr"),
            ("broadcast", "broadcast"),
        )
    },
    "team-random": {**_JOINED, "mode": "balance-rr", "bond": "team", "packets_per_slave": 0},
    "prp": {**_APART, "mode": "prp"},
    "hsr": {"ends": "hosts", "length": 2, "mode": "hsr"},
    "ecmp": {**_APART, "mode": "ecmp"},
    "ecmp-resilient": {**_APART, "mode": "ecmp", "ecmp_group": "resilient"},
    "ecmp-bfd": {**_APART, "mode": "ecmp", "ecmp_detect": "bfd"},
    "ecmp-ospf": {**_APART, "mode": "ecmp", "ecmp_detect": "routing"},
    "ecmp-direct": {"ends": "hosts", "length": 0, "mode": "ecmp"},
    "mptcp": {**_APART, "mode": "mptcp", "message_interval_ms": 5.0},
    "mptcp-backup": {**_APART, "mode": "mptcp", "message_interval_ms": 5.0, "mptcp_backup": True},
    **{name: {**_SWITCHED, "controller": name} for name in ("rstp", "stp", "fast-failover")},
    "lag-lacp": {**_LAG, "controller": "testbed"},
    "lag-static": {**_LAG, "controller": "static"},
    **{
        f"ovs-{mode}": {**_LAG, "controller": "ovs", "ovs_bond_mode": mode}
        for mode in ("active-backup", "balance-slb", "balance-tcp")
    },
    "ryu-example": {**_JOINED, "controller": "ryu-example", "mode": "802.3ad"},
}
#: Every failure: the fault and its parameters.
FAILURES: dict[Level, Mapping[str, Level]] = {
    "carrier": {"fault": "carrier_loss"},
    "silent": {"fault": "silent_loss"},
    "silent-to-host": {"fault": "silent_loss", "silent_direction": "to_host"},
    "silent-from-host": {"fault": "silent_loss", "silent_direction": "from_host"},
    "lossy-20": {"fault": "lossy", "loss_percent": 20.0},
    "lossy-80": {"fault": "lossy", "loss_percent": 80.0},
    "flapping": {"fault": "flapping"},
    "switch": {"fault": "switch_crash"},
    "software": {"fault": "switch_software_crash"},
}


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why the failure of a case does not apply to its technique; None if it does."""
    if case.get("mode") == "mptcp" and case["probe_interval_ms"] != _PROBE_MS:
        return f"probe_interval_ms={case['probe_interval_ms']}: over mptcp messages are sent, and no probe"
    if case.get("mode") != "mptcp" and "message_interval_ms" in case:
        return f"message_interval_ms={case['message_interval_ms']}: messages are sent over mptcp alone"
    return failover.not_applicable(case, topology)


def procedure(lab: Lab) -> None:
    """Inside: loads before, the probed failure, the failure again with loads, loads after."""
    fault = str(lab.case["fault"])
    parameters = catalogue.parameters_of(fault, lab.case)
    with loading(lab) as load:
        loads = {"before": load()}
        element = messages.sent(lab) if _by_messages(lab.trial) else failover.probed(lab)
        with lab.fault(fault, element, **parameters):
            lab.sleep_until(lab.now() + failover.lasting_s(lab, fault, element, parameters))
            loads["during"] = load()
        failover.recovered(lab, fault)
        loads["after"] = load()
    lab.write("loads.json", loads)


def _by_messages(trial: Trial) -> bool:
    """Whether a technique is for TCP alone, so that messages are sent, not datagrams."""
    bond = trial.topology.host(trial.topology.client).bond
    return bond is not None and bond.mode == "mptcp"


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: what failover measures, and what the loads show."""
    found = messages.read(raw, trial) if _by_messages(trial) else failover.read(raw, trial)
    return dataclasses.replace(
        found, metrics={**found.metrics, **usable.metrics(raw, trial), **usable.laws(raw, trial)}
    )


def atlas() -> Experiment:
    """The experiment."""
    techniques, failures = tuple(TECHNIQUES), tuple(FAILURES)
    return Experiment(
        name="atlas",
        title="Atlas of techniques",
        question="How long does each technique leave traffic without a way, and what does it cost?",
        topology="two_ways",
        factors=(
            Factor(
                "technique",
                techniques,
                "what makes two ways one service",
                ("active-backup", "802.3ad", "prp", "rstp"),
                known=techniques,
                sets=TECHNIQUES,
            ),
            Factor("failure", failures, "what fails, and how", ("carrier",), known=failures, sets=FAILURES),
            Factor("rate_mbps", (100.0,), "the rate of every link", least=1.0),
            Factor("probe_interval_ms", (_PROBE_MS,), "time between two probe packets of a flow", least=0.1),
        ),
        options=(
            schemes.FACTOR,
            Factor("fault", ("carrier_loss",), "the fault that a failure is", known=catalogue.OF_LINKS),
            Factor("fault_s", (0.0,), "how long a failure lasts; 0: until it must be detected", least=0.0),
            Factor("message_interval_ms", (5.0,), "mptcp: time between two messages", least=0.1),
            *catalogue.options_of(str(each["fault"]) for each in FAILURES.values()),
        ),
        procedure=procedure,
        measure=read,
        figures=("atlas", "matrix", "outage"),
        repetitions=20,
        quick_repetitions=1,
        limit_s=600.0,
        messages=True,
        not_applicable=not_applicable,
        both_ways=True,
    )
