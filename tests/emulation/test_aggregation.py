"""Bandwidth aggregation against what Ethernet, TCP and the bonding driver's documents say.

h1 ===== s1 ===== h2     k members of 1 Gbit/s on each side; every quantity is what the kernel or iperf3 counted
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import theory
from testbed.design.trial import Trial
from testbed.measure.raw import member_deltas, read_json
from testbed.results.result import Record, Run
from tests.emulation.support import side_by_side

#: What crosses a member besides the flows placed on it: LACPDUs, ARP, and iperf3's control connections, whose ports
#: the kernel chooses. A flow that is placed carries tens of megabytes.
_OTHER_BYTES = 200_000
#: A full segment of TCP with timestamps carries 1448 octets in a frame that the kernel counts with 1514.
_FRAME_PER_PAYLOAD = 1514 / 1448


#: What network cards hold for their interrupts is less than this part of what is counted.
_FEW_FRAMES = 1.0005


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Each run one guest at a time, two runs at once on two processors."""
    base = tmp_path_factory.mktemp("aggregation")

    def wanted(name: str, **levels: str) -> tuple[Path | str, ...]:
        levels = {"placement": "even", "duration_s": "1", "omit_s": "0", **levels}
        words = [word for item in levels.items() for word in ("--set", "=".join(item))]
        return base / name, "aggregation", "--repetitions", "1", "--seed", "2", "--jobs", "1", *words

    members = wanted("members", mode="802.3ad", members="1,2,4,8", flows="16", omit_s="1")
    backup = wanted("backup", mode="active-backup", members="2", flows="16", omit_s="1")
    random = wanted("random", mode="balance-xor,802.3ad", members="4", flows="3", placement="random")
    packets = wanted("packets", mode="balance-rr", members="2", flows="1,3")
    by_address = {"xmit_hash_policy": "layer2+3", "addresses": "4"}
    addressed = wanted("addressed", mode="802.3ad", members="2", flows="4", omit_s="1", **by_address)
    one = {"mode": "802.3ad", "members": "1", "omit_s": "1"}
    six = wanted("six", **one, flows="4", ip="6", protocol="tcp,udp")
    tagged = wanted("tagged", **one, flows="4", vlan="9", protocol="tcp,udp")
    jumbo = wanted("jumbo", **one, flows="4", mtu="9000")
    # A short queue may drop a flow's first segment, which costs that flow a second (RFC 6298, 2): so two seconds.
    queues = wanted("queues", **one, flows="12", queue_packets="300,4000", duration_s="2")
    fair = wanted("fair", **one, flows="4", qdisc="fq,fq_codel")
    hashed = wanted("hashed", mode="802.3ad", members="4", flows="16", placement="random", omit_s="1")
    pairs = ((members, six), (backup, random), (packets, addressed), (tagged, queues), (jumbo, fair), (hashed,))
    return {run.path.name: run for pair in pairs for run in side_by_side(*pair)}


def _trial(run: Run, record: Record) -> Trial:
    return Trial.from_json((run.path / record.raw / "trial.json").read_text())


def _rate_mbps(run: Run, record: Record) -> float:
    rate_mbps = _trial(run, record).topology.links[0].rate_mbps
    assert rate_mbps is not None
    return rate_mbps


@pytest.mark.parametrize("members", [1, 2, 4, 8])
def test_lacp_reaches_what_all_members_can_carry(runs: dict[str, Run], members: int) -> None:
    (record,) = (record for record in runs["members"].records if record.case["members"] == members)
    rate_mbps = _rate_mbps(runs["members"], record)
    assert rate_mbps == 1000
    wanted = theory.ideal_mbps("802.3ad", members, rate_mbps)
    # No more than the wire can carry in the window that is common to all flows, but for a few frames.
    assert 0.99 * wanted <= record.metrics["goodput_mbps"] <= _FEW_FRAMES * wanted
    assert record.metrics["jain_index"] > 0.99
    assert record.warnings == []


def test_active_backup_stays_at_the_rate_of_one_member(runs: dict[str, Run]) -> None:
    (record,) = runs["backup"].records
    one = theory.ideal_mbps("802.3ad", 1, _rate_mbps(runs["backup"], record))
    assert record.metrics["goodput_mbps"] == pytest.approx(one, rel=0.01)
    active, other = record.metrics["member_tx_bytes"]
    assert other < _OTHER_BYTES < active


