"""Users of a service at two sites, in a guest: checks of our own with BIRD, those of gdnsd, and what a resolver keeps.

anycast, I = 500 ms, F = 2, T = 200 ms, halted:   (F - 1) I + T ... F I + T          0.7 ... 1.2 s
dns, I = 2 s, F = 2, killed:   (F - 1) I + 1 s ... F I + 1 s + TTL of 2 s            3 ... 7 s
without the name server:   answers that are kept end within the TTL                  0 ... 2 s
with another one:   a request that needs an answer waits for the resolver's time-out   1 s
by hand, S = 2 s:   anycast, and BGP   S      dns   S ... S + TTL of 2 s
"""

from __future__ import annotations

import csv
import itertools
import shutil
from pathlib import Path

import pytest

from testbed.measure.raw import read_timeline
from testbed.measure.requests import load_requests
from testbed.results.result import Record, Run, load
from tests.emulation.support import ended, started

pytestmark = pytest.mark.skipif(
    shutil.which("bird") is None or shutil.which("gdnsd") is None,
    reason="BIRD or gdnsd is not installed (make setup-services)",
)
_INTERVAL_S = 0.05
#: A check, a process that wakes, messages of BGP.
_LATE_S = 0.01


def run_of(place: Path, *settings: str) -> Run:
    own = ("bgp_bfd_ms=0", f"request_interval_ms={_INTERVAL_S * 1e3}", *settings)
    checks = () if "sites=by_hand" in settings else ("site_fall=2", "site_rise=1")
    words = [word for setting in (*checks, *own) for word in ("--set", setting)]
    answer = ended(started("run", "site_failover", *words, "--repetitions", "1", "--seed", "5", "--out", str(place)))
    assert answer.returncode == 0, answer.stderr
    return load(place)


@pytest.fixture(scope="module")
def dns(tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = ("sites_by=dns", "fault=service_crash", "place=server,names", "dns_ttl_s=2", "faults=2")
    return run_of(tmp_path_factory.mktemp("dns") / "run", *settings)


def of(run: Run, place: str) -> Record:
    (record,) = [each for each in run.records if each.case["place"] == place]
    assert record.status == "ok" and not record.warnings, record
    return record


def times(record: Record, low_s: float, high_s: float) -> list[float]:
    """What users felt of each fault, which is within these limits by two requests."""
    found = [float(each) for each in record.metrics["detections_s"]]
    assert len(found) == record.case["faults"]
    assert all(low_s - _INTERVAL_S <= at <= high_s + _LATE_S + 2 * _INTERVAL_S for at in found), found
    return found


def test_a_site_whose_server_hangs_withdraws_its_address(tmp_path: Path) -> None:
    checks = ("sites_by=anycast", "site_check_ms=500", "site_timeout_ms=200", "fault=service_pause", "faults=3")
    run = run_of(tmp_path / "run", *checks)
    record = of(run, "server")
    found = times(record, 0.7, 1.2)
    assert len(set(found)) == 3 and record.metrics["servers_after"] == ["w2"] * 3
    # Every request until then fails, and none after.
    assert record.metrics["failed_each"] == pytest.approx([at / _INTERVAL_S for at in found], abs=2)
    assert record.metrics["failed_outside"] == 0
    told = [each for each in read_timeline(run.path / record.raw / "timeline.jsonl") if each["source"] == "site"]
    assert [(each["event"], each["host"]) for each in told] == [("withdrawn", "w1"), ("announced", "w1")] * 3


def test_answers_lead_to_the_other_site_when_the_checks_and_the_ttl_have_ended(dns: Run) -> None:
    record = of(dns, "server")
    found = times(record, 3.0, 7.0)
    assert len(set(found)) == 2 and record.metrics["servers_after"] == ["w2"] * 2
    assert record.metrics["failed_outside"] == 0
    assert {"200", "refused"} == {each.status for each in load_requests(dns.path / record.raw / "requests.csv")}


def test_no_answer_is_used_beyond_its_ttl(dns: Run) -> None:
    raw = dns.path / of(dns, "server").raw
    rows = list(csv.DictReader((raw / "names.csv").open()))
    assert {row["ttl_s"] for row in rows} == {"2"} and len({row["address"] for row in rows}) == 2
    apart = [float(b["asked_s"]) - float(a["answered_s"]) for a, b in itertools.pairwise(rows)]
    assert all(2.0 <= each <= 2.0 + _INTERVAL_S + _LATE_S for each in apart), apart


def test_clients_go_on_without_their_name_server_until_the_ttl_ends(dns: Run) -> None:
    record = of(dns, "names")
    times(record, 0.0, 2.0)
    assert record.metrics["servers_after"] == ["w1"] * 2 and record.metrics["failed_outside"] == 0
    assert {"200", "unnamed"} >= {each.status for each in load_requests(dns.path / record.raw / "requests.csv")}


def test_a_second_name_server_costs_a_request_the_resolvers_time_out(tmp_path: Path) -> None:
    settings = ("sites_by=dns", "name_servers=2", "fault=service_pause,service_crash", "place=names", "dns_ttl_s=2")
    run = run_of(tmp_path / "run", *settings, "faults=1")
    for record in run.records:
        assert record.status == "ok" and record.metrics["failed_requests"] == record.metrics["failed_outside"] == 0
        waits_s = 1.0 if record.case["fault"] == "service_pause" else 0.0  # what is refused is left at once
        (found,) = (float(each) for each in record.metrics["detections_s"])
        assert waits_s <= found <= waits_s + _LATE_S


def test_an_operator_leads_all_clients_to_the_second_site_when_the_first_is_lost(tmp_path: Path) -> None:
    settings = ("sites=by_hand", "switchover_s=2", "sites_by=anycast,dns", "fault=site_loss", "place=site", "faults=2")
    run = run_of(tmp_path / "run", *settings)
    assert {record.case["sites_by"] for record in run.records} == {"anycast", "dns"}
    for record in run.records:
        ends_s = 2.0 + (5.0 if record.case["sites_by"] == "dns" else 0.0)  # by default an answer is kept for 5 s
        times(record, 2.0, ends_s)
        assert record.metrics["element"] == "a+w1" and record.metrics["servers_after"] == ["w2"] * 2
        assert record.metrics["failed_outside"] == 0
        timeline = read_timeline(run.path / record.raw / "timeline.jsonl")
        said = [each for each in timeline if each["source"] == "operator"]
        assert [(each["event"], each["to"]) for each in said] == [("switched_over", "w2"), ("switched_back", "w1")] * 2
        assert {each.server for each in load_requests(run.path / record.raw / "requests.csv") if each.answered} == {
            "w1",
            "w2",
        }
