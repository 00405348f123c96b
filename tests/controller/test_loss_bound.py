"""The predicted outage after the loss of the controller, computed here with the times of IEEE 802.1AX-2014, 6.4.4."""

from __future__ import annotations

import pytest

from testbed.theory.controller_loss import controller_loss_bound, may_expire


@pytest.mark.parametrize(
    ("rate", "away_s", "may"),
    [("fast", 2.0, False), ("fast", 2.001, True), ("slow", 60.0, False), ("slow", 61.0, True)],
)
def test_a_bond_expires_one_timeout_after_the_last_lacpdu_which_is_one_period_old_at_most(
    rate: str, away_s: float, may: bool
) -> None:
    assert may_expire(rate, away_s) is may


@pytest.mark.parametrize(
    ("rate", "away_s", "restart", "limit_s"),
    [
        ("fast", 1.5, "resume", 0.0),
        ("slow", 55.0, "resume", 0.0),
        ("fast", 5.0, "resume", (5.0 - 2.0) + 1.0 + 0.25),
        ("fast", 1.5, "fresh", 2.0 + 1.0 + 0.25),
        ("fast", 5.0, "fresh", (5.0 - 2.0) + 2.0 + 1.0 + 0.25),
        ("slow", 95.0, "fresh", (95.0 - 60.0) + 2.0 + 1.0 + 0.25),
    ],
)
def test_the_longest_outage(rate: str, away_s: float, restart: str, limit_s: float) -> None:
    assert controller_loss_bound(rate, away_s, restart).limit_s == pytest.approx(limit_s)
