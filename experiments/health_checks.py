"""Health checks: how long does a load balancer send requests to a server that has failed, and how many of them fail?

Question      A balancer asks its servers for their health. How long until it places nothing on one that has failed, and
              which requests fail until then?
Factors       How the server fails: its process is killed, and its machine refuses connections; it is halted, and takes
              connections without an answer; its cable carries nothing, or slowly (slow_delay_ms). The layer at which
              is balanced (4: IPVS, with keepalived's checks; 7: HAProxy), the interval of checks, how many must fail in
              a row, and any other argument of the topology (balancer_timeout_ms, balancer_fastinter_ms ...).
Procedure     1. The client sends the service a request every interval, on a new connection each or with keep-alive.
              2. One trial injects many faults in one network, each on the first server, at an instant drawn at random
                 over a whole interval of the checks.
              3. A fault lasts until by theory the server must have been taken out, and the requests that wait for it
                 have given up. Then it is repaired, and the next one follows once the server is back.
Measurement   Detection: from the fault to the master's log that says that the server is down. Failed requests, each
              from when it was due; and when the last one was sent.
Expectation   theory/health_checks.py, from the manuals of HAProxy and keepalived: with an interval I, F failures in a
              row and a time-out T, a server that refuses is taken out (F - 1) I to F I after the fault, evenly, and one
              that is silent F T later. Of n servers in turn one gets every nth request, and these fail; none does where
              HAProxy cannot connect and chooses another one. A slow server whose answers come within the time-out stays
              in, and every nth request is late by two round trips; one whose answers come later is silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.lab import steps
from testbed.measure import health_checks as measured
from testbed.spec import Balancer, Topology
from testbed.theory import OutageBound, chain
from testbed.theory import health_checks as theory

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

FAULTS = (theory.REFUSES, theory.HALTED, theory.UNHEARD, theory.SLOW)
#: How long a client waits for an answer; how long the network rests before a repair, and after a return.
_TIMEOUT_S, _AFTER_S = measured.TIMEOUT_S, 0.5
#: The options of a slow server.
_SLOW = tuple(option for option in catalogue.OPTIONS if option.name == "slow_delay_ms")


def _server(topology: Topology) -> str:
    """The server that fails: the first one."""
    return topology.balancers[0].servers[0]


def _element(topology: Topology, fault: str) -> str:
    """What a fault hits of the server: its process, or its cable."""
    server = _server(topology)
    return f"{server}:http" if fault.startswith("service_") else topology.interfaces(server)[0]


def not_applicable(case: Mapping[str, Level], topology: Topology) -> str | None:
    """Why no server can fail in that network, or no other one takes over; None if it can."""
    if not topology.balancers:
        return f"topology {topology.name} has no balancer"
    if len(topology.balancers[0].servers) < 2:
        return "the balancer has one server, and no other to place requests on"
    if lacks := catalogue.not_taken(str(case["fault"]), case):
        return lacks
    if case["fault"] == theory.SLOW and theory.undecided(topology.balancers[0], measured.delay_s(case)):
        return "an answer that is so slow comes just when its check ends: whether it counts is a matter of microseconds"
    if case["fault"] in (theory.UNHEARD, theory.SLOW) and topology.host(_server(topology)).bond is not None:
        return f"{_server(topology)} has a bond: it is heard of by its other member, too"
    if case["keep_alive"] and topology.balancers[0].layer == 4:
        return "keep_alive=true: at layer 4 one connection has one server, so requests are not placed in turn"
    return chain.unreached(topology, schemes.chosen(case).side)


def lasts_s(case: Mapping[str, Level], topology: Topology) -> float:
    """About how long a trial lasts on its own clock, in seconds."""
    group = topology.balancers[0]
    back_s = theory.reinstated_s(group) + _AFTER_S
    return steps.faults_last_s(case, period_s=group.check_ms / 1e3, lasts_s=_each_s(group, case), after_s=back_s)


def _each_s(group: Balancer, case: Mapping[str, Level]) -> float:
    """How long each fault lasts."""
    delay_s = measured.delay_s(case)
    found = theory.detection(group, str(case["fault"]), delay_s)
    noticed_s = found.limit_s if isinstance(found, OutageBound) else theory.unnoticed_s(group, delay_s)
    return noticed_s + _TIMEOUT_S + _AFTER_S


def procedure(lab: Lab) -> None:
    """Inside: fail the first server again and again, with requests from the client."""
    fault, group = str(lab.case["fault"]), lab.topology.balancers[0]
    interval_s = float(lab.case["request_interval_ms"]) / 1e3
    with steps.asking(lab, interval_s, timeout_s=_TIMEOUT_S, keep_alive=bool(lab.case["keep_alive"])):
        each_s = _each_s(group, lab.case)
        for _ in steps.faults(lab, _element(lab.topology, fault), period_s=group.check_ms / 1e3, lasts_s=each_s):
            lab.sleep_until(lab.now() + theory.reinstated_s(group) + _AFTER_S)


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    return measured.measure(raw, trial, _server(trial.topology), float(trial.case["request_interval_ms"]) / 1e3)


def health_checks() -> Experiment:
    """The experiment."""
    return Experiment(
        name="health_checks",
        title="Health checks",
        question="How long does a load balancer send requests to a server that has failed?",
        topology="balancer_pair",
        factors=(
            Factor("fault", FAULTS, "what happens to the first server", FAULTS[:2], known=FAULTS),
            schemes.FACTOR,
            Factor("balancer_layer", (4, 7), "4: connections (IPVS); 7: requests (HAProxy)", network=True),
            Factor("balancer_check_ms", (1000, 500), "interval of the health checks", (500,), network=True),
            Factor("balancer_fall", (3,), "failures in a row that take a server out", network=True),
            Factor("faults", (20,), "faults in one trial", (5,), least=1),
            Factor("request_interval_ms", (20.0,), "time between two requests", least=2.0),
            Factor("keep_alive", (False,), "whether a connection carries more than one request"),
        ),
        options=_SLOW,
        procedure=procedure,
        lasts_s=lasts_s,
        measure=read,
        figures=("detection",),
        repetitions=5,
        quick_repetitions=1,
        limit_s=1200.0,
        primary="median_failed",
        not_applicable=not_applicable,
    )