@pytest.mark.parametrize("mode", ["balance-xor", "802.3ad"])
def test_every_flow_is_on_the_member_that_the_documented_hash_names(runs: dict[str, Run], mode: str) -> None:
    run = runs["random"]
    (record,) = (record for record in run.records if record.case["mode"] == mode)
    topology = _trial(run, record).topology
    bond = topology.host("h1").bond
    assert bond is not None
    octets = member_deltas(read_json(run.path / record.raw / "counters.json"), "tx_bytes")
    flows = json.loads((run.path / record.raw / "iperf3.json").read_text())["flows"]
    payload = dict.fromkeys(bond.members, 0)
    for flow in flows:
        (connection,) = flow["client"]["start"]["connected"]
        addresses = connection["local_host"], connection["remote_host"]
        ports = connection["local_port"], connection["remote_port"]
        macs = topology.host_mac("h1"), topology.host_mac("h2")
        member = theory.member_of_flow(bond, theory.Tuple5(*macs, *addresses, *ports))
        assert member is not None
        payload[bond.members[member]] += flow["client"]["end"]["sum_sent"]["bytes"]
    assert 1 < sum(sent > 0 for sent in payload.values()) < len(bond.members), "uneven on purpose, by the seed"
    for name, sent in payload.items():
        # What iperf3 had written when it ended was not all sent: the socket's buffer is the difference.
        assert octets[name] == pytest.approx(sent * _FRAME_PER_PAYLOAD, rel=0.02, abs=_OTHER_BYTES), name
        assert sent == 0 or sent > 20_000_000


def test_round_robin_spreads_packets_whatever_the_flows(runs: dict[str, Run]) -> None:
    run = runs["packets"]
    assert [record.case["flows"] for record in run.records] == [1, 3]
    for record in run.records:
        packets = member_deltas(read_json(run.path / record.raw / "counters.json"), "tx_packets")
        first, second = packets.values()
        assert first > 10_000
        # packets_per_slave is 1 (bonding.rst): the members take turns. ARP, and when counters are read, is the rest.
        assert abs(first - second) <= 10
        assert record.metrics["jain_index"] > 0.999


def test_a_hash_of_addresses_spreads_flows_between_several(runs: dict[str, Run]) -> None:
    """bonding.rst, layer2+3: addresses count and ports do not; so an even placement needs hosts with several."""
    (record,) = runs["addressed"].records
    placed = json.loads((runs["addressed"].path / record.raw / "placement.json").read_text())
    flows = json.loads((runs["addressed"].path / record.raw / "iperf3.json").read_text())["flows"]
    used = [flow["client"]["start"]["connected"][0] for flow in flows]
    pairs = {(connection["local_host"], connection["remote_host"]) for connection in used}
    assert pairs == {(flow["source_ip"], flow["target_ip"]) for flow in placed} and len(pairs) > 1
    assert record.metrics["measured_member_flows"] == record.metrics["switch_measured_member_flows"] == [2, 2]
    assert record.metrics["placement_as_predicted"] is True
    assert record.metrics["goodput_mbps"] == pytest.approx(theory.ideal_mbps("802.3ad", 2, 1000.0), rel=0.01)


@pytest.mark.parametrize(
    ("name", "protocol", "part"),
    [
        # Headers: IPv6 40, TCP with timestamps 32, UDP 8; a tag of 802.1Q 4; Ethernet's own 38 (IEEE 802.3).
        ("six", "tcp", 1428 / 1538),
        ("six", "udp", 1452 / 1538),
        ("tagged", "tcp", 1448 / 1542),
        ("tagged", "udp", 1472 / 1542),
        ("jumbo", "tcp", 8948 / 9038),
    ],
)
def test_a_link_delivers_by_the_headers_that_are_sent(
    runs: dict[str, Run], name: str, protocol: str, part: float
) -> None:
    (record,) = (record for record in runs[name].records if record.case["protocol"] == protocol)
    assert 0.998 * 1000 * part <= record.metrics["goodput_mbps"] <= _FEW_FRAMES * 1000 * part
    assert record.metrics["goodput_ratio"] == pytest.approx(1, abs=0.002)


def test_retransmits_of_one_member_are_drops_in_the_senders_own_queue(runs: dict[str, Run]) -> None:
    short, long = sorted(runs["queues"].records, key=lambda record: int(record.case["queue_packets"]))
    assert short.metrics["retransmits"] > 0
    assert long.metrics["retransmits"] == 0


@pytest.mark.parametrize("qdisc", ["fq", "fq_codel"])
def test_a_link_keeps_its_rate_by_any_queue_discipline(runs: dict[str, Run], qdisc: str) -> None:
    (record,) = (record for record in runs["fair"].records if record.case["qdisc"] == qdisc)
    assert record.status == "ok", record.reason
    assert record.metrics["goodput_ratio"] == pytest.approx(1, abs=0.005)


def test_flows_placed_at_random_get_their_fair_share_and_no_more_than_fits(runs: dict[str, Run]) -> None:
    (record,) = runs["hashed"].records
    found = record.metrics
    assert found["placement_mbps"] * 0.99 <= found["goodput_mbps"] <= found["placement_most_mbps"] * _FEW_FRAMES
    # 16 flows on 4 links, hashed twice: 3.42 links on average, by a simulation of others.
    assert found["random_mbps"] == pytest.approx(3.42 * 941.48, rel=0.01)
