"""Spanning trees, fast-failover groups and LAGs in a guest: two ways between two switches, faults of the one in use.

                  carrier lost                 silent
RSTP              a handshake: milliseconds    3 hellos of 2 s, less the age of the last: 3 to 6 s
STP               2 x Forward Delay, after Max Age where another bridge has to act
fast failover     the next bucket              BFD: 3 x 100 ms less the age of the last packet: 0.2 to 0.3 s
LAG               the other link               LACP: 3 s less the age of the last LACPDU: 2 to 3 s
"""

from __future__ import annotations

import json

import pytest

from testbed.results.result import Record, Run, load
from tests.emulation.support import ended, started

#: What may come on top: half a second of Open vSwitch's main loop for each of its timers and to forget addresses; and a
#: second until a host asks for its neighbour's address again (RFC 4861, 10).
_LATE_S = 2.0
_TOPOLOGY = ("--topology", "two_ways", "--set")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs that this file checks: one trial a case."""
    base = tmp_path_factory.mktemp("between")
    timers = ("--set", "max_age_s=6", "--set", "forward_delay_s=4")
    wanted = {
        "rstp": ("--set", "fault=carrier_loss,silent_loss"),
        "stp": ("--set", "fault=carrier_loss", "--set", "element=e2-eth2", *timers),
        "fast-failover": ("--set", "fault=switch_crash,silent_loss"),
        "ovs": ("--set", "length=0", "--set", "fault=carrier_loss,silent_loss"),
    }
    found = {}
    for scheme, words in wanted.items():
        common = (
            *_TOPOLOGY,
            f"ends={'lag' if scheme == 'ovs' else 'switches'}",
            "--set",
            f"controller={scheme}",
            "--set",
            "probe_interval_ms=5",
            "--repetitions",
            "1",
            "--seed",
            "3",
        )
        answer = ended(started("run", "failover", *common, *words, "--out", str(base / scheme)))
        assert answer.returncode == 0, answer.stderr
        found[scheme] = load(base / scheme)
    return found


def outage_s(run: Run, fault: str) -> float:
    """The outage of the only trial with this fault, which ended well and as theory says."""
    record: Record = next(each for each in run.records if each.case["fault"] == fault)
    assert record.status == "ok" and record.metrics["within_bound"] and not record.warnings, record
    return float(record.metrics["outage_s"])


def test_rstp_takes_over_by_a_handshake(runs: dict[str, Run]) -> None:
    assert outage_s(runs["rstp"], "carrier_loss") < 0.03


def test_rstp_waits_for_three_hellos_of_a_silent_link(runs: dict[str, Run]) -> None:
    assert 3.0 <= outage_s(runs["rstp"], "silent_loss") <= 6.0 + _LATE_S


def test_stp_listens_and_learns(runs: dict[str, Run]) -> None:
    """e2 sees its root port go and has another: IEEE 802.1D-1998, 8.4: two times 4 s."""
    assert 8.0 <= outage_s(runs["stp"], "carrier_loss") <= 8.0 + 1.25 * _LATE_S


def test_fast_failover_moves_at_a_lost_carrier_and_after_bfd(runs: dict[str, Run]) -> None:
    assert outage_s(runs["fast-failover"], "switch_crash") < 0.03
    assert 0.195 <= outage_s(runs["fast-failover"], "silent_loss") <= 0.32


def test_a_lag_loses_nothing_with_a_carrier_and_waits_for_lacp_on_a_silent_link(runs: dict[str, Run]) -> None:
    """IEEE 802.1AX-2014, 6.4.4 and 6.4.12. The probe sends each 5 ms; Open vSwitch's main loop may add 0.5 s."""
    assert outage_s(runs["ovs"], "carrier_loss") < 0.03
    assert 1.99 <= outage_s(runs["ovs"], "silent_loss") <= 3.5


def test_each_bridge_and_session_started_at_an_instant_of_its_own(runs: dict[str, Run]) -> None:
    for scheme, clock in (("rstp", "rstp"), ("stp", "stp"), ("fast-failover", "bfd")):
        starts = json.loads((runs[scheme].path / "raw" / "001" / "clocks.json").read_text())
        own = {each["name"]: each["start_s"] for each in starts if each["name"].startswith(f"{clock} ")}
        assert set(own) == {f"{clock} {switch}" for switch in ("e1", "e2", "s1", "s2")}
        assert len(set(own.values())) == 4
