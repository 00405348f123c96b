"""What hosts do with two ways that are no bond: PRP and HSR lose nothing, routes and Multipath TCP go on."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from testbed import theory
from testbed.results.result import Record, Run
from testbed.theory import seamless
from tests.emulation import transfer
from tests.emulation.support import PROJECT, ended, side_by_side, started

ONCE = ("--repetitions", "1", "--seed", "7")
_RATE_MBPS = 100.0
#: As in the kernel's own test (selftests/net/hsr/link_faults.sh): 400 packets, 10 ms apart, of which the copies by one
#: way come 30 ms later than those by the other.
_PACKETS, _EVERY_MS, _LATER_MS = 400, 10, 30
_SLOW = ("fault=slow", f"slow_delay_ms={_LATER_MS}", f"probe_interval_ms={_EVERY_MS}", "fault_s=4.5")
_LOSSY = ("fault=lossy", "loss_percent=80")


def _words(*settings: str) -> tuple[str, ...]:
    return tuple(word for setting in settings for word in ("--set", setting))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """PRP under a controller, HSR, routing with both ends seeing the carrier, and Multipath TCP."""
    place = tmp_path_factory.mktemp("ways")
    two = ("--topology", "two_ways", *ONCE)
    wanted: dict[str, tuple[str, ...]] = {
        "prp, loss": ("failover", *two, *_words("mode=prp", *_LOSSY)),
        "prp, cut": ("failover", *two, *_words("mode=prp")),
        "prp, slow": ("failover", *two, *_words("mode=prp", *_SLOW)),
        "hsr, silence": ("failover", *two, *_words("mode=hsr", "fault=silent_loss")),
        "hsr, loss": ("failover", *two, *_words("mode=hsr", *_LOSSY)),
        "hsr, cut": ("failover", *two, *_words("mode=hsr", "length=2")),
        "hsr, slow": ("failover", *two, *_words("mode=hsr", *_SLOW)),
        "hsr, load": (
            "aggregation",
            *two,
            *_words("mode=hsr", "placement=even", "flows=4", "duration_s=1", "omit_s=0", f"rate_mbps={_RATE_MBPS:g}"),
        ),
        "ecmp": ("failover", *two, *_words("mode=ecmp", "length=0", "ecmp_group=resilient")),
        "mptcp": ("messages", *ONCE, *_words("mode=mptcp", "fault=silent_loss,carrier_loss")),
        "mptcp, one direction": (
            "messages",
            *ONCE,
            *_words("mode=mptcp", "fault=silent_loss", "silent_direction=to_host,from_host"),
        ),
        "mptcp, backup": ("messages", *ONCE, *_words("mode=mptcp", "fault=silent_loss", "mptcp_backup=true")),
        "transfer": (str(PROJECT / "tests/emulation/transfer.py"), *ONCE, *_words(f"rate_mbps={_RATE_MBPS:g}")),
    }
    named: list[tuple[Path | str, ...]] = [(place / str(at), *words) for at, words in enumerate(wanted.values())]
    found = side_by_side(*named)
    return dict(zip(wanted, found, strict=True))


def only(run: Run) -> Record:
    (record,) = run.records
    assert record.status == "ok", record.reason
    return record


def probes(run: Run) -> list[dict[str, str]]:
    with (run.path / "raw/001/probe.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["prp, loss", "prp, cut", "hsr, silence", "hsr, loss", "hsr, cut"])
def test_no_packet_is_lost_or_comes_twice_by_two_ways(runs: dict[str, Run], name: str) -> None:
    """IEC 62439-3, 4.1 and 5.1; selftests/net/hsr/link_faults.sh: of 400 none, through a cut and 80 % of loss."""
    record = only(runs[name])
    for key in ("lost", "duplicated", "outage_s", "reversion_outage_s"):
        assert record.metrics[key] == 0, key
    assert record.metrics["within_bound"] is True and record.metrics["limit_s"] <= 0.002
    assert record.metrics["exposed_flows"] == ["h1>h2", "h2>h1"]  # both crossed the way that failed
    assert len(probes(runs[name])) >= 2 * _PACKETS


@pytest.mark.parametrize("name", ["prp, slow", "hsr, slow"])
def test_of_packets_that_come_later_by_one_way_as_few_come_twice_as_the_law_says(
    runs: dict[str, Run], name: str
) -> None:
    """IEC 62439-3, 4.1.10.3, and the kernel's own test, which takes 40 of 400."""
    record = only(runs[name])
    most = seamless.most_duplicated(_LATER_MS / 1e3, 1e3 / _EVERY_MS)
    count = len(probes(runs[name])) / 2  # of each of two nodes
    assert record.metrics["lost"] == 0 and count >= _PACKETS
    assert record.metrics["duplicated"] <= 2 * most * count <= 2 * 40 * count / _PACKETS


