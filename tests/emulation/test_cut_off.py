"""Hosts that a bond without a monitor, a LAG that speaks LACP alone, or a switch without its controller cuts off.

The right values: bonding.rst, "miimon"; IEEE 802.1AX-2014, 6.4.4 (Short_Timeout_Time, 3 s) and 6.4.8.
"""

from __future__ import annotations

import pytest

from testbed.measure.raw import read_json
from testbed.results.result import Record, Run
from tests.emulation.support import side_by_side

FAILOVER = ("failover", "--repetitions", "1", "--set", "mode=active-backup")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One trial of each, two guests at a time."""
    base = tmp_path_factory.mktemp("cut_off")
    silent = (*FAILOVER, "--set", "lag_lacp=active", "--set", "fault=none")
    blind = (*FAILOVER, "--set", "miimon_ms=0", "--set", "fault=carrier_loss")
    found = side_by_side((base / "silent", *silent), (base / "blind", *blind))
    lost = ("audit", "--topology", "mlag", "--repetitions", "1", "--set", "element=c0-s1")
    found += side_by_side((base / "lost", *lost, "--set", "controller_down_s=10", "--set", "probe_interval_ms=5"))
    return {run.path.name: run for run in found}


def only(run: Run) -> Record:
    (record,) = run.records
    return record


def test_a_lag_that_speaks_lacp_cuts_a_host_off_that_does_not(runs: dict[str, Run]) -> None:
    record = only(runs["silent"])
    assert (record.status, record.metrics["connected"], record.metrics["as_foretold"]) == ("censored", False, True)
    assert record.reason.endswith("LAG lag-h1 speaks LACP and h1 does not (fallback=none)")


def test_a_bond_without_a_monitor_never_leaves_its_dead_member(runs: dict[str, Run]) -> None:
    record = only(runs["blind"])
    assert (record.status, record.metrics["connected"], record.metrics["as_foretold"]) == ("censored", False, True)
    assert record.reason.endswith("miimon_ms=0 and no ARP monitor: the driver never leaves a dead member")
    assert record.metrics["rejoin_s"] is not None  # the cable is back, and with it the flow


def test_a_switch_that_alone_loses_the_controller_cuts_its_orphan_off(runs: dict[str, Run]) -> None:
    """h1 and h2 have a member on the other switch, h3 has not."""
    record = only(runs["lost"])
    assert (record.metrics["kind"], record.metrics["survived"]) == ("control", True), record.reason
    assert (record.metrics["agrees_with_oracle"], record.metrics["oracle_differs"]) == (True, [])
    lost = {"-".join(each["pair"]): each["lost"] for each in read_json(runs["lost"].path / record.raw / "reach.json")}
    assert lost["h1-h2"] == 0
    assert lost["h1-h3"] > 0 and lost["h2-h3"] > 0
