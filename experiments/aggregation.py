"""Bandwidth aggregation: how does the goodput of parallel flows grow as members are added to a bond?

Question      What goodput do n greedy flows reach over a bond of k members, and how close is it to that of k links?
Factors       Mode, members, flows, placement, protocol, frame size (mtu), what controls the switches, the number of
              addresses of each host, and any other argument of the topology, such as xmit_hash_policy or qdisc.
Procedure     1. One iperf3 transfer per flow runs from the client to the server, each started at an instant drawn over
                 0.1 s. One window common to all flows is measured: it begins when the last flow has sent for `omit_s`,
                 and is over before the first one ends.
              2. placement=even: ports are chosen so that every member carries the same number of flows, at the client
                 (by the driver's documented hash) and at the switch (by asking the switch, where it can be asked:
                 controller=testbed and static; elsewhere by the client's hash alone).
                 placement=random: ports are drawn from the seed.
              3. The octets that each member of the client sends are read from the kernel's counters, over the whole
                 transfer and ten times a second.
              4. On every member of both hosts a filter in the kernel counts the packets of each flow. So the member
                 of a flow is observed, not inferred.
              With protocol=udp the flows send full datagrams, at the total rate that theory allows.
Measurement   TCP: what the receiving kernel reports that each flow has delivered (sock_diag), at the same instants for
              all, and no more than the receiver's links carried. UDP: the counters of these links, as full datagrams.
Expectation   Modes that use all members reach the rate of k links if flows are placed evenly. Placed at random, a flow
              crosses two hashes, the bond's and the switch's, and gets the fair share of its fullest link: the max-min
              sum over 2k links (theory.random_links; k = 8, n = 16: 5.5 links, 4.5 to 6.5 in 90 % of placements). The
              number of links used, k(1-(1-1/k)^n), holds for one hash (back_to_back). Every trial also has the max-min
              goodput of its own placement. active-backup reaches the rate of one link for any k. balance-rr spreads
              packets, not flows. Headers count: TCP over IPv4 carries 1448 of 1538 octets, over IPv6 1428, in a VLAN
              1448 of 1542. With one member `retransmits` are drops in the sender's own queue, which TCP fills
              (queue_packets, qdisc).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import schemes, theory
from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.emulation.mtu import set_mtu
from testbed.errors import SpecError
from testbed.experiment.experiment import Experiment
from testbed.measure import tcp_stall
from testbed.measure.flow_members import FlowKey, MemberFlows, flows_by_member, packets_by_member
from testbed.measure.goodput import carried_mbps, common_window, ideal_mbps, link_mbps, tcp_mbps
from testbed.measure.iperf3 import load as load_iperf3
from testbed.measure.rates import load as load_rates
from testbed.measure.raw import Event, controller_trouble, member_deltas, not_aggregated, read_json, read_timeline
from testbed.measure.validity import unseen
from testbed.observe import iperf3
from testbed.observe.flow_counters import counting
from testbed.observe.rates import sampling
from testbed.observe.tcp_progress import Progress, progressing
from testbed.spec import SwitchSide, Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


#: How often the receiving kernel is asked what each flow has delivered.
_SAMPLE_S = 0.050
#: By when senders of datagrams have started: no connection tells.
_UDP_STARTED_S = 0.100


def _datagrams(lab: Lab) -> iperf3.Datagrams | None:
    """For UDP: full datagrams, at the total rate that by theory can be received."""
    if lab.case["protocol"] == "tcp":
        return None
    mtu, version = int(lab.case["mtu"]), lab.topology.host(lab.client).ip_version
    ideal_mbps = _ideal_mbps(lab.trial)
    if ideal_mbps is None:
        raise SpecError("protocol udp needs links with a rate: flows offer what the members can carry")
    bond = lab.topology.host(lab.client).bond
    packet = mtu - (bond.trailer_bytes if bond else 0)
    return iperf3.Datagrams(theory.payload_bytes("udp", packet, version), ideal_mbps / int(lab.case["flows"]))


def procedure(lab: Lab) -> None:
    """Inside: place the flows, run them."""
    set_mtu(lab.network, int(lab.case["mtu"]))
    protocol = str(lab.case["protocol"])
    even, addresses = lab.case["placement"] == "even", int(lab.case.get("addresses", 1))
    pairs = lab.place_flows(int(lab.case["flows"]), even=even, protocol=protocol, addresses=addresses)
    lab.write("placement.json", pairs)
    members = lab.members(lab.client)
    with contextlib.ExitStack() as stack:
        counters = stack.enter_context(counting(lab.network, *lab.pair, pairs))
        rates = sampling(lab.network, lab.pair, lab.raw / "member_rates.csv", origin_s=lab.origin_s)
        stack.enter_context(rates)
        flows = stack.enter_context(_progress(lab, pairs)) if protocol == "tcp" else None
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
            if flows is not None:
                flows.wait_started()
            else:
                lab.sleep_until(lab.now() + _UDP_STARTED_S)
            lab.note("iperf3", "started")
        lab.note("iperf3", "end")
        lab.write("counters.json", {"start": start, "end": lab.counters(members)})
        counters.write(lab.raw / "captured.csv", protocol)


def _progress(lab: Lab, pairs: Sequence[Mapping[str, Any]]) -> contextlib.AbstractContextManager[Progress]:
    path = lab.raw / "progress.csv"
    return progressing(lab.network, lab.server, pairs, path, origin_s=lab.origin_s, period_s=_SAMPLE_S)


def _ideal_mbps(trial: Trial) -> float | None:
    return ideal_mbps(trial.topology, str(trial.case["protocol"]), int(trial.case["mtu"]))


def _link_mbps(trial: Trial) -> float | None:
    return link_mbps(trial.topology, str(trial.case["protocol"]), int(trial.case["mtu"]))


def _goodput_mbps(raw: Path, trial: Trial, timeline: Sequence[Event]) -> float:
    window = common_window(timeline, float(trial.case["duration_s"]), float(trial.case["omit_s"]))
    protocol, mtu = str(trial.case["protocol"]), int(trial.case["mtu"])
    carried = carried_mbps(raw / "member_rates.csv", trial.topology, window, protocol, mtu)
    if protocol == "udp":
        return carried
    return min(carried, tcp_mbps(tcp_stall.load(raw / "progress.csv"), window, _SAMPLE_S))


def _placed(raw: Path, trial: Trial, host: str, direction: str, predicted: str) -> MemberFlows:
    """The members of one host that the flows used, and those that placement.json predicts."""
    topology = trial.topology
    own = {"source_ip": topology.host(topology.client).ip, "target_ip": topology.host(topology.server).ip}
    bond = topology.host(host).bond
    members = bond.members if bond else topology.interfaces(host)
    flows: dict[FlowKey, int | None] = {}
    for pair in ({**own, **each} for each in read_json(raw / "placement.json")):
        ends = pair["source_ip"], pair["client_port"], pair["target_ip"], pair["server_port"]
        flows[str(trial.case["protocol"]), *ends] = pair[predicted]
    return flows_by_member(packets_by_member(raw / "captured.csv", members, direction), flows, len(members))


def _by_placement(
    raw: Path, trial: Trial, goodput_mbps: float, ends: tuple[MemberFlows, MemberFlows]
) -> dict[str, float | None]:
    """What theory says of the placement that was seen, and of random ones; None where flows are not greedy, or not
    placed one by one."""
    names = ("placement_mbps", "placement_most_mbps", "placement_ratio", "random_mbps", "random_low_mbps")
    found: dict[str, float | None] = dict.fromkeys((*names, "random_high_mbps"))
    mbps, topology = _link_mbps(trial), trial.topology
    here, there = _switches(topology, topology.client), _switches(topology, topology.server)
    if mbps is None or trial.case["protocol"] != "tcp" or (here != there and topology.server not in here):
        return found  # between switches flows share links that are no member's
    places = list(zip(*(end.places for end in ends), strict=True))
    if not any(end.split for end in ends):
        part = mbps / (topology.link_of(topology.members(topology.client)[0]).rate_mbps or 1.0)
        rates = [
            [part * (topology.link_of(i).rate_mbps or 0.0) for i in topology.members(host)] for host in topology.pair
        ]
        fair_mbps = theory.max_min_mbps(places, *rates)
        found["placement_mbps"] = round(fair_mbps, 6)
        found["placement_most_mbps"] = round(theory.most_mbps(places, *rates), 6)
        found["placement_ratio"] = round(goodput_mbps / fair_mbps, 6)
    stages = hash_stages(topology, schemes.chosen(trial.case).side)
    if trial.case["placement"] == "random" and stages:
        bond = topology.bond(topology.client)
        band = theory.random_links(len(places), len(bond.members), stages).times(mbps)
        for name, value in zip(names[3:], (band.mean, band.low), strict=True):
            found[name] = round(value, 6)
        found["random_high_mbps"] = round(band.high, 6)
    return found


def hash_stages(topology: Topology, side: SwitchSide) -> int:
    """How many independent hashes of the ports place a flow on its way, each on as many links; 0: theory has no answer.

    Over several switches there are more hashes, and links between switches that flows may have to share.
    """
    bond, other = topology.bond(topology.client), topology.host(topology.server).bond
    if bond.mode not in theory.HASH_MODES or bond.xmit_hash_policy not in ("layer3+4", "encap3+4"):
        return 0
    if other is None or len({topology.link_of(i).rate_mbps for i in (*bond.members, *other.members)}) > 1:
        return 0
    if topology.owner(topology.far(bond.members[0]).interface) == topology.server:
        return 1
    if len(_switches(topology, topology.client) | _switches(topology, topology.server)) > 1:
        return 0
    return 2 if side.lags and len(other.members) == len(bond.members) else 0


def _switches(topology: Topology, host: str) -> set[str]:
    """The nodes at the far ends of a host's links."""
    return {topology.far(member).node for member in topology.members(host)}


