"""A port that its caller cannot reach for a while: its partner does not expire for LACPDUs that could not arrive."""

from __future__ import annotations

import pytest

from testbed.lacp.config import Rate
from tests.lacp.wire import Lab, config, distributes, pair

PERIOD_S: dict[Rate, float] = {"fast": 1.0, "slow": 30.0}
TIMEOUT_S: dict[Rate, float] = {"fast": 3.0, "slow": 90.0}


def converged(rate: Rate) -> Lab:
    """Both links up; B's last LACPDUs are older than A's by most of a period."""
    lab = pair(config(rate=rate), config(rate=rate))
    lab.all_up()
    lab.run(2.5)
    assert distributes(lab, 1, 2)
    return lab


def reach(lab: Lab, in_reach: bool) -> None:
    for cable in lab.cables:
        cable.loses = set() if in_reach else {"A", "B"}
    for port in (1, 2):
        lab.act("A", lab.systems["A"].set_in_reach(port, in_reach, lab.now))


def last_sent(lab: Lab) -> float:
    return min(lab.sent["A", port][-1] for port in (1, 2))


@pytest.mark.parametrize("rate", PERIOD_S)
def test_out_of_reach_no_lacpdu_is_sent_and_in_reach_again_one_is_sent_at_once(rate: Rate) -> None:
    lab = converged(rate)
    lab.run(PERIOD_S[rate])
    reach(lab, False)
    sent = {port: len(lab.sent["A", port]) for port in (1, 2)}
    lab.run(TIMEOUT_S[rate] - 2 * PERIOD_S[rate])
    assert {port: len(lab.sent["A", port]) for port in (1, 2)} == sent
    reach(lab, True)
    assert last_sent(lab) == lab.now


@pytest.mark.parametrize("rate", PERIOD_S)
def test_the_partner_expires_no_earlier_than_we_do_at_the_partner(rate: Rate) -> None:
    """Its timeout after the last LACPDU to it, even if its own last one is older (6.4.4: short and long timeout)."""
    lab = converged(rate)
    for cable in lab.cables:
        cable.loses = {"B"}  # B's LACPDUs stop one period before A's
    lab.run(PERIOD_S[rate])
    reach(lab, False)
    last = last_sent(lab)
    lab.run_until(last + TIMEOUT_S[rate] - 0.01, lambda: False)
    assert lab.distributing["A", "lag"] == (1, 2)
    lab.run_until(last + TIMEOUT_S[rate] + 0.01, lambda: False)
    assert lab.distributing["A", "lag"] == ()


@pytest.mark.parametrize("rate", PERIOD_S)
def test_in_reach_again_the_partner_has_its_whole_timeout(rate: Rate) -> None:
    lab = converged(rate)
    reach(lab, False)
    lab.run(TIMEOUT_S[rate] - 1.5 * PERIOD_S[rate])
    reach(lab, True)
    start = len(lab.forwarding)
    lab.run(3 * TIMEOUT_S[rate])
    assert len(lab.forwarding) == start, "no member was lost on either side"


def test_a_port_whose_partner_has_expired_gets_no_more_time() -> None:
    lab = converged("fast")
    for cable in lab.cables:
        cable.loses = {"B"}
    lab.run(3.5)
    assert lab.distributing["A", "lag"] == ()
    deadline = lab.port("A", 1)["timers"]["current_while_timer"]
    reach(lab, False)
    reach(lab, True)
    assert lab.port("A", 1)["timers"]["current_while_timer"] == deadline
