"""TCP sessions through a pair of firewalls of which one loses power, in a guest: shared state saves them, nothing else.

The address moves in 261 to 361 ms (VRRP, A = 0.1 s); TCP tries again 0.2, 0.6, 1.4 s after what it sent last.
"""

from __future__ import annotations

import shutil

import pytest

from testbed.results.result import Record, Run, load
from tests.emulation.support import ended, started

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("keepalived", "nft", "conntrackd")),
    reason="firewalls' daemons are not installed (make setup-services)",
)
_SESSIONS = 20


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("firewalls") / "run"
    words = ("--set", "firewall_sync=ftfw,none", "--set", f"sessions={_SESSIONS}", "--repetitions", "1", "--seed", "5")
    answer = ended(started("run", "stateful_failover", *words, "--out", str(place)))
    assert answer.returncode == 0, answer.stderr
    return load(place)


def only(run: Run, sync: str) -> Record:
    (record,) = [each for each in run.records if each.case["firewall_sync"] == sync]
    assert record.status == "ok" and record.metrics["within_bound"] is True, record
    return record


def test_all_sessions_survive_where_the_other_firewall_knows_them(run: Run) -> None:
    found = only(run, "ftfw").metrics
    assert found["survivors"] == found["sessions"] == _SESSIONS
    assert all(0.2 <= stall <= 1.4 for stall in found["stalls_s"])


def test_none_survives_where_it_does_not(run: Run) -> None:
    found = only(run, "none").metrics
    assert (found["survivors"], found["survive_by_theory"], found["broken"]) == (0, False, 0)