def test_flows_of_hsr_have_the_rate_of_one_link_and_cross_both(runs: dict[str, Run]) -> None:
    """Of 1538 octets on the wire 1442 are TCP's payload: 6 of 1500 are HSR's tag, 52 headers (IEC 62439-3, 5.7.1)."""
    metrics = only(runs["hsr, load"]).metrics
    ideal_mbps = _RATE_MBPS * 1442 / 1538
    assert 0.99 * ideal_mbps <= metrics["goodput_mbps"] <= ideal_mbps + 1538 * 8 / 1e6  # a frame in a second more
    assert metrics["jain_index"] == pytest.approx(1)
    assert metrics["placement_mbps"] is None  # each flow is on both members


def test_both_ways_carried_every_packet_of_prp(runs: dict[str, Run]) -> None:
    with (runs["prp, loss"].path / "raw/001/paths.csv").open() as file:
        sent = {row["interface"] for row in csv.DictReader(file) if row["direction"] == "out"}
    assert {"h1-eth0", "h1-eth1", "h2-eth0", "h2-eth1"} <= sent


def test_a_next_hop_is_left_at_the_event_and_comes_back(runs: dict[str, Run]) -> None:
    record = only(runs["ecmp"])
    assert record.metrics["outage_s"] <= 0.003 and record.metrics["within_bound"] is True
    assert record.metrics["rejoin_s"] is not None


@pytest.mark.parametrize("name", ["mptcp", "mptcp, one direction", "mptcp, backup"])
def test_connections_of_multipath_tcp_go_on_by_the_other_way_within_some_timers(
    runs: dict[str, Run], name: str
) -> None:
    """net/mptcp: the first timer, of 200 ms, repeats what is missing if it can, the fifth at the latest. A
    backup is used at the second, or at the third if an acknowledgement that was on its way counted as progress at the
    first (mptcp_subflow_get_retrans)."""
    records = runs[name].records
    assert [record.status for record in records] == ["ok"] * len(records), [record.reason for record in records]
    timers = 3 if "backup" in name else 5
    for record in records:
        assert record.metrics["lost"] == 0 and record.metrics["broken"] == 0
        assert 0.200 <= record.metrics["outage_s"] <= record.metrics["bound_s"] + 0.010
        assert 0.200 * timers < record.metrics["bound_s"] <= 0.250 * timers
        assert record.metrics["within_bound"] is True
        # Whether hosts reach each other by a link that is silent in one direction, theory does not say of any mode.
        assert record.metrics["connected_by_theory"] is (None if "silent_direction" in record.case else True)


def test_each_direction_of_a_way_concerns_the_messages_that_go_that_way(runs: dict[str, Run]) -> None:
    hit = {"to_host": "h2>h1", "from_host": "h1>h2"}
    for record in runs["mptcp, one direction"].records:
        flows = record.metrics["flows"]
        stalled = {name for name, flow in flows.items() if flow["outage_s"] > 0}
        assert stalled == {hit[str(record.case["silent_direction"])]}


def test_one_connection_of_multipath_tcp_has_the_bandwidth_of_both_ways(runs: dict[str, Run]) -> None:
    """As fast as the kernel's own test asks (selftests/net/mptcp/simult_flows.sh), not faster than the links are; and
    by one way once data go on by that."""
    found: dict[str, Any] = only(runs["transfer"]).metrics
    bits = transfer.OCTETS * 8
    assert bits / (2 * _RATE_MBPS * 1e6) < found["both"] <= theory.transfer_s(transfer.OCTETS, [_RATE_MBPS] * 2)
    handed_over_s = 5 * 0.250
    assert bits / (_RATE_MBPS * 1e6) < found["one"] <= theory.transfer_s(transfer.OCTETS, [_RATE_MBPS]) + handed_over_s


def test_each_is_the_same_byte_for_byte_when_run_again(runs: dict[str, Run]) -> None:
    again = [
        (name, started("verify", str(runs[name].path), "--trials", "all"))
        for name in ("prp, loss", "hsr, silence", "ecmp", "mptcp, backup")
    ]
    for name, process in again:
        answer = ended(process)
        assert answer.returncode == 0, f"{name}: {answer.stdout}{answer.stderr}"
        assert "verified: 1 of 1 trials are the same byte for byte (1)" in answer.stdout, name
