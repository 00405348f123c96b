"""What hosts do with two ways that are no bond: PRP and HSR lose nothing, routes and Multipath TCP go on."""

from __future__ import annotations

import csv
import json

import pytest

from testbed.results.result import Run
from tests.emulation.support import side_by_side

ONCE = ("--repetitions", "1", "--seed", "7")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """PRP under a controller, HSR, routing with both ends seeing the carrier, and Multipath TCP."""
    place = tmp_path_factory.mktemp("ways")
    two = ("--topology", "two_ways", *ONCE)
    return side_by_side(
        (place / "prp", "failover", *two, "--set", "mode=prp", "--set", "fault=lossy", "--set", "loss_percent=80"),
        (place / "hsr", "failover", *two, "--set", "mode=hsr", "--set", "fault=silent_loss"),
        (place / "ecmp", "failover", *two, "--set", "mode=ecmp", "--set", "length=0", "--set", "ecmp_group=resilient"),
        (place / "mptcp", "messages", *ONCE, "--set", "mode=mptcp", "--set", "fault=silent_loss"),
    )


def shown(run: Run, host: str) -> dict[str, object]:
    """What the host's driver showed at the end of the trial."""
    texts = [each for each in json.loads((run.path / "raw/001/bonds.json").read_text()) if each["host"] == host]
    found: dict[str, object] = json.loads(texts[-1]["text"])
    return found


@pytest.mark.parametrize("place", [0, 1], ids=["prp", "hsr"])
def test_no_packet_is_lost_or_comes_twice_by_two_ways(runs: list[Run], place: int) -> None:
    """IEC 62439-3, 4.1 and 5.1."""
    (record,) = runs[place].records
    assert record.status == "ok", record.reason
    for key in ("lost", "duplicated", "outage_s", "reversion_outage_s"):
        assert record.metrics[key] == 0, key
    assert record.metrics["within_bound"] is True and record.metrics["limit_s"] <= 0.002
    assert record.metrics["exposed_flows"] == ["h1>h2", "h2>h1"]  # both crossed the way that failed


def test_both_ways_carried_every_packet_of_prp(runs: list[Run]) -> None:
    with (runs[0].path / "raw/001/paths.csv").open() as file:
        sent = {row["interface"] for row in csv.DictReader(file) if row["direction"] == "out"}
    assert {"h1-eth0", "h1-eth1", "h2-eth0", "h2-eth1"} <= sent


def test_a_next_hop_is_left_at_the_event_and_comes_back(runs: list[Run]) -> None:
    (record,) = runs[2].records
    assert record.status == "ok", record.reason
    assert record.metrics["outage_s"] <= 0.003 and record.metrics["within_bound"] is True
    assert record.metrics["rejoin_s"] is not None


def test_a_connection_of_multipath_tcp_survives_the_silence_of_a_way(runs: list[Run]) -> None:
    (record,) = runs[3].records
    assert record.status in ("ok", "censored"), record.reason  # no document says how soon the messages go on
    assert record.metrics["lost"] == 0 and record.metrics["broken"] == 0
    assert record.metrics["bound_s"] is None and record.metrics["outage_s"] > 0
