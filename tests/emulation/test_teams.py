"""Bonds by the team driver, with libteam's teamd: the same experiments run, and keep the same bounds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from testbed import theory
from testbed.results.result import Run
from tests.emulation.support import side_by_side

pytestmark = pytest.mark.skipif(shutil.which("teamd") is None, reason="teamd is not installed (libteam-utils)")
FEW = ("--repetitions", "1", "--seed", "5", "--set", "bond=team")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this module are."""
    return tmp_path_factory.mktemp("teams")


@pytest.fixture(scope="module")
def runs(place: Path) -> list[Run]:
    """Carrier loss under every runner; silent loss under the ARP monitor and LACP; two teams without a
    switch; what LACP aggregates."""
    arp = ("--set", "miimon_ms=0", "--set", "arp_interval_ms=100")
    flows = ("--set", "placement=even", "--set", "members=2", "--set", "flows=4")
    short = ("--set", "duration_s=1", "--set", "omit_s=0")
    return side_by_side(
        (place / "carrier", "failover", *FEW, "--set", "mode=active-backup,802.3ad,balance-rr,broadcast,balance-xor"),
        (place / "silent", "failover", *FEW, *arp, "--set", "mode=active-backup", "--set", "fault=silent_loss"),
        (place / "direct", "failover", *FEW, "--topology", "back_to_back", "--set", "mode=802.3ad"),
        (place / "flows", "aggregation", *FEW, *flows, *short, "--set", "mode=802.3ad", "--set", "vlan=9"),
    )


def test_every_runner_survives_the_loss_of_a_carrier(runs: list[Run]) -> None:
    assert len(runs[0].records) == 5
    for record in runs[0].records:
        assert record.status == "ok", record.reason
        # teamd is notified of carrier by events: there is no monitoring interval to wait for.
        assert record.metrics["outage_s"] <= 0.010, record.case
        assert record.metrics["rejoin_s"] is not None, record.case


def test_the_arp_monitor_detects_silent_loss(runs: list[Run]) -> None:
    """teamd.conf(5), missed_max: that many rounds may go unanswered, and the next one takes the link down."""
    (record,) = runs[1].records
    assert record.status == "ok", record.reason
    assert (2 + 1) * 0.100 - 0.010 < record.metrics["outage_s"] <= (2 + 2) * 0.100 + 0.010
    assert record.metrics["within_bound"] is True


def test_two_teams_run_without_a_switch(runs: list[Run]) -> None:
    (record,) = runs[2].records
    assert record.status == "ok", record.reason
    assert record.metrics["within_bound"] is not False


def test_lacp_of_a_team_aggregates_over_a_vlan(runs: list[Run]) -> None:
    (record,) = runs[3].records
    assert record.status == "ok", record.reason
    # It cannot be predicted which member a flow uses, but with flows on both they carry more than one link does.
    assert record.metrics["goodput_mbps"] > 1.2 * theory.ideal_mbps("active-backup", 2, 1000.0)
    assert min(record.metrics["member_tx_bytes"]) > 1_000_000


def test_the_state_of_teamd_is_kept(runs: list[Run], place: Path) -> None:
    by_mode = {str(record.case["mode"]): record.raw for record in runs[0].records}
    runners = {
        "active-backup": "activebackup",
        "802.3ad": "lacp",
        "balance-rr": "roundrobin",
        "broadcast": "broadcast",
        "balance-xor": "loadbalance",
    }
    for mode, runner in runners.items():
        bonds = json.loads((place / "carrier" / by_mode[mode] / "bonds.json").read_text())
        assert [bond["host"] for bond in bonds] == ["h1", "h2"]
        state = json.loads(bonds[0]["text"])
        assert state["setup"]["runner_name"] == runner
        assert sorted(state["ports"]) == ["h1-eth0", "h1-eth1"]
        if mode == "802.3ad":
            # IEEE 802.1AX-2014, 6.4.2.3: activity, short timeout, aggregation, in sync, collecting, distributing
            assert {port["runner"]["actor_lacpdu_info"]["state"] for port in state["ports"].values()} == {0x3F}
