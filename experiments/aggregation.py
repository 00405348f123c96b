"""Bandwidth aggregation: how much more do parallel TCP flows get through a bond as members are added?

Question      What goodput do n greedy TCP flows reach over a bond of k members, and how near to k links is that?
Factors       Mode, members, flows, placement, what steers the switches, and anything that the topology lets vary.
Procedure     1. One iperf3 client a flow, all at once from h1 to h2; the first `omit_s` seconds do not count.
              2. placement=even: client and server ports are chosen so that every member carries the same number of
                 flows, on h1 (by the driver's documented hash) and on the switch (by asking the switch, where it
                 can be asked: controller=testbed and static; by the hash of h1 alone elsewhere);
                 placement=random: ports drawn from the seed, so that the hash places them as it will.
              3. Octets per member of h1 are the kernel's counters over the whole transfer.
Expectation   Modes that use all members: k links' worth when flows are placed evenly, and k(1-(1-1/k)^n) links when
              they are not. Active-backup: one link, whatever k is. balance-rr spreads packets, not flows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from testbed import theory
from testbed.emulation import arms
from testbed.experiment import Experiment, Factor, Measured, Trial
from testbed.measure import iperf3
from testbed.measure.raw import controller_trouble, member_deltas, not_aggregated, read_json, read_timeline

if TYPE_CHECKING:
    from testbed.emulation.lab import Lab


def procedure(lab: Lab) -> None:
    """Inside: place the flows, run them."""
    pairs = lab.place_flows(int(lab.case["flows"]), even=lab.case["placement"] == "even")
    lab.write("placement.json", pairs)
    members = lab.members("h1")
    start = lab.counters(members)
    lab.note("iperf3", "begin", flows=len(pairs))
    iperf3.run(
        lab.network.mininet.get("h1"),
        lab.network.mininet.get("h2"),
        lab.topology.host("h2").ip,
        pairs,
        lab.raw / "iperf3.json",
        seconds=float(lab.case["duration_s"]),
        omit_s=float(lab.case["omit_s"]),
        listening=lambda ports: lab.wait_listening("h2", ports),
    )
    lab.note("iperf3", "end")
    lab.write("counters.json", {"start": start, "end": lab.counters(members)})


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    timeline = read_timeline(raw / "timeline.jsonl")
    received = iperf3.load(raw / "iperf3.json")
    placed = read_json(raw / "placement.json")
    bond = trial.topology.host("h1").bond
    assert bond is not None
    rate_mbps = trial.topology.link_of(bond.members[0]).rate_mbps
    octets = member_deltas(read_json(raw / "counters.json"), "tx_bytes")
    carried = list(octets.values())
    ideal = None if rate_mbps is None else theory.ideal_mbps(bond.mode, len(bond.members), rate_mbps)
    predicted = [pair["member"] for pair in placed]
    return Measured(
        {
            "goodput_mbps": round(received.goodput_mbps, 6),
            "ideal_mbps": None if ideal is None else round(ideal, 6),
            "goodput_ratio": None if ideal is None else round(received.goodput_mbps / ideal, 6),
            "member_tx_bytes": carried,
            "jain_index": round(theory.jain_index(carried), 6),
            "predicted_member_flows": None
            if None in predicted
            else [predicted.count(member) for member in range(len(bond.members))],
            "retransmits": received.retransmits,
        },
        warnings=(*not_aggregated(timeline), *controller_trouble(timeline)),
    )


def aggregation() -> Experiment:
    """The experiment."""
    return Experiment(
        name="aggregation",
        title="Bandwidth aggregation",
        question="What goodput do parallel TCP flows reach as members are added to a bond?",
        topology="single_switch",
        factors=(
            Factor("mode", ("balance-rr", "active-backup", "balance-xor", "802.3ad"), "bonding mode of both hosts"),
            arms.FACTOR,
            Factor("members", (1, 2, 4, 8), "member links of each host", least=1),
            Factor("placement", ("even", "random"), "how flows get their ports", ("even",), ("even", "random")),
            Factor("flows", (16,), "parallel TCP flows", least=1),
            Factor("duration_s", (2,), "seconds that count", (1,), least=1),
            Factor("omit_s", (1,), "seconds of start-up before them, not counted", least=0),
        ),
        procedure=procedure,
        measure=read,
        figures=("aggregate", "members"),
        repetitions=5,
        primary="goodput_mbps",
        limit_s=120.0,
    )
