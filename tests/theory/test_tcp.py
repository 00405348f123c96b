"""How TCP reacts to an outage, by the RFCs' own arithmetic and by the timers that a Linux kernel showed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import theory

#: The kernel shows (ss -i, tcpi_rto): with a smoothed round-trip time of 9 ms its timeout is 209 ms.
RTT_S, RTO_S = 0.009, 0.209


def test_tries_come_after_a_probe_and_timeouts_that_double() -> None:
    """RFC 8985, 7.2 (two round trips), RFC 6298, 5.5 (twice as long each time); timers end late, by 1/8 at the most."""
    tries = list(itertools.islice(theory.tries_s(RTT_S), 5))
    assert 2 * RTT_S <= tries[0] <= 2 * RTT_S + 0.004
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    for power, wait in enumerate(waits):
        assert RTO_S * 2**power <= wait <= RTO_S * 2**power * 9 / 8


def test_the_timeout_is_never_shorter_than_linux_allows() -> None:
    assert theory.RTO_MIN_S == 0.2  # ip-sysctl.rst, tcp_rto_min_us
    first, second = itertools.islice(theory.tries_s(0.0001), 2)
    assert second - first >= theory.RTO_MIN_S


@pytest.mark.parametrize(("outage_s", "try_"), [(0.0, 0), (0.015, 0), (0.030, 1), (0.200, 1), (0.300, 2), (2.5, 4)])
def test_a_flow_resumes_with_the_first_try_after_the_outage(outage_s: float, try_: int) -> None:
    tries = list(itertools.islice(theory.tries_s(RTT_S), 6))
    assert theory.next_try_s(outage_s, RTT_S) == tries[try_]
    assert try_ == 0 or tries[try_ - 1] < outage_s


def test_a_probe_that_comes_before_the_switch_has_learned_costs_a_timeout() -> None:
    """The bond moves after 6 ms and the switch may learn 10 ms later (docs/limits.md). If the last acknowledgement is a
    round trip old, the probe after two of them is too early; the timeout (209 ms, RFC 6298) begins with it."""
    back_s = 0.006 + 0.010 + RTT_S
    assert theory.next_try_s(0.006 + 0.010, RTT_S) < back_s  # with a new acknowledgement the probe gets through
    first_s = theory.next_try_s(back_s, RTT_S)
    assert 2 * RTT_S + RTO_S <= first_s <= 0.250 <= first_s + 2 * RTT_S


def test_a_mistaken_sender_probes_by_a_round_trip_time_that_includes_the_stall() -> None:
    """RFC 6298, 2.3: SRTT <- 7/8 SRTT + 1/8 R'; a kernel showed 38.3 ms after a stall of 245 ms at 8.9 ms."""
    smoothed_s = 7 / 8 * 0.0089 + 0.245 / 8
    assert smoothed_s == pytest.approx(0.0383, abs=2e-4)
    assert 0.245 + 2 * smoothed_s <= theory.mistaken_s(0.245, 0.0089) <= 0.245 + 2 * smoothed_s * 9 / 8 + 0.003


@pytest.mark.parametrize(("outage_s", "first_ms", "second_ms"), [(0.1, 237, 334), (0.3, 661, 862)])
def test_the_second_step_of_a_stall(outage_s: float, first_ms: int, second_ms: int) -> None:
    """At 8.9 ms: the first try's acknowledgement comes at 237 + 9 = 246 ms; SRTT is 7/8 8.9 + 1/8 246 = 38.5 ms; the
    probe comes after 2 x 38.5 + 2 = 79 ms, which the timer wheel makes 88, in eights and one bucket late: 334 ms. After
    661 ms likewise: 670, 91.5, 185 and 192: 862 ms. Flows in a guest went on after 325 to 330 and 865 to 870 ms.
    """
    assert theory.next_try_s(outage_s, 0.0089) == pytest.approx(first_ms / 1e3, abs=5e-4)
    assert theory.second_try_s(outage_s, 0.0089) == pytest.approx(second_ms / 1e3, abs=5e-4)


@given(st.floats(0, 20), st.floats(0.001, 0.2))
def test_no_flow_resumes_before_the_path_is_back_and_none_waits_without_limit(outage_s: float, rtt_s: float) -> None:
    longest_s = theory.longest_stall_s(outage_s, rtt_s)
    assert longest_s >= theory.mistaken_s(theory.next_try_s(outage_s, rtt_s), rtt_s) >= outage_s
    # A try that just failed is followed by one after twice as long; then, if it is mistaken, a quarter more.
    assert longest_s <= 4 * (outage_s + 10 * rtt_s + theory.RTO_MIN_S)


@given(st.floats(0, 5), st.floats(0, 5))
def test_a_longer_outage_is_no_shorter_stall(one_s: float, other_s: float) -> None:
    short_s, long_s = sorted((one_s, other_s))
    assert theory.longest_stall_s(short_s, RTT_S) <= theory.longest_stall_s(long_s, RTT_S)


def test_a_full_queue_takes_its_frames_time() -> None:
    # 1000 frames of 1538 octets at 1 Gbit/s.
    assert theory.queue_s(1000.0, 1000) == pytest.approx(0.012304)