def _agreed(ends: Sequence[MemberFlows]) -> bool | None:
    """Whether every packet crossed the member that was predicted for its flow; None where nothing was predicted."""
    known = [end for end in ends if end.matched is not None]
    return all(end.matched == sum(end.measured) and not end.split for end in known) if known else None


def read(raw: Path, trial: Trial) -> Measured:
    """Outside: the metrics of a trial from its raw files."""
    timeline = read_timeline(raw / "timeline.jsonl")
    received = load_iperf3(raw / "iperf3.json")
    load_rates(raw / "member_rates.csv")  # a trial with damaged samples fails
    octets = member_deltas(read_json(raw / "counters.json"), "tx_bytes")
    carried = list(octets.values())
    ideal, goodput_mbps = _ideal_mbps(trial), _goodput_mbps(raw, trial, timeline)
    sent = _placed(raw, trial, trial.topology.client, "out", "member")
    arrived = _placed(raw, trial, trial.topology.server, "in", "switch_member")
    cpu = received.cpu_percent if trial.clock == "real" else (None, None)
    return Measured(
        {
            "goodput_mbps": round(goodput_mbps, 6),
            "ideal_mbps": None if ideal is None else round(ideal, 6),
            "goodput_ratio": None if ideal is None else round(goodput_mbps / ideal, 6),
            **_by_placement(raw, trial, goodput_mbps, (sent, arrived)),
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
        question="What goodput do parallel flows reach as members are added to a bond?",
        topology="single_switch",
        factors=(
            Factor("mode", ("balance-rr", "active-backup", "balance-xor", "802.3ad"), "bonding mode of both hosts"),
            schemes.FACTOR,
            Factor("members", (1, 2, 4, 8), "member links of each host", least=1),
            Factor("placement", ("even", "random"), "how the ports of flows are chosen", ("even",), ("even", "random")),
            Factor("flows", (16,), "parallel flows", least=1, most=(512, "each is a server and a client of iperf3")),
            Factor("protocol", ("tcp",), "of the flows", known=("tcp", "udp")),
            Factor("mtu", (1500,), "octets of the longest IP packet, on every link", least=576),
            Factor("duration_s", (2,), "seconds that count", (1,), least=1),
            Factor("omit_s", (1,), "seconds of start-up before them, not counted", least=0),
        ),
        options=(Factor("addresses", (1,), "addresses of each host, for hashes that use them", least=1),),
        bonded=True,
        programs=("iperf3",),
        procedure=procedure,
        measure=read,
        figures=("aggregate", "members", "throughput"),
        repetitions=5,
        primary="goodput_mbps",
        limit_s=120.0,
    )
