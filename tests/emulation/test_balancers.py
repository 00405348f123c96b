"""Load balancers in a guest: what their manuals and RFC 5798 say, to the millisecond, by requests and sessions.

checks every 0.3 s, three failures, time-out 0.1 s: a server that refuses is out after 0.6 to 0.9 s
A = 0.1 s, priority 100: a balancer that loses power is replaced after 261 to 361 ms
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from testbed.measure.raw import fault_windows, read_timeline
from testbed.measure.requests import load_requests
from testbed.results.result import Record, Run, load
from tests.emulation.support import ended, started

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("keepalived", "haproxy")),
    reason="balancers' daemons are not installed (make setup-services)",
)
_LOW_S, _HIGH_S = 0.6, 0.9
_AWAY_S = (0.2609375, 0.3609375)
#: HAProxy counts in milliseconds; a request is sent every 20 ms.
_LATE_S, _EVERY_S = 0.003, 0.020


def carried_out(place: Path, *words: str) -> Run:
    answer = ended(started("run", *words, "--repetitions", "1", "--seed", "5", "--out", str(place)))
    assert answer.returncode == 0, answer.stderr
    return load(place)


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Run:
    checked = ("--set", "balancer_check_ms=300", "--set", "balancer_timeout_ms=100", "--set", "balancer_fall=3")
    layers = ("--set", "fault=service_crash", "--set", "balancer_layer=4,7", "--set", "faults=4")
    return carried_out(tmp_path_factory.mktemp("checks") / "run", "health_checks", *checked, *layers)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    words = ("--set", "fault=router_crash", "--set", "balancer_layer=4", "--set", "vrrp_advert_ms=100")
    return carried_out(tmp_path_factory.mktemp("requests") / "run", "requests", *words, "--set", "balancer_kind=nat")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Run:
    words = ("--topology", "balancer_pair", "--set", "sessions=20")
    return carried_out(tmp_path_factory.mktemp("sessions") / "run", "stateful_failover", *words)


def only(run: Run, **levels: object) -> Record:
    (record,) = [each for each in run.records if levels.items() <= each.case.items()]
    assert record.status == "ok" and not record.warnings and record.metrics["within_bound"] is True, record
    return record


@pytest.mark.parametrize("layer", [4, 7])
def test_a_server_that_refuses_is_taken_out_after_the_checks(checks: Run, layer: int) -> None:
    found = only(checks, balancer_layer=layer).metrics["detections_s"]
    assert len(set(found)) == 4 and all(_LOW_S <= at <= _HIGH_S + _LATE_S for at in found), found


def test_until_then_ipvs_gives_it_every_third_connection(checks: Run) -> None:
    found = only(checks, balancer_layer=4).metrics
    for failed, at, last in zip(found["failed_each"], found["detections_s"], found["last_failed_s"], strict=True):
        assert failed == pytest.approx(at / _EVERY_S / 3, abs=1.4)
        assert at - 4 * _EVERY_S <= last <= at
    assert found["failed_outside"] == 0


def test_haproxy_chooses_another_server_for_each_request(checks: Run) -> None:
    found = only(checks, balancer_layer=7).metrics
    assert found["failed_each"] == [0, 0, 0, 0] and found["failed_outside"] == 0


def test_the_servers_have_equal_shares_while_all_live(checks: Run) -> None:
    record = only(checks, balancer_layer=4)
    first = min(event_s for event_s in _faults(checks, record))
    before = [each.server for each in load_requests(_raw(checks, record) / "requests.csv") if each.due_s < first]
    counts = [before.count(name) for name in ("w1", "w2", "w3")]
    assert len(before) >= 25 and max(counts) - min(counts) <= 1


def _raw(run: Run, record: Record) -> Path:
    return Path(run.path) / record.raw


def _faults(run: Run, record: Record) -> list[float]:
    return [begin_s for begin_s, _, _ in fault_windows(read_timeline(_raw(run, record) / "timeline.jsonl"))]


def test_a_balancer_that_loses_power_delays_requests_by_one_syn(failed: Run) -> None:
    """Those of the outage get through with their client's second SYN, a second later (RFC 6298, 2.1); none fails."""
    found = only(failed).metrics
    assert _AWAY_S[0] <= found["takeover_s"] <= _AWAY_S[1] + _LATE_S
    assert found["failed_requests"] == 0 and 1.0 <= found["slowest_s"] <= 1.1
    assert found["late_requests"] == pytest.approx(found["takeover_s"] / _EVERY_S, abs=1.5)


def test_chaos_asks_the_service_and_not_the_servers(tmp_path: Path) -> None:
    """The same law: packets to a server would have passed the balancer by, and seen no outage."""
    words = ("--topology", "balancer_pair", "--set", "vrrp_advert_ms=100", "--set", "probe_interval_ms=20")
    run = carried_out(tmp_path / "run", "chaos", *words, "--set", "schedule=router_crash b1 0.5 for 2")
    (record,) = run.records
    assert record.status == "ok" and record.metrics["failed_requests"] == 0, record
    assert _AWAY_S[0] - _EVERY_S <= record.metrics["outage_s"] <= _AWAY_S[1] + _EVERY_S
    assert record.metrics["late_requests"] > 0 and not (_raw(run, record) / "probe.csv").exists()


def test_sessions_survive_where_the_other_balancer_was_told_of_them(sessions: Run) -> None:
    """TCP tries again 0.2, 0.6, 1.4 s after what it sent last."""
    found = only(sessions, balancer_sync=True).metrics
    assert found["survivors"] == found["sessions"] == 20 and all(0.2 <= stall <= 1.4 for stall in found["stalls_s"])


def test_sessions_are_refused_where_it_was_not(sessions: Run) -> None:
    found = only(sessions, balancer_sync=False).metrics
    assert (found["survivors"], found["broken"]) == (0, 20)
