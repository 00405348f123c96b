"""Failover latency compared with what the bonding driver's documents say of its monitor.

fault                    the monitor checks          outage
----|--------------------------|---------------->   at most one period, and 3 ms for probe and switch
    |<-------- outage -------->|
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed import theory
from testbed.design.trial import Trial
from testbed.emulation.bonds import parse
from testbed.results.result import Record, Run, load
from tests.emulation.support import run, side_by_side, testbed

_REST_S = 0.003  # two probe intervals and the pause of a switch


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs that this file checks, two guests at a time."""
    base = tmp_path_factory.mktemp("failover")

    def wanted(name: str, repetitions: int, *words: str) -> tuple[Path | str, ...]:
        return base / name, "failover", "--repetitions", str(repetitions), "--jobs", "1", *words

    backup = "--set", "mode=active-backup"
    slow, quick = (wanted(f"miimon {m}", 6, *backup, "--set", f"miimon_ms={m}") for m in (100, 50))
    lacp = wanted("lacp", 3, "--set", "mode=802.3ad")
    none = wanted("none", 1, "--set", "fault=none")
    dual = wanted("dual", 2, "--topology", "dual_switch", *backup)
    reselect = wanted("reselect", 1, *backup, "--set", "primary_reselect=always,failure")
    asked = ("--set", "miimon_ms=0", "--set", "arp_interval_ms=100", "--set", "fault=silent_loss")
    arp = wanted("arp", 3, *backup, *asked)
    many = "fault=lacp_loss,controller_pause,switch_crash,uplink_loss"
    faults = wanted("faults", 1, "--set", "mode=802.3ad", "--set", many)
    found = side_by_side(slow, quick) + side_by_side(lacp, none) + side_by_side(dual, reselect)
    found += side_by_side(arp, faults)
    return {run.path.name: run for run in found}


def _timeline(run: Run, record: Record) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / record.raw / "timeline.jsonl").read_text().splitlines()]


def _active(run: Run, record: Record, host: str) -> str | None:
    """The member that the kernel shows as the active one at the end."""
    bonds = json.loads((run.path / record.raw / "bonds.json").read_text())
    (text,) = (bond["text"] for bond in bonds if bond["host"] == host)
    return parse(text).active_member


@pytest.mark.parametrize("miimon_ms", [100, 50])
def test_active_backup_is_out_for_at_most_one_interval_of_its_monitor(runs: dict[str, Run], miimon_ms: int) -> None:
    records = runs[f"miimon {miimon_ms}"].records
    assert [record.status for record in records] == ["ok"] * 6
    for record in records:
        assert 0 < record.metrics["outage_s"] <= theory.monitor_period_s(miimon_ms) + _REST_S
        assert 0 < record.metrics["detection_s"] <= theory.monitor_period_s(miimon_ms) + _REST_S
        assert record.metrics["lost"] > 0
        assert record.metrics["within_bound"] is True
        assert record.warnings == []


def test_faults_fall_on_all_phases_of_the_monitor(runs: dict[str, Run]) -> None:
    """From the fault to the monitor's report, as parts of its period, of all twelve trials together."""
    phases = []
    for period_ms in (100, 50):
        run_ = runs[f"miimon {period_ms}"]
        for record in run_.records:
            events = _timeline(run_, record)
            (begin,) = (e["t_s"] for e in events if (e["source"], e["event"]) == ("fault", "begin"))
            seen = next(e["t_s"] for e in events if e["event"] == "mii_status" and e["new"] == "down")
            phases.append((seen - begin) * 1e3 / period_ms)
    assert len(set(phases)) == len(phases)
    assert min(phases) < 0.5 < max(phases), phases


def test_lacp_stays_within_its_bound(runs: dict[str, Run]) -> None:
    for record in runs["lacp"].records:
        assert record.status == "ok", record.reason
        assert record.metrics["outage_s"] <= _REST_S  # both ends act on the carrier event
        assert record.metrics["within_bound"] is True
        assert record.metrics["rejoin_s"] is not None
        assert record.warnings == []


def test_the_cut_member_was_the_one_in_use(runs: dict[str, Run]) -> None:
    for name in ("miimon 100", "lacp"):
        for record in runs[name].records:
            events = _timeline(runs[name], record)
            (used,) = (event["interface"] for event in events if event["event"] == "member_in_use")
            lost = [e["interface"] for e in events if e["event"] == "carrier" and e["new"] is False and e["old"]]
            assert used in lost
    for record in runs["miimon 100"].records:
        assert record.metrics["flows"]["h1>h2"]["lost"] > 0


def test_without_a_fault_there_is_no_outage(runs: dict[str, Run]) -> None:
    assert [record.case["mode"] for record in runs["none"].records] == ["active-backup", "802.3ad"]
    for record in runs["none"].records:
        metrics = record.metrics
        assert (record.status, record.warnings) == ("ok", [])
        assert metrics["outage_s"] == metrics["reversion_outage_s"] == metrics["outage_loss_s"] == 0
        assert metrics["lost"] == metrics["duplicated"] == metrics["reordered"] == 0
        assert metrics["detection_s"] is None


def test_two_switches_fail_over_within_the_bound(runs: dict[str, Run]) -> None:
    for record in runs["dual"].records:
        assert record.status == "ok", record.reason
        assert 0 < record.metrics["outage_s"] <= 0.104 + _REST_S
        assert record.metrics["within_bound"] is True


