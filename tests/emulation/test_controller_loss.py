"""Losing the controller, compared with IEEE 802.1AX's timers.

last LACPDU   crash           3 s after the last LACPDU: the host's bond times out
-----|----------|------------------------|-------------------------------------->
     |<- <= 1 s ->|<-- away, then back -->|   back before that: nothing is lost
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.results.result import Record, Run
from tests.emulation.support import side_by_side, testbed

#: IEEE 802.1AX-2014, 6.4.4 and 6.4.10.
_AGGREGATE_WAIT_S, _TOLERANCE_S = 2.0, 0.250


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs that this file checks, two guests at a time."""
    base = tmp_path_factory.mktemp("controller_loss")

    def wanted(name: str, *settings: str) -> tuple[Path | str, ...]:
        words = [word for setting in settings for word in ("--set", setting)]
        return base / name, "controller_loss", "--repetitions", "1", "--jobs", "1", *words

    short = wanted("short", "down_s=0.5", "restart=resume", "lacp_rate=fast", "member_cut=false,true")
    fresh = wanted("fresh", "down_s=0.5", "restart=fresh", "lacp_rate=fast")
    long = wanted("long", "down_s=5", "restart=resume", "lacp_rate=fast")
    slow = wanted("slow", "down_s=5", "restart=resume", "lacp_rate=slow", "probe_interval_ms=2")
    pause = wanted("pause", "event=controller_pause", "down_s=1.5", "restart=resume", "lacp_rate=fast")
    found = side_by_side(short, fresh) + side_by_side(long, slow) + side_by_side(pause)
    return {run.path.name: run for run in found}


def _events(run: Run, record: Record, **wanted: Any) -> list[dict[str, Any]]:
    lines = (run.path / record.raw / "timeline.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if wanted.items() <= event.items()]


@pytest.mark.parametrize("name", ["short", "slow", "pause"])
def test_within_the_partner_s_timeout_a_controller_that_resumes_loses_nothing(runs: dict[str, Run], name: str) -> None:
    for record in runs[name].records:
        assert (record.status, record.warnings) == ("ok", [])
        assert record.metrics["members_lost"] == 0
        assert record.metrics["within_bound"] is True
        assert record.metrics["resumed"] is (name != "pause")
        if not record.case["member_cut"]:
            assert record.metrics["lost"] == record.metrics["duplicated"] == 0


def test_a_member_that_is_cut_without_a_controller_is_left_by_the_switch_itself(runs: dict[str, Run]) -> None:
    """A select group's bucket watches its port (OpenFlow Switch Specification 1.5.1, 5.6.1)."""
    (record,) = (record for record in runs["short"].records if record.case["member_cut"])
    assert record.metrics["outage_s"] < 0.05
    (cut,) = _events(runs["short"], record, source="fault", event="begin", fault="carrier_loss")
    # At 0.5 s the old controller is gone, and a switch reconnects one second later at the earliest.
    (again,) = (
        e
        for e in _events(runs["short"], record, event="switch_connected")
        if e["t_s"] > cut["t_s"] - record.case["down_s"]
    )
    assert again["t_s"] > cut["t_s"]


def test_a_fresh_controller_takes_the_members_out_and_waits(runs: dict[str, Run]) -> None:
    (record,) = runs["fresh"].records
    assert record.status == "ok"
    assert record.metrics["resumed"] is False
    assert record.metrics["members_lost"] == 4
    assert record.metrics["outage_s"] > _AGGREGATE_WAIT_S - _TOLERANCE_S
    assert record.metrics["within_bound"] is True


def test_beyond_the_timeout_the_bonds_time_out_and_lacp_negotiates_again(runs: dict[str, Run]) -> None:
    (record,) = runs["long"].records
    assert record.status == "ok"
    assert record.metrics["members_lost"] == 4
    # The bonds time out 3 s after the last LACPDU, which was sent no later than the crash.
    assert record.metrics["away_s"] - 3.0 - _TOLERANCE_S < record.metrics["outage_s"]
    assert record.metrics["within_bound"] is True
    assert record.metrics["reversion_outage_s"] == 0


def test_the_state_at_the_end_is_kept_and_shown(runs: dict[str, Run]) -> None:
    run = runs["short"]
    answer = testbed("state", str(run.path), "--trial", "1")
    assert answer.returncode == 0, answer.stderr
    # As every port of the hosts' bonds reports too: 802.1AX-2014, 6.4.2.3.
    assert answer.stdout.count("3F **DCSGSA  3F **DCSGSA") == 4
    metrics = testbed("state", str(run.path), "--metrics").stdout
    assert 'testbed_lag_members_distributing{lag="lag-h1"} 2' in metrics.splitlines()
