"""Failover latency: how long does traffic stop when the link that carries it is cut, and when it comes back?

Question      How long is the outage that a constant-rate flow feels when a member link in use loses its carrier,
              and does the return of the link disturb it again?
Factors       The bonding mode, the fault, and anything that the topology lets vary (miimon_ms, lacp_rate ...).
Procedure     1. Two bonded hosts send each other a UDP packet every millisecond, with sequence numbers.
              2. The member of h1 that carries the traffic is found by the kernel's counters, not by theory.
              3. At an instant drawn at random over one period of the link monitor, that member's cable is pulled.
              4. A while later it is plugged in again, and the trial goes on until the member carries traffic again.
Expectation   Outage at most one monitoring interval (plus downdelay); modes that hash may do better, because the
              driver takes the member out on the event itself. No second outage when the member comes back.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.experiment import Experiment, Factor, Measured, Trial
from testbed.measure.failover import measure
from testbed.measure.probe import Flow, probing

if TYPE_CHECKING:
    from testbed.emulation.lab import Lab

_PORT = 7000
#: How long the flow runs before the earliest fault, between fault and repair, and after the member is back.
_BEFORE_S, _DURING_S, _AFTER_S = 0.5, 1.0, 0.5
_REJOIN_DEADLINE_S = 10.0


def _carrying(lab: Lab, seconds: float) -> str:
    """The member of h1 that sends the most packets during the next ``seconds``."""
    members = lab.members("h1")
    before = lab.counters(members)["interfaces"]
    lab.sleep_until(lab.now() + seconds)
    after = lab.counters(members)["interfaces"]
    return max(members, key=lambda name: after[name]["tx_packets"] - before[name]["tx_packets"])


def procedure(lab: Lab) -> None:
    """Inside: probe, cut, restore."""
    interval_s = float(lab.case["probe_interval_ms"]) / 1e3
    topology = lab.topology
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
            # One whole period of the monitor, so that the fault falls on every phase of it alike.
            period_s = (bond.miimon_ms if bond else 100) / 1e3
            lab.sleep_until(lab.now() + _BEFORE_S + lab.random.uniform(0, period_s))
            _, port = topology.link_of(member).other(member)
            with lab.fault(str(lab.case["fault"]), port):
                down_s = (bond.downdelay_ms if bond else 0) / 1e3
                lab.sleep_until(lab.now() + _DURING_S + 2 * period_s + down_s)
            lab.wait_carrying("h1", _REJOIN_DEADLINE_S)
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
            Factor("fault", ("carrier_loss",), "what befalls the member in use", known=("carrier_loss", "none")),
            Factor("probe_interval_ms", (1.0,), "time between two probe packets of a flow", least=0.1),
        ),
        procedure=procedure,
        measure=read,
        figures=("outage",),
        repetitions=20,
        quick_repetitions=5,
        limit_s=120.0,
    )
