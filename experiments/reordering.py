"""Reordering: what does it cost to spread the packets of one flow over members of unequal delay?

Question      How many packets of one flow overtake each other, by how much, and what part of the members' rate does one
              TCP flow still reach?
Factors       Mode, members, the additional delay of the last member, TCP's tolerance of reordering (the sender's sysctl
              tcp_reordering), and any other argument of the topology.
Procedure     1. Two hosts are wired back to back. The cable of the client's last member has ``difference_ms`` more
                 delay in each direction, for the whole trial.
              2. One UDP flow of a packet every probe interval runs from the client to the server for a second: its
                 reordering is measured.
              3. One TCP flow (iperf3) runs from the client to the server. The first `omit_s` seconds are not counted.
Measurement   The goodput is what the receiving kernel reports that the flow has delivered (sock_diag) between two
              instants, and no more than the receiver's links carried between them.
Expectation   In balance-rr packet n leaves on member n mod k. The next packet overtakes it if its member is faster by
              more than the time between the two. Then 1/k of the packets are reordered, each by an extent of about the
              difference over the interval (RFC 4737, 3 and 4.2.1). TCP takes an overtaken packet for lost, sends it
              again and slows down. bonding.rst (balance-rr) names tcp_reordering as the remedy: the number of segments
              that may overtake a packet before TCP takes it for lost. A kernel that decides by time alone (RACK,
              RFC 8985) waits for a part of the round-trip time instead, so the sysctl changes nothing there. In modes
              that hash, nothing is reordered, and one flow uses one member.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.emulation.namespace import inside
from testbed.experiment.experiment import Experiment
from testbed.lab.steps import far_end
from testbed.measure import tcp_stall
from testbed.measure.goodput import carried_mbps, common_window, link_mbps, tcp_mbps
from testbed.measure.iperf3 import load as load_iperf3
from testbed.measure.outage import load_probe, reordered, reordering_extent
from testbed.measure.raw import Event, controller_trouble, not_aggregated, read_timeline
from testbed.observe import iperf3
from testbed.observe.probe import flows, probing
from testbed.observe.rates import sampling
from testbed.observe.tcp_progress import progressing

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

_PROBED_S = 1.0
_CLIENT_PORT, _SERVER_PORT = 40000, 5201
#: How often the receiving kernel is asked what the flow has delivered.
_SAMPLE_S = 0.050


def procedure(lab: Lab) -> None:
    """Inside: a probe and a TCP flow over members of unequal delay."""
    with inside(lab.network.pid(lab.client)):
        Path("/proc/sys/net/ipv4/tcp_reordering").write_text(str(lab.case["tcp_reordering"]))
    difference_ms = float(lab.case["difference_ms"])
    slower = far_end(lab, lab.members(lab.client)[-1])
    with contextlib.ExitStack() as stack:
        if difference_ms:
            stack.enter_context(lab.fault("slow", slower, delay_ms=difference_ms))
        with (
            flows(lab, [lab.pair]) as found,
            probing(found, _interval_s(lab.trial), lab.raw / "probe.csv", clocks=lab.clocks),
        ):
            lab.sleep_until(lab.now() + _PROBED_S)
        ports = [{"client_port": _CLIENT_PORT, "server_port": _SERVER_PORT}]
        seconds, omit_s = float(lab.case["duration_s"]), float(lab.case["omit_s"])
        rates = sampling(lab.network, lab.pair, lab.raw / "member_rates.csv", origin_s=lab.origin_s)
        stack.enter_context(rates)
        progress = progressing(
            lab.network, lab.server, ports, lab.raw / "progress.csv", origin_s=lab.origin_s, period_s=_SAMPLE_S
        )
        started = stack.enter_context(progress)
        lab.note("iperf3", "begin", flows=1)
        with iperf3.transferring(
            lab.network, *lab.pair, ports, lab.raw / "iperf3.json", seconds=seconds, omit_s=omit_s
        ):
            started.wait_started()
            lab.note("iperf3", "started")
        lab.note("iperf3", "end")


def _interval_s(trial: Trial) -> float:
    return float(trial.case["probe_interval_ms"]) / 1e3


def _goodput_mbps(raw: Path, trial: Trial, timeline: Sequence[Event]) -> float:
    window = common_window(timeline, float(trial.case["duration_s"]), float(trial.case["omit_s"]))
    carried = carried_mbps(raw / "member_rates.csv", trial.topology, window, "tcp", 1500)
    return min(carried, tcp_mbps(tcp_stall.load(raw / "progress.csv"), window, _SAMPLE_S))


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: reordering of the UDP flow, goodput of the TCP flow."""
    timeline = read_timeline(raw / "timeline.jsonl")
    (flow,) = load_probe(raw / "probe.csv")
    arrived = len(flow.sent_s) - flow.lost
    received = load_iperf3(raw / "iperf3.json")
    bond = trial.topology.bond(trial.topology.client)
    one_mbps = link_mbps(trial.topology)
    assert one_mbps is not None
    spread = bond.mode == "balance-rr"
    ideal = one_mbps * (len(bond.members) if spread else 1)
    goodput_mbps = _goodput_mbps(raw, trial, timeline)
    ahead = float(trial.case["difference_ms"]) / 1e3 / _interval_s(trial)
    overtaken = spread and len(bond.members) > 1 and ahead > 1
    metrics = {
        "reordered": reordered(flow),
        "reordered_ratio": round(reordered(flow) / arrived, 6),
        "expected_reordered_ratio": round(1 / len(bond.members), 6) if overtaken else 0.0,
        "reordering_extent": reordering_extent(flow),
        "expected_extent": math.ceil(ahead) - 1 if overtaken else 0,
        "lost": flow.lost,
        "goodput_mbps": round(goodput_mbps, 6),
        "ideal_mbps": round(ideal, 6),
        "goodput_ratio": round(goodput_mbps / ideal, 6),
        "links_worth": round(goodput_mbps / one_mbps, 6),
        "retransmits": received.retransmits,
    }
    return Measured(metrics, warnings=(*not_aggregated(timeline), *controller_trouble(timeline)))


def reordering() -> Experiment:
    """The experiment."""
    return Experiment(
        name="reordering",
        title="Reordering by round robin",
        question="What does it cost to spread the packets of one flow over members of unequal delay?",
        topology="back_to_back",
        factors=(
            Factor("mode", ("balance-rr", "802.3ad"), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("members", (2, 4), "member links of each host", (2,), least=1),
            Factor("difference_ms", (0.0, 0.2, 1.0, 5.0), "additional delay of the last member", least=0),
            Factor("tcp_reordering", (3, 127), "segments that may overtake one before TCP takes it for lost", least=1),
            Factor("probe_interval_ms", (0.1,), "time between two probe packets of a flow", least=0.1),
            Factor("duration_s", (2,), "seconds of TCP that count", (1,), least=1),
            Factor("omit_s", (1,), "seconds of start-up before them, not counted", least=0),
        ),
        bonded=True,
        programs=("iperf3",),
        procedure=procedure,
        measure=read,
        figures=("reordering",),
        repetitions=5,
        limit_s=120.0,
    )
