"""What a trial measures, compared with the standards and with what crossed the wire."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from testbed import theory
from testbed.design.trial import Trial
from testbed.measure.outage import load_probe
from testbed.measure.rates import load as load_rates
from testbed.measure.raw import read_json
from testbed.observe.probe import PORTS
from testbed.results.result import Record, Run
from tests.emulation.many_probes import member, pairs, source_ports
from tests.emulation.support import HERE, side_by_side

_PARTS = ("detection_s", "decision_s", "programming_s", "forwarding_s")
#: One interval of the probe, and the kernel's tick.
_REST_S = 0.002


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Five small runs, two guests at a time."""
    base = tmp_path_factory.mktemp("measure")

    def wanted(name: str, experiment: str, **levels: str) -> tuple[Path | str, ...]:
        words = [word for item in levels.items() for word in ("--set", "=".join(item))]
        return base / name, experiment, "--repetitions", "1", "--seed", "3", "--jobs", "1", *words

    backup = wanted("backup", "failover", mode="active-backup", fault="carrier_loss")
    silent = wanted("silent", "failover", mode="802.3ad", fault="silent_loss")
    many = wanted("many", str(HERE / "many_probes.py"))
    udp = wanted(
        "udp",
        "aggregation",
        **{"mode": "802.3ad", "members": "2", "flows": "4", "placement": "even", "protocol": "udp", "mtu": "9000"},
        **{"duration_s": "1", "omit_s": "0"},
    )
    one = {"mode": "802.3ad", "members": "2", "difference_ms": "0", "tcp_reordering": "3", "ip": "6"}
    one_flow = wanted("one_flow", "reordering", **one, duration_s="1", omit_s="1")
    found = side_by_side(backup, silent) + side_by_side(many, udp, one_flow)
    return {run.path.name: run for run in found}


def _only(run: Run) -> tuple[Record, Path]:
    (record,) = run.records
    assert (record.status, record.reason, record.warnings) == ("ok", "", [])
    return record, run.path / record.raw


def _events(raw: Path, source: str, event: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (raw / "timeline.jsonl").read_text().splitlines())
    return [line for line in lines if (line["source"], line["event"]) == (source, event)]


def _fault(raw: Path) -> tuple[float, float]:
    (begin,), (end,) = _events(raw, "fault", "begin"), _events(raw, "fault", "end")
    return begin["t_s"], end["t_s"]


def _trial(raw: Path) -> Trial:
    return Trial.from_json((raw / "trial.json").read_text())


@pytest.mark.parametrize("name", ["backup", "silent"])
def test_the_parts_of_an_outage_add_up(runs: dict[str, Run], name: str) -> None:
    record, _ = _only(runs[name])
    for found in (record.metrics, *record.metrics["flows"].values()):
        parts = [found[part] for part in _PARTS if found[part] is not None]
        assert found["outage_s"] > 0
        assert sum(parts) == pytest.approx(found["outage_s"], abs=1e-8)
        assert min(parts) >= 0
        assert found["methods_agree"] is True


def test_a_monitor_takes_up_to_its_interval_and_the_rest_is_quick(runs: dict[str, Run]) -> None:
    metrics = _only(runs["backup"])[0].metrics
    assert 0 < metrics["detection_s"] <= theory.monitor_period_s(100) + _REST_S
    assert metrics["decision_s"] + metrics["programming_s"] + metrics["forwarding_s"] <= _REST_S


def test_a_silent_loss_is_detected_within_lacps_timeout_at_both_ends(runs: dict[str, Run]) -> None:
    """IEEE 802.1AX-2014, 6.4.4 and 6.4.10: from two periods to three, and 250 ms for the timers."""
    flows = _only(runs["silent"])[0].metrics["flows"]
    assert sorted(flows) == ["h1>h2", "h2>h1"]
    for flow in flows.values():
        assert 2.0 - _REST_S <= flow["detection_s"] <= 3.25
        assert sum(flow[part] or 0 for part in _PARTS[1:]) <= 0.1 + _REST_S  # bonding checks every 100 ms


