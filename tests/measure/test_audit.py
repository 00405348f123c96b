"""An audit by requests: the service has survived if it answered before the repair, whatever it did until then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.measure.audit import Seen, by_requests
from testbed.theory.reachability import Expectation
from topologies.balancer_pair import balancer_pair

PAIR = balancer_pair()
INTERVAL_S, BEGIN_S, END_S, LAST_S = 0.01, 1.0, 3.0, 4.0


def seen(tmp_path: Path, becomes: Callable[[float], tuple[float, str]], connected: bool = True) -> Seen:
    """What is seen of requests, each of which takes so long and ends with a status by when it was due."""
    rows = ["number,due_s,sent_s,done_s,status,server"]
    for number in range(round(LAST_S / INTERVAL_S)):
        due_s = number * INTERVAL_S
        took_s, status = becomes(due_s)
        rows.append(f"{number},{due_s:.9f},{due_s:.9f},{due_s + took_s:.9f},{status},w1")
    (tmp_path / "requests.csv").write_text("\n".join(rows) + "\n")
    expected = {PAIR.ends(): Expectation(connected, None)}
    return by_requests(tmp_path, PAIR, expected, BEGIN_S, END_S, interval_s=INTERVAL_S)


def test_a_service_that_comes_back_before_the_repair_has_survived_with_its_outage(tmp_path: Path) -> None:
    found = seen(tmp_path, lambda due: (0.001, "refused" if 1.2 <= due < 1.7 else "200"))
    assert found.survived and found.lost == 50 and (found.apart, found.differs) == ([], [])
    assert found.outage_s == pytest.approx(0.5, abs=2 * INTERVAL_S) and found.return_outage_s == pytest.approx(0.0)


@pytest.mark.parametrize("ending", [(0.001, "refused"), (2.0, "timeout"), (1.001, "200")])
def test_one_that_the_repair_brings_back_has_not(tmp_path: Path, ending: tuple[float, str]) -> None:
    """A request that waits for its next SYN is answered a second later: by what was repaired meanwhile."""
    found = seen(tmp_path, lambda due: ending if 1.2 <= due < END_S else (0.001, "200"))
    assert not found.survived
    assert found.apart == found.differs == ["h1-10.0.0.254"]


def test_theory_may_expect_that_it_does_not_survive(tmp_path: Path) -> None:
    found = seen(tmp_path, lambda due: (0.001, "refused" if due >= 1.2 else "200"), connected=False)
    assert not found.survived and found.differs == []


def test_one_server_of_two_that_fails_is_an_outage_though_answers_never_stop(tmp_path: Path) -> None:
    found = seen(tmp_path, lambda due: (0.001, "reset" if 1.2 <= due < 2.2 and round(due * 100) % 2 else "200"))
    assert found.survived and found.outage_s == pytest.approx(1.0, abs=4 * INTERVAL_S) and found.lost == 50
