"""TCP over a bond that loses a member, compared with TCP's timers (RFC 6298, RFC 8985, Linux) and what links carry.

h1 ===== s1 ===== h2     2 or 4 members of 1 Gbit/s on each side; the switch's end of the member in use is set down

The receiving kernel reports what flows delivered, the sending kernel when the bond took the member out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import theory
from testbed.measure import iperf3, tcp_stall
from testbed.measure.goodput import tcp_mbps
from testbed.measure.raw import event_of, read_timeline
from testbed.observe.tcp_progress import PERIOD_S
from testbed.results.result import Record, Run
from tests.emulation.support import side_by_side

_FLOWS = 4
#: How far a measured stall may be off: two samples, and a round trip of the retransmission.
_SEEN_S = 0.020


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two runs side by side, one guest each at a time."""
    base = tmp_path_factory.mktemp("tcp")

    def wanted(name: str, repetitions: int, **levels: str) -> tuple[Path | str, ...]:
        words = [word for item in levels.items() for word in ("--set", "=".join(item))]
        common = ("--repetitions", str(repetitions), "--seed", "1", "--jobs", "1", "--set", f"flows={_FLOWS}")
        return base / name, "tcp_failover", *common, *words

    backup = wanted("backup", 1, mode="active-backup", members="2", miimon_ms="100,400,1000")
    lacp = wanted("lacp", 1, mode="802.3ad", members="2,4", miimon_ms="100")
    return {run.path.name: run for run in side_by_side(backup, lacp)}


def _stalls_s(record: Record) -> list[float]:
    assert (record.status, record.reason, record.warnings) == ("ok", "", [])
    found = [flow["stall_s"] for flow in record.metrics["flows"].values()]
    assert len(found) == _FLOWS
    return found


def test_a_flow_that_loses_all_its_packets_resumes_with_tcps_next_try(runs: dict[str, Run]) -> None:
    waited = []
    for record in runs["backup"].records:
        away_s, rtt_s = record.metrics["noticed_s"], record.metrics["rtt_s"]
        # The last acknowledgement came up to a round trip before the fault, or after it.
        tries = {theory.next_try_s(away_s + shift_s, rtt_s) for shift_s in (-rtt_s, 0.0, rtt_s)}
        wanted = [*tries, *(theory.mistaken_s(try_s, rtt_s) for try_s in tries)]
        for stall_s in _stalls_s(record):
            assert stall_s >= away_s - rtt_s
            assert min(abs(stall_s - each) for each in wanted) <= _SEEN_S, (stall_s, away_s, wanted)
            waited.append(stall_s)
        assert record.metrics["within_bound"] is True
    assert max(waited) > theory.RTO_MIN_S, "at least one outage outlasted the probe"


def test_where_other_members_still_carry_flows_no_flow_waits_for_a_timeout(runs: dict[str, Run]) -> None:
    for record in runs["lacp"].records:
        assert max(_stalls_s(record)) < theory.RTO_MIN_S


def test_goodput_is_that_of_the_members_that_are_left(runs: dict[str, Run]) -> None:
    """Over those of them on which the driver's documented hash puts the flows (bonding.rst, xmit_hash_policy)."""
    one = theory.ideal_mbps("active-backup", 1, 1000.0)
    for record in (*runs["backup"].records, *runs["lacp"].records):
        metrics, members = record.metrics, record.case["members"] if record.case["mode"] == "802.3ad" else 1
        for when in ("before", "during", "after"):
            assert metrics[f"goodput_{when}_mbps"] == pytest.approx(metrics[f"ideal_{when}_mbps"], rel=0.01), when
        assert metrics["ideal_before_mbps"] == metrics["ideal_after_mbps"] == pytest.approx(members * one)
        assert one <= metrics["ideal_during_mbps"] <= max(1, members - 1) * one + 1e-3


def test_the_kernels_count_is_iperf3s(runs: dict[str, Run]) -> None:
    """What sock_diag(7) reported until the end is what iperf3's servers counted, except for the last period."""
    for run in runs.values():
        for record in run.records:
            raw = run.path / record.raw
            delivered = tcp_stall.load(raw / "progress.csv")
            begun = event_of(read_timeline(raw / "timeline.jsonl"), "iperf3", "begin")["t_s"]
            last_s = max(float(flow.t_s[-1]) for flow in delivered.values())
            counted = iperf3.load(raw / "iperf3.json").goodput_mbps
            assert tcp_mbps(delivered, (begun, last_s), PERIOD_S) == pytest.approx(counted, rel=0.02)