def test_both_ends_lose_the_carrier_of_a_cut_cable(runs: dict[str, Run]) -> None:
    _, raw = _only(runs["backup"])
    begin_s, end_s = _fault(raw)
    (used,) = _events(raw, "network", "member_in_use")
    _, port = _trial(raw).topology.link_of(used["interface"]).other(used["interface"])
    for end, interface in (("host", used["interface"]), ("switch", port)):
        changes = [e for e in _events(raw, "carrier", "carrier") if e["interface"] == interface and end in e]
        assert [(e["new"], begin_s <= e["t_s"] < end_s) for e in changes][-2:] == [(False, True), (True, False)]


def test_one_gratuitous_arp_leaves_by_the_new_member(runs: dict[str, Run]) -> None:
    """bonding.rst, num_grat_arp: one after each failover, by default, at once; the topologies leave the default."""
    _, raw = _only(runs["backup"])
    begin_s, end_s = _fault(raw)
    arps = [e for e in _events(raw, "wire", "gratuitous_arp") if e["direction"] == "out"]
    (failure,) = [e for e in arps if begin_s <= e["t_s"] < end_s]
    (used,) = _events(raw, "network", "member_in_use")
    assert (failure["interface"], failure["address"]) == ("h1-eth1", "10.0.0.1")
    assert used["interface"] == "h1-eth0"


def test_the_outage_lies_between_the_last_packet_on_the_old_path_and_the_first_on_the_new(runs: dict[str, Run]) -> None:
    _, raw = _only(runs["backup"])
    begin_s, end_s = _fault(raw)
    flow = next(flow for flow in load_probe(raw / "probe.csv") if flow.name == "h1>h2")
    of_flow = [e for kind in ("first_packet", "last_packet") for e in _events(raw, "probe", kind)]
    of_flow = [e for e in of_flow if (e["flow"], e["direction"]) == ("h1>h2", "out")]
    (last,) = [e for e in of_flow if e["interface"] == "h1-eth0" and e["event"] == "last_packet" and e["t_s"] < end_s]
    (first,) = [e for e in of_flow if e["interface"] == "h1-eth1" and e["event"] == "first_packet"]
    assert last["t_s"] <= begin_s + _REST_S
    lost = [n for n, at in enumerate(flow.received_s) if at != at and begin_s - _REST_S < flow.sent_s[n] < end_s]
    assert lost[-1] < first["seq"]
    assert lost[0] - 1 <= last["seq"] <= lost[0]
    assert flow.received_s[lost[-1] + 1] == pytest.approx(first["t_s"], abs=_REST_S)


def test_the_state_octets_of_both_ends_are_on_the_wire(runs: dict[str, Run]) -> None:
    """IEEE 802.1AX-2014, 6.4.2.3: active, short timeout, aggregable, in sync, collecting, distributing are 0x3f."""
    _, raw = _only(runs["silent"])
    begin_s, end_s = _fault(raw)
    events = _events(raw, "lacp", "lacpdu")
    ends = {interface for interface in _trial(raw).topology.ports if interface in {e["interface"] for e in events}}
    assert ends == {f"h{h}-eth{n}" for h in (1, 2) for n in (0, 1)} | {f"s1-eth{n}" for n in (1, 2, 3, 4)}
    for interface in ends:
        before = [e for e in events if e["interface"] == interface and e["t_s"] < begin_s][-1]
        after = [e for e in events if e["interface"] == interface][-1]
        assert (before["actor_state"], before["partner_state"]) == (0x3F, 0x3F), before
        # That the partner collects and distributes, and is EXPIRED no more, is no reason to send at once (6.4.9,
        # update_NTT compares activity, timeout, synchronization and aggregation).
        assert (after["actor_state"], (after["partner_state"] | 0x30) & ~0x80) == (0x3F, 0x3F), after
    (used,) = _events(raw, "network", "member_in_use")
    # 6.4.12: the state that a Receive machine sends once its partner has timed out; then the other end receives it.
    far = _trial(raw).topology.link_of(used["interface"]).other(used["interface"])[1]
    again = [e for e in events if e["interface"] in (used["interface"], far) and e["t_s"] >= end_s]
    assert {"-DISTRIBUTING", "+EXPIRED"} <= set(again[0]["actor"])


