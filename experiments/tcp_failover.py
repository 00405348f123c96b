"""Failover under load: how do TCP transfers react to the loss of a member, and to its return?

Question      How long does a TCP flow stall when the member that carries it fails, and what goodput do all flows reach
              together before the fault, while the member is away, and when it is back?
Factors       Mode, members, flows, the fault, the interval of the link monitor (miimon_ms), what controls the switches,
              and any other argument of the topology. Each parameter of a fault is a factor as well.
Procedure     1. One iperf3 transfer per flow runs from the client to the server, all at once. Ports are chosen so that
                 every member carries the same number of flows, as in the experiment aggregation.
              2. When all have been sending for two seconds, the member of the client that sends the most loses its
                 link, at an instant drawn at random over one period of the mechanism that detects the fault.
              3. When both ends must have detected the fault and TCP has had time to settle, the link is repaired. The
                 transfer continues until the member must be back and TCP has had time to settle again.
Measurement   Every 5 ms the receiving kernel is asked what each flow has delivered. A stall is the longest time in
              which a flow delivered nothing. Goodput is that of the last second before the fault, before the repair,
              and before the end. The experiment failover measures how long the path itself is interrupted.
Expectation   A sender that receives no acknowledgement has only its timers: a probe after two round trips, then a try
              after 200 ms and a round trip more, then after twice that each time (RFC 8985, RFC 6298). So a flow whose
              packets are all lost stalls until the next try, not until the end of the outage. An outage that outlasts
              the probe costs a quarter of a second (theory.longest_stall_s; there is a rarer, longer case). A flow of
              which some packets arrive continues at once, by selective acknowledgements. With k members goodput falls
              to that of the members onto which the hash puts the flows, at most k - 1. In active-backup it stays.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.failover import element_of, not_applicable
from testbed import schemes, theory
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.faults import catalogue
from testbed.lab import steps
from testbed.measure import tcp_stall
from testbed.measure.detection import first_taken_out, since
from testbed.measure.goodput import link_mbps, tcp_mbps
from testbed.measure.iperf3 import load as load_iperf3
from testbed.measure.prediction import predict
from testbed.measure.rates import load as load_rates
from testbed.measure.raw import controller_trouble, event_of, find, not_aggregated, read_json, read_timeline
from testbed.measure.validity import unseen
from testbed.observe import iperf3
from testbed.observe.rates import sampling
from testbed.observe.tcp_progress import PERIOD_S, progressing, round_trips_s
from testbed.spec import Bond
from testbed.spec.bond import EVERY_MODE

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: How long the flows send before the first second that counts, and how long TCP gets to settle.
_WARM_UP_S, _SETTLED_S = 1.0, 1.0
#: How long, at most, it takes until the last flow has started, and until the instant ahead of which the fault is drawn.
_STARTS_S = 0.5
#: The time over which a goodput is taken, in seconds: the last before the fault, before the repair, before the end.
_WINDOW_S = 1.0
#: How long LACP needs to take a member in again: it waits for 2 s (IEEE 802.1AX, 6.4.17), then has to negotiate.
_AGREED_S = 4.0
#: A flow that delivers nothing for more periods than these stalls; fewer may be the chance of the samples.
_LEAST_PERIODS = 4


def procedure(lab: Lab) -> None:
    """Inside: transfer, inject the fault, repair."""
    fault = str(lab.case["fault"])
    parameters = catalogue.parameters_of(fault, lab.case)
    bond = lab.topology.bond(lab.client)
    pairs = lab.place_flows(int(lab.case["flows"]), even=True)
    lab.write("placement.json", pairs)
    period_s = steps.period_s(lab, fault)
    away_s = steps.noticed_s(lab, fault, parameters) + _SETTLED_S + _WINDOW_S
    back_s = (
        _AGREED_S + steps.lacp_period_s(lab, lab.client) if bond.mode == "802.3ad" else 0.0
    ) + bond.updelay_ms / 1e3
    total_s = _STARTS_S + _WARM_UP_S + _WINDOW_S + period_s + away_s + back_s + _SETTLED_S + _WINDOW_S
    with (
        sampling(lab.network, lab.pair, lab.raw / "member_rates.csv", origin_s=lab.origin_s),
        progressing(lab.network, lab.server, pairs, lab.raw / "progress.csv", origin_s=lab.origin_s) as flows,
        iperf3.transferring(lab.network, *lab.pair, pairs, lab.raw / "iperf3.json", seconds=total_s, omit_s=0.0),
    ):
        flows.wait_started()
        lab.note("iperf3", "begin", flows=len(pairs))
        lab.sleep_until(lab.now() + _WARM_UP_S + _WINDOW_S)
        member = steps.carrying(lab, lab.client)
        steps.wait_random_phase(lab, period_s)
        lab.note("iperf3", "round_trip", median_s=statistics.median(round_trips_s(lab.network, lab.client, pairs)))
        element = str(lab.case.get("element", "")) or element_of(lab.topology, fault, member)
        with lab.fault(fault, element, **parameters):
            lab.sleep_until(lab.now() + away_s)
        steps.wait_back(lab, lab.client)
    lab.note("iperf3", "end")


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    timeline = read_timeline(raw / "timeline.jsonl")
    load_rates(raw / "member_rates.csv")  # a trial with damaged samples fails
    delivered = tcp_stall.load(raw / "progress.csv")
    begin, end = (event_of(timeline, "fault", edge) for edge in ("begin", "end"))
    window = begin["t_s"], end["t_s"]
    stalls = {port: flow.stall(*window) for port, flow in delivered.items()}
    worst_s = max(stall.stall_s for stall in stalls.values())
    predicted = predict(trial, begin, end, answered=find(timeline, "network", "not_aggregated") is None)
    path = predicted.held(resumed=all(stall.over for stall in stalls.values()))
    rtt_s = _longest_rtt_s(trial)
    bound_s = None if path is None else theory.longest_stall_s(path.limit_s, rtt_s)
    failed = str(event_of(timeline, "network", "member_in_use")["interface"])
    metrics: dict[str, Any] = {
        "stall_s": round(worst_s, 9),
        "stalled_flows": sum(stall.stall_s > _LEAST_PERIODS * PERIOD_S for stall in stalls.values()),
        "noticed_s": since(begin, first_taken_out(timeline, *window)),
        "path_bound_s": None if path is None else round(path.bound_s, 9),
        "rtt_s": event_of(timeline, "iperf3", "round_trip")["median_s"],
        "bound_s": None if bound_s is None else round(bound_s, 9),
        "within_bound": None if bound_s is None else worst_s <= bound_s + PERIOD_S,
        **_goodputs(raw, trial, delivered, failed, window),
        "retransmits": load_iperf3(raw / "iperf3.json").retransmits,
        "flows": {f"from port {port}": {"stall_s": round(stall.stall_s, 9)} for port, stall in stalls.items()},
    }
    warnings = (*not_aggregated(timeline), *controller_trouble(timeline), *unseen(timeline))
    stopped = ", ".join(str(port) for port, stall in stalls.items() if not stall.over)
    if stopped:
        return Measured(metrics, "censored", f"the flows from port {stopped} had not gone on by the repair", warnings)
    return Measured(metrics, warnings=warnings)


def _longest_rtt_s(trial: Trial) -> float:
    """A round trip behind full queues: before the sender's link, and where several of these feed one link of the
    receiver, before that as well. Acknowledgements are short and wait for nothing."""
    bond = trial.topology.bond(trial.topology.client)
    link = trial.topology.link_of(bond.members[0])
    assert link.rate_mbps is not None
    queues = 1 if bond.mode in theory.ONE_MEMBER_MODES else 2
    return queues * theory.queue_s(link.rate_mbps, link.queue_packets) + 4 * link.delay_ms / 1e3


def _goodputs(
    raw: Path, trial: Trial, delivered: Mapping[int, tcp_stall.Delivered], failed: str, window: tuple[float, float]
) -> dict[str, float]:
    """Goodput of the last second before the fault, before the repair and before the end, each beside its ideal."""
    bond = trial.topology.bond(trial.topology.client)
    flows = [_tuple(trial, pair) for pair in read_json(raw / "placement.json")]
    last_s = min(float(flow.t_s[-1]) for flow in delivered.values())
    mbps = link_mbps(trial.topology)
    assert mbps is not None
    left = dataclasses.replace(bond, members=tuple(name for name in bond.members if name != failed))
    found = {}
    for when, until_s, members in (("before", window[0], bond), ("during", window[1], left), ("after", last_s, bond)):
        goodput_mbps = tcp_mbps(delivered, (until_s - _WINDOW_S, until_s), PERIOD_S)
        found[f"goodput_{when}_mbps"] = round(goodput_mbps, 6)
        found[f"ideal_{when}_mbps"] = round(_links_used(members, flows) * mbps, 6)
    return found


def _links_used(bond: Bond, flows: Sequence[theory.Tuple5]) -> int:
    """How many of the bond's members the flows use, by its mode and its documented hash."""
    if bond.mode in theory.ONE_MEMBER_MODES:
        return min(1, len(bond.members))
    places = {theory.member_of_flow(bond, flow) for flow in flows}
    return len(bond.members) if None in places else len(places)


