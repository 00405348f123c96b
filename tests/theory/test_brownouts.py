"""Lines that lose a part of their packets, or delay them: Feller's runs, and RFC 5880's Detection Time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.spec import Bgp, BgpOptions
from testbed.theory import OutageBound, brownouts
from testbed.theory.brownouts import Run, leaving
from testbed.theory.laws import First, mean_s
from topologies.two_lines import two_lines


def group_of(daemon: str = "bird", **options: int) -> Bgp:
    return two_lines(bgp=BgpOptions(daemon=daemon, **{"bfd_ms": 100} | options)).bgp[0]  # type: ignore[arg-type]


@given(st.floats(0.15, 0.9), st.integers(1, 4))
@settings(deadline=None)
def test_the_mean_number_of_packets_is_fellers(loss: float, row: int) -> None:
    """(1 - p^r) / (q p^r) until the first row of r lost packets (XIII.7.7); of these the last r are lost."""
    packets = (1 - loss**row) / ((1 - loss) * loss**row)
    if packets < 5000:
        law = Run(0.3, 0.08, loss, row)
        assert mean_s(law) == pytest.approx(0.3 - 0.04 + 0.08 * (packets - row), rel=1e-3)


@pytest.mark.parametrize("loss", [0.2, 0.8])
def test_it_is_what_a_simulation_of_both_ends_with_their_jitter_shows(loss: float) -> None:
    """Kolmogorov's distance of 2000 drawn times, 5 %: 0.030. The jitter is BIRD's, the law has its mean alone."""
    chance = random.Random(1)

    def end() -> float:
        last = at = -chance.random() * 0.0825
        while at - last < 0.3:
            at += chance.uniform(0.075, 0.09)
            if at - last < 0.3 and chance.random() >= loss:
                last = at
        return last + 0.3

    drawn = sorted(min(end(), end()) for _ in range(2000))
    law = leaving(group_of(), "lossy", {"loss_percent": loss * 100}).law
    assert law is not None
    assert max(abs(law.cdf(at) - place / 2000) for place, at in enumerate(drawn)) < 0.030


def test_a_line_that_loses_nothing_is_never_left_and_one_that_loses_all_is_another_fault() -> None:
    assert leaving(group_of(), "lossy", {"loss_percent": 0.0}).never
    assert "silent_loss" in leaving(group_of(), "lossy", {"loss_percent": 100.0}).why


def test_where_the_jitter_decides_there_is_no_law() -> None:
    """With a multiplier of 5, BIRD's packets of 0.75 to 0.9 I: five lost ones are 4.5 to 5.4 I."""
    assert "chance" in leaving(group_of(bfd_mult=5), "lossy", {"loss_percent": 20.0}).why
    assert isinstance(leaving(group_of("frr", bfd_mult=3), "lossy", {"loss_percent": 20.0}).law, First)


def test_without_bfd_tcp_sends_again_what_was_lost() -> None:
    for fault in brownouts.FAULTS:
        found = leaving(group_of(bfd_ms=0), fault, {})
        assert found.law is None and not found.never and "TCP" in found.why


@pytest.mark.parametrize(("daemon", "never_ms", "always_ms"), [("bird", 209.0, 226.0), ("frr", 199.0, 226.0)])
def test_a_delay_counts_if_it_is_longer_than_what_is_left_of_the_detection_time(
    daemon: str, never_ms: float, always_ms: float
) -> None:
    """3 I less the longest and the least time between two packets: 0.9 (FRR: 1) and 0.75 I."""
    group = group_of(daemon)
    assert leaving(group, "slow", {"delay_ms": never_ms}).never
    law = leaving(group, "slow", {"delay_ms": always_ms}).law
    assert law is not None and law.high_s == pytest.approx(0.3)
    between = leaving(group, "slow", {"delay_ms": 220.0})
    assert between.law is None and not between.never and "chance" in between.why
    assert "queue" in leaving(group, "slow", {"rate_mbps": 1.0}).why


def test_packets_are_late_by_the_delay_at_most_and_which_are_lost_is_chance() -> None:
    found = brownouts.outage("slow", {"delay_ms": 50.0})
    assert isinstance(found, OutageBound) and found.bound_s == pytest.approx(0.05)
    assert isinstance(brownouts.outage("lossy", {"loss_percent": 20.0}), str)