def test_the_controller_logs_when_a_switch_was_programmed_and_when_it_confirmed(runs: dict[str, Run]) -> None:
    _, raw = _only(runs["silent"])
    begin_s, end_s = _fault(raw)
    sent = [e for e in _events(raw, "controller", "program") if begin_s <= e["t_s"] < end_s]
    done = [e for e in _events(raw, "controller", "programmed") if begin_s <= e["t_s"] < end_s]
    assert sent[0]["group_mod"] >= 1
    assert sent[0]["t_s"] < done[0]["t_s"]


def test_many_probes_at_a_tenth_of_a_millisecond_show_no_loss_and_no_outage(runs: dict[str, Run]) -> None:
    record, raw = _only(runs["many"])
    ways = len(pairs(_trial(raw).topology))
    assert ways == 7
    assert len(record.metrics["packets"]) == ways
    # 0.3 s at 10,000 packets a second.
    assert all(count == pytest.approx(3000, abs=5) for count in record.metrics["packets"].values())
    assert (record.metrics["lost"], record.metrics["outage_s"]) == (0, 0)


def test_pinned_flows_cross_the_members_that_the_hash_names(runs: dict[str, Run]) -> None:
    _, raw = _only(runs["many"])
    topology = _trial(raw).topology
    bond = topology.host("h1").bond
    assert bond is not None
    with (raw / "paths.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["direction"] == "out" and row["interface"] in bond.members]
    ways, ports = pairs(topology), source_ports(topology)
    numbers = [number for number, way in enumerate(ways) if way == ("h1", "h2")]
    seen = {n: {row["interface"] for row in rows if int(row["number"]) == n} for n in numbers}
    assert len(numbers) == 2
    for number, interfaces in seen.items():
        place = member(topology, ports[number], PORTS[number])
        assert place is not None
        assert interfaces == {bond.members[place]}
    assert len(set.union(*seen.values())) == 2


def test_one_flow_gets_no_more_than_its_link_carries(runs: dict[str, Run]) -> None:
    """1428 octets of payload in 1538 on the wire (RFC 8200, RFC 9293, RFC 7323, IEEE 802.3), but for some frames that
    network cards hold."""
    metrics = _only(runs["one_flow"])[0].metrics
    assert metrics["ideal_mbps"] == pytest.approx(1000 * 1428 / 1538)
    assert 0.995 <= metrics["goodput_ratio"] <= 1.0001


def test_datagrams_fill_all_members_in_long_frames(runs: dict[str, Run]) -> None:
    record, _ = _only(runs["udp"])
    metrics = record.metrics
    # 8972 octets of payload in 9038 on the wire (RFC 768, IEEE 802.3), on two links of 1 Gbit/s.
    assert metrics["ideal_mbps"] == pytest.approx(2000 * 8972 / 9038)
    assert metrics["goodput_ratio"] == pytest.approx(1, abs=0.01)
    assert metrics["retransmits"] is None
    assert metrics["predicted_member_flows"] == metrics["measured_member_flows"] == [2, 2]
    assert metrics["placement_as_predicted"] is True
    assert metrics["sender_cpu_percent"] is None  # where time is virtual, processors take none


def test_member_rates_add_up_to_what_the_members_counted(runs: dict[str, Run]) -> None:
    _, raw = _only(runs["udp"])
    samples = load_rates(raw / "member_rates.csv")
    assert sorted(samples) == ["h1-eth0", "h1-eth1", "h2-eth0", "h2-eth1"]
    counters = read_json(raw / "counters.json")
    for name in ("h1-eth0", "h1-eth1"):
        first, last = (counters[end]["interfaces"][name]["tx_bytes"] for end in ("start", "end"))
        assert samples[name].tx_bytes[0] <= first + 2000
        assert samples[name].tx_bytes[-1] >= last
        # The line carries 9014 octets that the kernel counts in 9038; a second is ten samples or more.
        assert samples[name].tx_mbps().max() <= 1000 * 9014 / 9038 * 1.01
        assert len(samples[name].t_s) >= 10
