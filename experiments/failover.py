"""Failover latency: how long does traffic stop when the link that carries it is cut, and when it comes back?

Question      How long is the outage that a constant-rate flow feels when a member link in use loses its carrier,
              or silently loses all frames, and does the return of the link disturb it again?
Factors       The bonding mode, the fault, what steers the switches, and anything that the topology lets vary
              (miimon_ms, lacp_rate ...).
Procedure     1. Two bonded hosts send each other a UDP packet every millisecond, with sequence numbers.
              2. The member of h1 that carries the traffic is found by the kernel's counters, not by theory.
              3. At an instant drawn at random over one period of what is to notice it (the link monitor, or LACP),
                 the fault strikes that member.
              4. When it has lasted longer than theory says that anybody needs to notice, it ends, and the trial goes
                 on until the member carries traffic again. A flow that has not resumed by then is censored.
Expectation   carrier_loss: at most one monitoring interval (plus downdelay); modes that hash may do better, because
              the driver takes the member out on the event itself. silent_loss: with LACP between two of its periods
              and its timeout; without LACP nobody notices before the repair. No second outage when the member
              comes back.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import theory
from testbed.emulation import arms
from testbed.experiment import Experiment, Factor, Measured, Trial
from testbed.measure.failover import measure
from testbed.measure.probe import Flow, probing

if TYPE_CHECKING:
    from testbed.emulation.lab import Lab

_PORT = 7000
#: How long the flow runs before the earliest fault, after the latest that it should resume, after the member is back.
_BEFORE_S, _RESUMED_S, _AFTER_S = 0.5, 1.0, 0.5
#: How long a fault lasts that nothing is known to notice.
_UNNOTICED_S = 3.0
#: How long a member may take to come back, after whatever LACP waits for first.
_REJOIN_DEADLINE_S = 10.0


def _carrying(lab: Lab, seconds: float) -> str:
    """The member of h1 that sends the most packets during the next ``seconds``."""
    members = lab.members("h1")
    before = lab.counters(members)["interfaces"]
    lab.sleep_until(lab.now() + seconds)
    after = lab.counters(members)["interfaces"]
    return max(members, key=lambda name: after[name]["tx_packets"] - before[name]["tx_packets"])


def _noticed_s(lab: Lab, fault: str) -> float:
    """How long it takes, at most, until both ends of the link have noticed the fault."""
    bond = lab.topology.host("h1").bond
    bound = theory.failover_bound(bond, fault, lacp=lab.answered("h1")) if bond else None
    longest_s = bound.limit_s if bound else _UNNOTICED_S
    if bond and bond.mode == "802.3ad" and fault != "none" and not lab.arm.port_status:
        longest_s = max(longest_s, theory.lacp_bound(bond.lacp_rate).limit_s)
    return longest_s


def procedure(lab: Lab) -> None:
    """Inside: probe, cut, restore."""
    interval_s = float(lab.case["probe_interval_ms"]) / 1e3
    topology, fault = lab.topology, str(lab.case["fault"])
    with contextlib.ExitStack() as stack:
        flows = []
        for source, target in (("h1", "h2"), ("h2", "h1")):
            sender, receiver = (stack.enter_context(lab.network.socket(host)) for host in (source, target))
            sender.bind(("", 0))
            receiver.bind(("", _PORT))
            flows.append(Flow(f"{source}>{target}", sender, receiver, (topology.host(target).ip, _PORT)))
        with probing(flows, interval_s, lab.raw / "probe.csv", origin_s=lab.origin_s, tail_s=0.2):
            member = _carrying(lab, 0.1)
            lab.note("network", "member_in_use", interface=member)
            bond = topology.host("h1").bond
            lacp_s = theory.LACP_PERIOD_S[bond.lacp_rate] if bond and bond.mode == "802.3ad" else 0.0
            # One whole period of what is to notice the fault, so that it falls on every phase of that alike.
            period_s = lacp_s if lacp_s and fault == "silent_loss" else (bond.miimon_ms if bond else 100) / 1e3
            lab.sleep_until(lab.now() + _BEFORE_S + lab.random.uniform(0, period_s))
            _, port = topology.link_of(member).other(member)
            with lab.fault(fault, port):
                lab.sleep_until(lab.now() + _noticed_s(lab, fault) + _RESUMED_S)
            lab.wait_carrying("h1", _REJOIN_DEADLINE_S + lacp_s)
            lab.sleep_until(lab.now() + _AFTER_S)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    return measure(raw, trial, interval_s=float(trial.case["probe_interval_ms"]) / 1e3)


def failover() -> Experiment:
    """The experiment."""
    return Experiment(
        name="failover",
        title="Failover latency",
        question="How long does traffic stop when the member link that carries it is cut, and when it returns?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup", "802.3ad"), "bonding mode of both hosts"),
            arms.FACTOR,
            Factor("fault", ("carrier_loss",), "what befalls the member in use", known=theory.FAULTS),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        procedure=procedure,
        measure=read,
        figures=("outage",),
        repetitions=20,
        quick_repetitions=5,
        limit_s=300.0,
    )
