"""Routers that stand in for one another, in a guest, by keepalived: RFC 5798 to the millisecond.

A = 0.1 s, priority 100: skew 156/256 A = 61 ms; take-over 2A + skew ... 3A + skew = 261 ... 361 ms after the fault
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from testbed.measure.outage import load_probe
from testbed.results.result import Run, load
from tests.emulation.support import ended, started

pytestmark = pytest.mark.skipif(
    shutil.which("keepalived") is None, reason="keepalived is not installed (make setup-services)"
)
_LOW_S, _HIGH_S, _SKEW_S = 0.2609375, 0.3609375, 0.0609375
#: keepalived counts in microseconds; the frame crosses a link.
_LATE_S = 0.001


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("gateway") / "run"
    faults = "router_crash,router_hang,split_brain,announcement_loss,service_stop,service_crash,carrier_loss"
    words = ("--set", f"fault={faults}", "--set", "vrrp_advert_ms=100", "--set", "faults=5", "--repetitions", "1")
    answer = ended(started("run", "gateway", *words, "--seed", "5", "--out", str(place)))
    assert answer.returncode == 0, answer.stderr
    return load(place)


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("tenants") / "run"
    settings = ("tenants=2", "vrrp_masters=split,same", "fault=router_crash", "vrrp_advert_ms=100", "faults=2")
    words = [word for setting in settings for word in ("--set", setting)]
    answer = ended(started("run", "gateway", *words, "--repetitions", "1", "--seed", "5", "--out", str(place)))
    assert answer.returncode == 0, answer.stderr
    return load(place)


def times(run: Run, fault: str, metric: str) -> list[float]:
    (record,) = [each for each in run.records if each.case["fault"] == fault]
    assert record.status == "ok" and record.metrics["within_bound"] is True and not record.warnings, record
    return [float(each) for each in record.metrics[metric]]


@pytest.mark.parametrize("fault", ["router_crash", "router_hang", "split_brain", "service_crash", "carrier_loss"])
def test_the_next_router_waits_for_three_advertisements_and_the_skew(run: Run, fault: str) -> None:
    found = times(run, fault, "detections_s")
    assert len(found) == 5 and all(_LOW_S <= at <= _HIGH_S + _LATE_S for at in found), found
    assert len(set(found)) == 5  # at instants drawn over a whole interval


def test_hosts_learn_of_it_by_the_next_announcement_if_the_first_one_is_lost(run: Run) -> None:
    """keepalived.conf(5), vrrp_garp_master_delay: 5 s. A host that is confirming its ARP entry just then is sooner."""
    taken, outages = times(run, "announcement_loss", "detections_s"), times(run, "announcement_loss", "outages_s")
    assert all(5 + _LOW_S <= at <= 5 + _HIGH_S + _LATE_S for at in taken), taken
    assert all(_LOW_S <= each <= at + 0.003 for each, at in zip(outages, taken, strict=True)) and max(outages) > 5.0


def test_a_router_that_ends_in_order_leaves_the_skew(run: Run) -> None:
    assert all(_SKEW_S <= at <= _SKEW_S + _LATE_S for at in times(run, "service_stop", "detections_s"))


def test_a_crash_stops_traffic_for_as_long_and_the_return_does_not(run: Run) -> None:
    """The probe has an interval of 1 ms."""
    taken, outages = times(run, "router_crash", "detections_s"), times(run, "router_crash", "outages_s")
    assert outages == pytest.approx(taken, abs=0.003)
    assert max(times(run, "router_crash", "reversions_s")) <= 0.002


@pytest.mark.parametrize("fault", ["service_stop", "service_crash", "split_brain"])
def test_a_kernel_forwards_without_its_daemon_and_two_masters_both_forward(run: Run, fault: str) -> None:
    assert max(times(run, fault, "outages_s")) <= 0.002


def test_each_routers_files_are_kept(run: Run) -> None:
    for router in ("r1", "r2"):
        kept = {path.name for path in (Path(run.path) / "raw/001/services" / router).iterdir()}
        assert kept == {"keepalived.conf", "keepalived.out"}


def test_over_ipv6_the_law_is_the_same(tmp_path: Path) -> None:
    words = ("--set", "ip=6", "--set", "fault=router_crash", "--set", "vrrp_advert_ms=100", "--set", "faults=3")
    answer = ended(started("run", "gateway", *words, "--repetitions", "1", "--out", str(tmp_path / "run")))
    assert answer.returncode == 0, answer.stderr
    found = times(load(tmp_path / "run"), "router_crash", "detections_s")
    assert len(found) == 3 and all(_LOW_S <= at <= _HIGH_S + _LATE_S for at in found), found


def test_with_bfd_the_next_router_takes_over_when_its_packets_end(tmp_path: Path) -> None:
    """RFC 5880, 6.8.4, with 3 x 50 ms: 150 ms after the last packet, which is up to 45 ms old; then three intervals of
    10 ms and the skew, 36 ms. A cable: the best router notices first, and says so 45 ms later at most. An Advertisement
    comes only every second: without BFD it would take 2.6 s and more."""
    faults = ("--set", "fault=router_crash,carrier_loss,split_brain", "--set", "faults=3")
    words = (*faults, "--set", "vrrp_bfd_ms=50", "--set", "vrrp_advert_ms=1000", "--repetitions", "1", "--seed", "5")
    answer = ended(started("run", "gateway", *words, "--out", str(tmp_path / "run")))
    assert answer.returncode == 0, answer.stderr
    run = load(tmp_path / "run")
    begins_s = 0.030 + 0.010 * 156 / 256
    for fault, more_s in (("router_crash", 0.0), ("carrier_loss", 0.045)):
        found = times(run, fault, "detections_s")
        assert len(found) == 3 and all(0.105 + begins_s <= at <= 0.150 + begins_s + more_s + _LATE_S for at in found)
    (record,) = [each for each in run.records if each.case["fault"] == "split_brain"]
    assert record.metrics["detections_s"] == [None] * 3 and record.metrics["outage_s"] <= 0.002 and not record.warnings


def test_a_run_of_three_lost_advertisements_makes_another_router_master_beside_the_best_one(tmp_path: Path) -> None:
    """RFC 5798, 6.1. Of 200 of which half are lost, (1 - 0.5) x 0.5^3 x 200 = 12.5 runs are expected; after two in a
    row it would be 25, and after four 6."""
    words = ("--set", "fault=lossy", "--set", "loss_percent=50", "--set", "vrrp_advert_ms=100", "--set", "faults=2")
    probe = ("--set", "probe_interval_ms=20", "--repetitions", "1", "--seed", "5")
    answer = ended(started("run", "gateway", *words, *probe, "--out", str(tmp_path / "run")))
    assert answer.returncode == 0, answer.stderr
    (record,) = load(tmp_path / "run").records
    found = record.metrics
    assert record.status == "ok" and found["within_bound"] is True and 7 <= found["masters_beside"] <= 19, found


@pytest.mark.parametrize("masters", ["split", "same"])
def test_tenants_in_vrfs_reach_only_themselves_and_feel_only_their_own_master(tenants: Run, masters: str) -> None:
    (record,) = [each for each in tenants.records if each.case["vrrp_masters"] == masters]
    assert record.status == "ok" and record.metrics["crossed_packets"] == 0
    assert all(_LOW_S <= at <= _HIGH_S + _LATE_S for at in record.metrics["detections_s"])
    ((pair, others),) = record.metrics["others_outages_s"].items()
    assert pair == "h3+h4" and len(others) == 2
    if masters == "split":
        assert max(others) <= 0.002
    else:
        assert all(_LOW_S - 0.001 <= at <= _HIGH_S + 0.01 for at in others)


def test_packets_between_tenants_were_sent(tenants: Run) -> None:
    """That none arrived says something; a flow within a tenant has both."""
    flows = load_probe(Path(tenants.path) / tenants.records[0].raw / "probe.csv")
    sent = {flow.name: (len(flow.sent_s), int(np.isfinite(flow.received_s).sum())) for flow in flows}
    assert sent["h1>h3"][0] == sent["h3>h1"][0] > 1000 and sent["h1>h3"][1] == sent["h3>h1"][1] == 0
    assert sent["h1>h2"][1] > 0 and sent["h3>h4"][1] > 0
