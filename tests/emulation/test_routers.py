"""FRR, static routes, and lines that work in part, in a guest: RFC 4271, RFC 5880, and FRR's queues by its sources.

FRR 8.4.4: 10 ms until the routes of a session are cleared, 50 ms until others are chosen, 10 ms until zebra acts
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from testbed.backends import environment
from tests.emulation.test_lines import of, run_of, times

needs_frr = pytest.mark.skipif(
    shutil.which("bgpd", path=environment.SEARCH) is None, reason="FRR is not installed (make setup-services)"
)
needs_bird = pytest.mark.skipif(shutil.which("bird") is None, reason="BIRD is not installed (make setup-services)")
#: A probe packet each 2 ms; a daemon's timers are exact to a millisecond each.
_INTERVAL_S, _LATE_S = 0.002, 0.003


@needs_frr
def test_frr_leaves_a_silent_line_by_bfd_and_its_queues(tmp_path: Path) -> None:
    settings = ("bgp_daemon=frr", "fault=silent_loss,service_crash", "bgp_bfd_ms=100", "faults=2")
    run = run_of(tmp_path / "run", "routing", *settings)
    silent, killed = of(run, "silent_loss"), of(run, "service_crash")
    seen = times(silent, "detections_s")
    assert len(seen) == 4 and all(0.2 <= at <= 0.3 + _LATE_S for at in seen), seen
    for at, pair in zip(times(silent, "outages_s"), zip(seen[::2], seen[1::2], strict=True), strict=True):
        # Either end may be the one that is told, by ia: 120 ms after it; e1 needs 70 ms.
        assert any(at == pytest.approx(max(e1 + 0.07, ia + 0.12), abs=3 * _INTERVAL_S) for e1, ia in (pair, pair[::-1]))
    assert all(0.06 - _INTERVAL_S <= at <= 0.06 + _LATE_S + 2 * _INTERVAL_S for at in times(killed, "outages_s"))
    assert silent.metrics["element"] == "e1-eth1--ia-eth0" and killed.metrics["element"] == "ia:bgpd"
    assert silent.metrics["within_bound"] is killed.metrics["within_bound"] is True
    log = run.path / "raw" / "001" / "services" / "e1" / "bgpd.log"
    assert "%ADJCHANGE" in log.read_text() and not (log.parent / "zebra.ctl").exists()


@needs_bird
def test_bfd_takes_a_static_route_out_and_nothing_tells_what_is_beyond(tmp_path: Path) -> None:
    settings = ("routes_by=static", "static_track=bfd", "fault=router_hang,silent_loss", "faults=2")
    run = run_of(tmp_path / "run", "routing", *settings)
    hangs, line = of(run, "router_hang"), of(run, "silent_loss")
    seen = times(hangs, "detections_s")
    assert len(seen) == 4 and all(0.21 <= at <= 0.3 + _LATE_S for at in seen), seen
    later = [max(pair) for pair in zip(seen[::2], seen[1::2], strict=True)]
    assert times(hangs, "outages_s") == pytest.approx(later, abs=3 * _INTERVAL_S)
    assert hangs.metrics["moved"] == [True] * 2 and line.metrics["moved"] == [False] * 2
    assert min(times(line, "outages_s")) > 2.5 and "h2 to h1 are lost at ia" in str(line.metrics["why_no_bound"])


@needs_bird
def test_bfd_leaves_a_line_that_loses_most_packets_and_none_that_is_a_little_slow(tmp_path: Path) -> None:
    settings = ("fault=lossy", "loss_percent=80", "fault_s=4", "bgp_bfd_ms=100", "faults=3")
    lossy = of(run_of(tmp_path / "lossy", "routing", *settings), "lossy")
    # Of BIRD's intervals: 3 less 0.9 at the earliest. That a fault of 4 s is not noticed by either end has 1e-5.
    assert all(at >= 0.21 for at in times(lossy, "first_left_s"))
    assert lossy.metrics["left_share_expected"] > 0.999
    settings = ("fault=slow", "slow_delay_ms=100", "fault_s=2", "bgp_bfd_ms=100", "faults=1")
    slow = of(run_of(tmp_path / "slow", "routing", *settings), "slow")
    assert slow.metrics["first_left_s"] == [None] and slow.metrics["within_bound"] is True
    assert 0.1 - _INTERVAL_S <= times(slow, "outages_s")[0] <= 0.1 + _LATE_S + 2 * _INTERVAL_S