def _tuple(trial: Trial, pair: Mapping[str, int]) -> theory.Tuple5:
    topology = trial.topology
    client, server = topology.host(topology.client), topology.host(topology.server)
    ends = topology.host_mac(client.name), topology.host_mac(server.name), client.ip, server.ip
    return theory.Tuple5(*ends, pair["client_port"], pair["server_port"], vlan=client.vlan or None)


def tcp_failover() -> Experiment:
    """The experiment."""
    return Experiment(
        name="tcp_failover",
        title="Failover under load",
        question="How long does a TCP flow stall when its member fails, and what goodput do all flows reach?",
        topology="single_switch",
        factors=(
            Factor("mode", ("active-backup", "802.3ad"), "mode of both hosts", known=EVERY_MODE),
            schemes.FACTOR,
            Factor("members", (2, 4), "member links of each host", (2,), least=2),
            Factor("flows", (8,), "parallel TCP flows", least=1, most=(512, "each is a server and a client of iperf3")),
            Factor("fault", ("carrier_loss",), "the fault that is injected", known=catalogue.OF_LINKS),
            Factor("miimon_ms", (20, 100, 400), "interval of the link monitor", (100,), least=1),
        ),
        options=(
            Factor("element", ("",), "what fails, by name; none: the member of the client that sends most"),
            *catalogue.options_of(catalogue.OF_LINKS),
        ),
        bonded=True,
        programs=("iperf3",),
        procedure=procedure,
        measure=read,
        figures=("stall", "throughput"),
        repetitions=5,
        primary="stall_s",
        limit_s=300.0,
        not_applicable=not_applicable,
    )
