"""Experiments between hosts on different switches, and what was built, read back: a sample of all pairs.

h1 == s1 == s2 == h2     trunk; and two hosts on opposite sides of a ring
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from testbed.results.result import Record, Run
from tests.emulation.support import side_by_side


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One trial each, two guests at a time."""
    base = tmp_path_factory.mktemp("switches")

    def wanted(name: str, experiment: str, topology: str, *levels: str) -> tuple[Path | str, ...]:
        common = ("--topology", topology, "--repetitions", "1", "--quick", "--jobs", "1")
        return base / name, experiment, *common, *(word for level in levels for word in ("--set", level))

    lacp = "mode=802.3ad"
    load = wanted("load", "aggregation", "trunk", lacp, "members=2", "flows=4", "rate_mbps=100", "duration_s=1")
    flows = wanted("flows", "hashing", "ring", "xmit_hash_policy=layer3+4", "members=2", "flows=16", "ports=random")
    tcp = wanted("tcp", "tcp_failover", "trunk", lacp, "members=2", "flows=4", "pair=h2,h1", "rate_mbps=100")
    return {run.path.name: run for run in side_by_side(load, flows) + side_by_side(tcp)}


def only(run: Run) -> Record:
    (record,) = run.records
    assert (record.status, record.reason) == ("ok", "")
    return record


def test_flows_over_a_trunk_fill_every_link(runs: dict[str, Run]) -> None:
    metrics = only(runs["load"]).metrics
    assert metrics["measured_member_flows"] == metrics["switch_measured_member_flows"] == [2, 2]
    assert metrics["placement_as_predicted"] is True
    # TCP over IPv4 in full frames: 1448 of 1538 octets, on two links of 100 Mbit/s. The start of TCP may cost a little.
    assert 0.95 * 2 * 100 * 1448 / 1538 <= metrics["goodput_mbps"] <= 2 * 100 * 1448 / 1538 + 0.5


def test_the_switches_of_a_ring_say_where_each_flow_arrives(runs: dict[str, Run]) -> None:
    metrics = only(runs["flows"]).metrics
    assert metrics["as_predicted"] is True
    assert metrics["placed_as_predicted"] == metrics["switch_placed_as_predicted"] == 16


def test_a_member_fails_under_load_over_a_trunk(runs: dict[str, Run]) -> None:
    record = only(runs["tcp"])
    assert record.metrics["within_bound"] is True
    assert set(record.metrics["flows"]) and record.case["pair"] == "h2+h1"


def test_what_was_built_is_what_the_cases_name(runs: dict[str, Run]) -> None:
    for run, members in (("load", 2), ("flows", 4), ("tcp", 2)):
        record = only(runs[run])
        built = json.loads((runs[run].path / record.raw / "built.json").read_text())
        assert {bond["mode"] for bond in built["bonds"].values()} == {"802.3ad"}
        assert [len(bond["members"]) for bond in built["bonds"].values()] == [members, members]
        rates = Counter(link["rate_mbps"] for link in built["links"].values())
        assert set(rates) == {record.case.get("rate_mbps", 1000.0)}