@pytest.mark.parametrize(("policy", "last"), [("always", "h1-eth0"), ("failure", "h1-eth1")])
def test_the_primary_returns_as_primary_reselect_says(runs: dict[str, Run], policy: str, last: str) -> None:
    """bonding.rst, primary_reselect: always goes back when the primary is up; failure only when the other fails."""
    (record,) = (record for record in runs["reselect"].records if record.case["primary_reselect"] == policy)
    events = _timeline(runs["reselect"], record)
    (used,) = (event["interface"] for event in events if event["event"] == "member_in_use")
    assert used == "h1-eth0"
    active = [e["new"] for e in events if e["event"] == "active_member" and e["host"] == "h1" and e["new"]]
    assert active == ["h1-eth0", "h1-eth1"] + ["h1-eth0"] * (last == "h1-eth0")
    assert _active(runs["reselect"], record, "h1") == last


def test_the_arp_monitor_sees_a_silent_loss(runs: dict[str, Run]) -> None:
    """bonding.rst, arp_interval and arp_missed_max; bond_time_in_interval() allows half an interval more."""
    for record in runs["arp"].records:
        assert record.status == "ok", record.reason
        # Every 104 ms, and the switch learns of the move from the host's frames: up to 10 ms (docs/limits.md).
        assert 0.25 <= record.metrics["outage_s"] <= 0.354 + _REST_S + 0.010
        assert record.metrics["within_bound"] is True


def test_each_fault_is_compared_with_its_bound_and_with_reachability(runs: dict[str, Run]) -> None:
    by_fault = {record.case["fault"]: record for record in runs["faults"].records}
    assert set(by_fault) == {"lacp_loss", "controller_pause", "switch_crash"}
    paused, alone, gone = (by_fault[name] for name in ("controller_pause", "lacp_loss", "switch_crash"))
    assert (paused.status, paused.metrics["outage_s"], paused.metrics["within_bound"]) == ("ok", 0, True)
    assert (alone.status, alone.metrics["within_bound"]) == ("ok", True)
    assert gone.status == "censored"
    assert gone.reason == "h1>h2, h2>h1 did not resume before the repair: with s1 gone no path is left"
    assert [each.metrics["connected"] for each in (paused, alone, gone)] == [True, True, False]
    assert [each.metrics["as_foretold"] for each in (paused, alone, gone)] == [True, None, True]


def test_a_fault_that_does_not_apply_is_left_out_with_the_reason(runs: dict[str, Run]) -> None:
    (reason,) = runs["faults"].manifest["left_out"]
    assert reason.endswith("uplink_loss: switch 's1' of topology 'single_switch' has no uplink")


def test_a_fault_is_in_the_timeline_with_all_its_parameters(runs: dict[str, Run]) -> None:
    (record,) = (r for r in runs["faults"].records if r.case["fault"] == "lacp_loss")
    begin, end = (event for event in _timeline(runs["faults"], record) if event["source"] == "fault")
    common = {"source": "fault", "fault": "lacp_loss", "parameters": {"direction": "both"}}
    assert begin.items() >= {**common, "event": "begin"}.items()
    assert end.items() >= {**common, "event": "end", "element": begin["element"]}.items()


def test_a_schedule_is_drawn_played_and_played_again(tmp_path: Path) -> None:
    words = ("--repetitions", "1", "--topology", "single_switch", "--set", "horizon_s=2", "--set", "longest_s=1")
    drawn = run(tmp_path / "drawn", "chaos", *words, "--set", "events=5")
    (record,) = drawn.records
    assert record.status == "ok", record.reason
    assert record.metrics["strikes"] == 5
    written = drawn.path / record.raw / "schedule.json"
    again = run(tmp_path / "again", "chaos", *words[:4], "--set", f"schedule={written}")
    (repeated,) = again.records
    assert repeated.status == "ok", repeated.reason
    assert (again.path / repeated.raw / "schedule.json").read_text() == written.read_text()
    played = []
    for found, each in ((drawn, record), (again, repeated)):
        events = [e for e in _timeline(found, each) if e["source"] == "fault" and e["event"] in ("begin", "end")]
        (origin,) = (e["t_s"] for e in _timeline(found, each) if (e["source"], e["event"]) == ("schedule", "begin"))
        played.append([(e["event"], e["fault"], e["element"], round(e["t_s"] - origin, 2)) for e in events])
    assert len(played[0]) == 10
    assert played[0] == played[1]


def test_real_time_works_too(place: Path) -> None:
    """Only that there was an outage is asserted: how long it was depends on the load of the machine."""
    words = ("failover", "--clock", "real", "--set", "mode=active-backup", "--repetitions", "1")
    answer = testbed("run", *words, "--out", str(place))
    assert answer.returncode in (0, 1), answer.stderr
    run = load(place)
    (record,) = run.records
    assert (record.status, record.reason) == ("ok", "")
    assert record.metrics["outage_s"] > 0
    assert run.manifest["clock"] == "real"
    # The check of whether the machine kept up has read both queues of every link.
    topology = Trial.from_json((place / record.raw / "trial.json").read_text()).topology
    queues = json.loads((place / record.raw / "queues.json").read_text())["interfaces"]
    assert queues.keys() == {end for link in topology.links for end in (link.a_interface, link.b_interface)}
