"""Bandwidth aggregation: how much more do parallel flows get through a bond as members are added?

Question      What goodput do n greedy flows reach over a bond of k members, and how near to k links is that?
Factors       Mode, members, flows, placement, protocol, frame size (mtu), what controls the switches, and anything that
              the topology lets vary, such as xmit_hash_policy; and how many addresses each host has.
Procedure     1. One iperf3 client a flow from h1 to h2, each started at an instant drawn over 0.1 s; the first `omit_s`
                 seconds do not count.
              2. placement=even: client and server ports are chosen so that every member carries the same number of
                 flows, on h1 (by the driver's documented hash) and on the switch (by asking the switch, where it
                 can be asked: controller=testbed and static; by the hash of h1 alone elsewhere);
                 placement=random: ports drawn from the seed, so that the hash places them as it will.
              3. Octets per member of h1 are the kernel's counters over the whole transfer, and ten times a second.
              4. On every member of both hosts a filter of the kernel counts each flow's packets: where a flow was is
                 seen, not inferred. protocol=udp: full datagrams, together as many as theory says can be received.
Expectation   Modes that use all members: k links' worth when flows are placed evenly, and k(1-(1-1/k)^n) links when
              they are not. Active-backup: one link, whatever k is. balance-rr spreads packets, not flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import schemes, theory
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.emulation.mtu import set_mtu
from testbed.errors import SpecError
from testbed.experiment.experiment import Experiment
from testbed.measure.flow_members import FlowKey, MemberFlows, flows_by_member, packets_by_member
from testbed.measure.iperf3 import load as load_iperf3
from testbed.measure.rates import load as load_rates
from testbed.measure.raw import controller_trouble, member_deltas, not_aggregated, read_json, read_timeline
from testbed.measure.validity import unseen
from testbed.observe import iperf3
from testbed.observe.flow_counters import counting
from testbed.observe.rates import sampling

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


def _datagrams(lab: Lab) -> iperf3.Datagrams | None:
    """For UDP: full datagrams, and all flows together as much as theory says that can be received."""
    if lab.case["protocol"] == "tcp":
        return None
    mtu = int(lab.case["mtu"])
    ideal_mbps = _ideal_mbps(lab.trial)
    if ideal_mbps is None:
        raise SpecError("protocol udp needs links with a rate: flows offer what the members can carry")
    return iperf3.Datagrams(theory.udp_payload_bytes(mtu), ideal_mbps / int(lab.case["flows"]))


def procedure(lab: Lab) -> None:
    """Inside: place the flows, run them."""
    set_mtu(lab.network, int(lab.case["mtu"]))
    protocol = str(lab.case["protocol"])
    even, addresses = lab.case["placement"] == "even", int(lab.case.get("addresses", 1))
    pairs = lab.place_flows(int(lab.case["flows"]), even=even, protocol=protocol, addresses=addresses)
    lab.write("placement.json", pairs)
    members = lab.members(lab.client)
    with (
        counting(lab.network, *lab.pair, pairs) as counters,
        sampling(lab.network, lab.pair, lab.raw / "member_rates.csv", origin_s=lab.origin_s),
    ):
        start = lab.counters(members)
        lab.note("iperf3", "begin", flows=len(pairs))
        with iperf3.transferring(
            lab.network,
            lab.client,
            lab.server,
            pairs,
            lab.raw / "iperf3.json",
            seconds=float(lab.case["duration_s"]),
            omit_s=float(lab.case["omit_s"]),
            udp=_datagrams(lab),
        ):
            pass  # until they have ended
        lab.note("iperf3", "end")
        lab.write("counters.json", {"start": start, "end": lab.counters(members)})
        counters.write(lab.raw / "captured.csv", protocol)


def _ideal_mbps(trial: Trial) -> float | None:
    bond = trial.topology.bond(trial.topology.client)
    rate_mbps = trial.topology.link_of(bond.members[0]).rate_mbps
    if rate_mbps is None:
        return None
    mtu, protocol = int(trial.case["mtu"]), str(trial.case["protocol"])
    return theory.ideal_mbps(bond.mode, len(bond.members), rate_mbps, mtu, protocol)


def _placed(raw: Path, trial: Trial, host: str, direction: str, predicted: str) -> MemberFlows:
    """Where the flows were at one host's members, beside where placement.json has them."""
    topology = trial.topology
    own = {"source_ip": topology.host(topology.client).ip, "target_ip": topology.host(topology.server).ip}
    bond = topology.host(host).bond
    members = bond.members if bond else topology.interfaces(host)
    flows: dict[FlowKey, int | None] = {}
    for pair in ({**own, **each} for each in read_json(raw / "placement.json")):
        ends = pair["source_ip"], pair["client_port"], pair["target_ip"], pair["server_port"]
        flows[str(trial.case["protocol"]), *ends] = pair[predicted]
    return flows_by_member(packets_by_member(raw / "captured.csv", members, direction), flows, len(members))


def _agreed(ends: Sequence[MemberFlows]) -> bool | None:
    """Whether every packet crossed the member that was predicted for its flow; None where nothing was predicted."""
    known = [end for end in ends if end.matched is not None]
    return all(end.matched == sum(end.measured) and not end.split for end in known) if known else None


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    timeline = read_timeline(raw / "timeline.jsonl")
    received = load_iperf3(raw / "iperf3.json")
    load_rates(raw / "member_rates.csv")  # damaged samples are no trial
    octets = member_deltas(read_json(raw / "counters.json"), "tx_bytes")
    carried = list(octets.values())
    ideal = _ideal_mbps(trial)
    sent = _placed(raw, trial, trial.topology.client, "out", "member")
    arrived = _placed(raw, trial, trial.topology.server, "in", "switch_member")
    cpu = received.cpu_percent if trial.clock == "real" else (None, None)
    return Measured(
        {
            "goodput_mbps": round(received.goodput_mbps, 6),
            "ideal_mbps": None if ideal is None else round(ideal, 6),
            "goodput_ratio": None if ideal is None else round(received.goodput_mbps / ideal, 6),
            "member_tx_bytes": carried,
            "jain_index": round(theory.jain_index(carried), 6),
            "predicted_member_flows": sent.predicted,
            "measured_member_flows": sent.measured if not sent.split else None,
            "switch_predicted_member_flows": arrived.predicted,
            "switch_measured_member_flows": arrived.measured if not arrived.split else None,
            "placement_as_predicted": _agreed((sent, arrived)),
            "retransmits": received.retransmits,
            "lost_datagrams": received.lost,
            "sender_cpu_percent": cpu[0],
            "receiver_cpu_percent": cpu[1],
        },
        warnings=(*not_aggregated(timeline), *controller_trouble(timeline), *unseen(timeline)),
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
            schemes.FACTOR,
            Factor("members", (1, 2, 4, 8), "member links of each host", least=1),
            Factor("placement", ("even", "random"), "how flows get their ports", ("even",), ("even", "random")),
            Factor("flows", (16,), "parallel flows", least=1),
            Factor("protocol", ("tcp",), "of the flows", known=("tcp", "udp")),
            Factor("mtu", (1500,), "octets of the longest IP packet, on every link", least=576),
            Factor("duration_s", (2,), "seconds that count", (1,), least=1),
            Factor("omit_s", (1,), "seconds of start-up before them, not counted", least=0),
        ),
        options=(Factor("addresses", (1,), "addresses of each host, for hashes that go by them", least=1),),
        bonded=True,
        procedure=procedure,
        measure=read,
        figures=("aggregate", "members", "throughput"),
        repetitions=5,
        primary="goodput_mbps",
        limit_s=120.0,
    )
