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


def test_clients_keep_their_server_where_the_balancers_tell_each_other_of_them(tmp_path: Path) -> None:
    """HAProxy's manual, 3.5 (peers): all do with peers; of three servers' clients about a third without."""
    words = ("balancer_layer=7", "balancer_stick=true", "balancer_peers=true,false", "clients=30", "vrrp_advert_ms=100")
    settings = [word for each in ("fault=router_crash", *words) for word in ("--set", each)]
    run = carried_out(tmp_path / "run", "requests", *settings)
    kept = {peers: only(run, balancer_peers=peers).metrics for peers in (True, False)}
    assert kept[True]["clients_kept"] == kept[True]["clients_seen"] >= 20
    assert kept[False]["clients_seen"] >= 20 and kept[False]["clients_kept"] <= 0.75 * kept[False]["clients_seen"]


def test_after_the_first_failure_haproxy_looks_at_its_fast_interval(tmp_path: Path) -> None:
    """Its manual, 5.2: up to 0.3 s to the first one, then two more 50 ms apart; without it 0.6 to 0.9 s."""
    words = ("balancer_layer=7", "balancer_check_ms=300", "balancer_timeout_ms=50", "balancer_fastinter_ms=50")
    settings = [word for each in ("fault=service_crash", "faults=4", *words) for word in ("--set", each)]
    found = only(carried_out(tmp_path / "run", "health_checks", *settings)).metrics
    assert len(found["detections_s"]) == 4 and all(0.1 <= at <= 0.4 + _LATE_S for at in found["detections_s"])


def test_a_slow_server_stays_in_until_its_answers_come_after_the_time_out(tmp_path: Path) -> None:
    """20 ms more each way: 40 ms for a connection, of 50. 30 ms: 60, and it is taken out after three time-outs."""
    words = ("balancer_layer=4", "balancer_check_ms=300", "balancer_timeout_ms=50", "slow_delay_ms=20,30", "faults=2")
    settings = [word for each in ("fault=slow", *words) for word in ("--set", each)]
    run = carried_out(tmp_path / "run", "health_checks", *settings)
    stays, goes = (only(run, slow_delay_ms=delay).metrics for delay in (20.0, 30.0))
    assert stays["detections_s"] == [None, None] and stays["within_bound"] is goes["within_bound"] is True
    assert all(0.75 <= at <= 1.05 + 3 * 0.005 for at in goes["detections_s"])
