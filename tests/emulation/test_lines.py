"""Lines to the internet and sites, in a guest, by BIRD: RFC 4271, RFC 5880, and what BIRD 2.0.12 makes of them.

BFD 3 x 100 ms: 210 ... 300 ms; hold time 3 s, keepalive 1 s: 0.75 x 3 - 1 ... 3 + 1 s
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from testbed.results.result import Record, Run, load
from tests.emulation.support import ended, started

pytestmark = pytest.mark.skipif(shutil.which("bird") is None, reason="BIRD is not installed (make setup-services)")
_HERE = Path(__file__).parent
#: BIRD counts in whole milliseconds; a probe packet each 2 ms.
_LATE_S, _INTERVAL_S = 0.003, 0.002


def run_of(place: Path, experiment: str, *settings: str) -> Run:
    words = [word for setting in (*settings, "probe_interval_ms=2") for word in ("--set", setting)]
    answer = ended(started("run", experiment, *words, "--repetitions", "1", "--seed", "7", "--out", str(place)))
    assert answer.returncode == 0, answer.stderr
    return load(place)


@pytest.fixture(scope="module")
def routing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    faults = "fault=silent_loss,router_crash,service_pause"
    return run_of(tmp_path_factory.mktemp("routing") / "run", "routing", faults, "bgp_bfd_ms=100", "faults=4")


def of(run: Run, fault: str) -> Record:
    (record,) = [each for each in run.records if each.case["fault"] == fault]
    assert record.status == "ok" and not record.warnings, record
    return record


def times(record: Record, metric: str) -> list[float]:
    return [float(each) for each in record.metrics[metric]]


def test_silence_costs_each_direction_what_bfd_takes_at_its_own_end(routing: Run) -> None:
    record = of(routing, "silent_loss")
    seen, outages = times(record, "detections_s"), times(record, "outages_s")
    assert len(seen) == 8 and all(0.21 <= at <= 0.3 + _LATE_S for at in seen), seen
    later = [max(pair) for pair in zip(seen[::2], seen[1::2], strict=True)]
    assert outages == pytest.approx(later, abs=2 * _INTERVAL_S)
    assert len(set(seen)) == 8


@pytest.mark.parametrize("fault", ["router_crash", "service_pause"])
def test_carrier_is_an_event_and_a_kernel_forwards_without_its_daemon(routing: Run, fault: str) -> None:
    record = of(routing, fault)
    assert max(times(record, "outages_s")) <= 2 * _INTERVAL_S
    assert record.metrics["moved"] == [True] * 4


def test_the_return_of_a_provider_costs_nothing(routing: Run) -> None:
    assert max(max(times(record, "reversions_s")) for record in routing.records) <= 2 * _INTERVAL_S


def test_the_hold_time_is_kept_with_birds_jitter(tmp_path: Path) -> None:
    settings = ("fault=silent_loss", "bgp_bfd_ms=0", "bgp_hold_s=3", "bgp_keepalive_s=1", "faults=5")
    record = of(run_of(tmp_path / "run", "routing", *settings), "silent_loss")
    seen = times(record, "detections_s")
    assert len(seen) == 10 and all(1.25 <= at <= 4.0 + _LATE_S for at in seen), seen
    assert record.metrics["within_bound"] is True


def test_a_default_route_hides_that_the_provider_has_lost_the_internet(tmp_path: Path) -> None:
    settings = ("fault=silent_loss", "place=uplink", "provider_routes=default", "bgp_bfd_ms=100", "faults=1")
    record = of(run_of(tmp_path / "run", "routing", *settings), "silent_loss")
    assert record.metrics["moved"] == [False] and record.metrics["outages_s"][0] > 2.0
    assert "default route" in str(record.metrics["why_no_bound"])


def test_clients_of_a_site_that_is_gone_reach_the_other_one(tmp_path: Path) -> None:
    settings = ("fault=router_hang", "place=site", "bgp_bfd_ms=100", "faults=4")
    record = of(run_of(tmp_path / "run", "sites", *settings), "router_hang")
    outages = times(record, "outages_s")
    assert all(0.21 - _INTERVAL_S <= at <= 0.3 + _LATE_S + 2 * _INTERVAL_S for at in outages), outages
    assert record.metrics["moved"] == [True] * 4 and record.metrics["flows_hit"] == [1] * 4  # h2 has the other site


def test_a_host_with_two_lines_of_its_own_survives_a_provider(tmp_path: Path) -> None:
    place, lost = tmp_path / "run", "ia,c"
    answer = ended(started("audit", str(_HERE / "dual_homed.py"), "--set", f"element={lost}", "--out", str(place)))
    assert answer.returncode == 1, answer.stderr  # c itself
    found: dict[Any, Any] = {each.case["element"]: each.metrics for each in load(place).records}
    assert found["ia"]["survived"] is True and found["c"]["survived"] is False
    assert all(each["agrees_with_oracle"] for each in found.values()) and found["ia"]["within_bound"] is True
