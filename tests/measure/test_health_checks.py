"""What the faults of a server cost, from a made-up timeline and requests whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.design.trial import Measured, Trial
from testbed.measure.health_checks import measure, taken_out
from testbed.measure.raw import read_timeline
from testbed.spec import BalancerOptions
from topologies.balancer_pair import balancer_pair

#: Checks every second, 3 failures: a server that refuses is out 2 to 3 s after the fault. Requests every 0.1 s.
TOPOLOGY = balancer_pair(balancer=BalancerOptions(check_ms=1000, fall=3))
BEGIN_S, END_S = 10.0, 14.0


def measured(raw: Path, out_s: float, *, host: str = "b1", failing: int = 3, more: int = 0) -> Measured:
    """A trial whose fault is detected at ``out_s``; until then every request of three fails, and ``more`` outside."""
    down = {"source": "balancer", "event": "server", "server": "w1", "state": "down", "host": host}
    fault = {"source": "fault", "fault": "service_crash", "element": "w1:http"}
    events = [
        {"t_s": BEGIN_S, **fault, "event": "begin"},
        {"t_s": out_s, **down},
        {"t_s": END_S, **fault, "event": "end"},
    ]
    (raw / "timeline.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    lines = ["number,due_s,sent_s,done_s,status,server"]
    for number in range(200):
        at = round(number * 0.1 + 0.05, 9)
        bad = (BEGIN_S <= at < out_s and number % failing == 0) or number < more
        lines.append(f"{number},{at},{at},{at + 0.001},{'refused,' if bad else '200,w2'}")
    (raw / "requests.csv").write_text("\n".join(lines) + "\n")
    case = {"fault": "service_crash", "request_interval_ms": 100.0, "faults": 1}
    trial = Trial(1, "health_checks", case, 0, 1, TOPOLOGY, "virtual", 60.0)
    return measure(raw, trial, "w1", 0.1)


def test_a_detection_by_the_law_with_every_third_request_failing(tmp_path: Path) -> None:
    found = measured(tmp_path, 12.4).metrics
    assert found["detections_s"] == [pytest.approx(2.4)] and (found["low_s"], found["bound_s"]) == (2.0, 3.0)
    assert (found["failed_requests"], found["requests"], found["failed_share"]) == (8, 24, pytest.approx(1 / 3))
    assert found["last_failed_s"] == [pytest.approx(2.35)] and found["within_bound"] is True


@pytest.mark.parametrize("out_s", [11.9, 13.1])
def test_a_detection_outside_the_law_is_said_to_be(tmp_path: Path, out_s: float) -> None:
    assert measured(tmp_path, out_s).metrics["within_bound"] is False


def test_more_failures_than_the_share_or_outside_a_fault_are_said_to_be(tmp_path: Path) -> None:
    assert measured(tmp_path, 12.4, failing=2).metrics["within_bound"] is False
    found = measured(tmp_path, 12.4, more=1).metrics
    assert found["failed_outside"] == 1 and found["within_bound"] is False


def test_what_the_other_balancer_finds_is_no_detection(tmp_path: Path) -> None:
    found = measured(tmp_path, 12.4, host="b2")
    assert taken_out(read_timeline(tmp_path / "timeline.jsonl"), TOPOLOGY, "w1") == [None]
    assert found.metrics["within_bound"] is False and "did not take w1 out in 1 faults" in " ".join(found.warnings)


def test_a_slow_server_whose_answers_come_in_time_stays_in(tmp_path: Path) -> None:
    """50 ms each way: a round trip more is within the time-out of 500 ms."""
    fault = {"source": "fault", "fault": "slow", "element": "w1-eth0"}
    events = [{"t_s": BEGIN_S, **fault, "event": "begin"}, {"t_s": END_S, **fault, "event": "end"}]
    lines = ["number,due_s,sent_s,done_s,status,server"]
    lines += [f"{n},{n / 10:.9f},{n / 10:.9f},{n / 10 + 0.2:.9f},200,w1" for n in range(200)]
    (tmp_path / "requests.csv").write_text("\n".join(lines) + "\n")
    case = {"fault": "slow", "request_interval_ms": 100.0, "faults": 1}
    trial = Trial(1, "health_checks", case, 0, 1, TOPOLOGY, "virtual", 60.0)
    out = {"t_s": 12.0, "source": "balancer", "event": "server", "server": "w1", "state": "down", "host": "b1"}
    for more, kept in (([], True), ([out], False)):
        (tmp_path / "timeline.jsonl").write_text(
            "".join(json.dumps(each) + "\n" for each in (events[0], *more, events[1]))
        )
        found = measure(tmp_path, trial, "w1", 0.1)
        assert (found.metrics["within_bound"], found.metrics["why_no_bound"] is None) == (kept, False)
        assert not found.warnings
