"""How long balancers take to notice, and what fails until then: by HAProxy's and keepalived's manuals, RFC 5798."""

from __future__ import annotations

import pytest

from testbed.spec import Balancer, BalancerOptions, VrrpOptions
from testbed.theory import OutageBound, balancers, health_checks, sessions
from topologies.balancer_pair import balancer_pair

A_S, SKEW_S = 0.1, 0.1 * 156 / 256
SHARED = balancer_pair(vrrp=VrrpOptions(advert_ms=100, preempt=False)).vrrp[0]


def group(**options: str | int | bool) -> Balancer:
    return balancer_pair(balancer=BalancerOptions(**options)).balancers[0]  # type: ignore[arg-type]


def ends(found: OutageBound | str) -> tuple[float, float]:
    assert isinstance(found, OutageBound)
    return found.low_s, found.bound_s


@pytest.mark.parametrize("layer", [4, 7])
def test_a_server_that_refuses_is_out_after_fall_checks(layer: int) -> None:
    """HAProxy's manual, 5.2: `fall` consecutive checks, `inter` apart: the last one is fall - 1 after the first."""
    found = health_checks.detection(group(layer=layer, check_ms=1000, fall=3), "service_crash")
    assert ends(found) == (2.0, 3.0)


@pytest.mark.parametrize("layer", [4, 7])
def test_each_check_of_a_server_that_is_not_heard_of_takes_its_timeout(layer: int) -> None:
    found = health_checks.detection(group(layer=layer, check_ms=1000, timeout_ms=200, fall=3), "silent_loss")
    assert ends(found) == pytest.approx((2.6, 3.6))


def test_keepalived_waits_for_the_delayed_acknowledgement_of_a_halted_server() -> None:
    options = {"check_ms": 1000, "timeout_ms": 200, "fall": 3}
    four, seven = (ends(health_checks.detection(group(layer=layer, **options), "service_pause")) for layer in (4, 7))
    assert seven == pytest.approx((2.6, 3.6)) and four == pytest.approx((2.68, 3.68))


def test_one_check_that_fails_is_enough_where_that_is_asked_for() -> None:
    assert ends(health_checks.detection(group(check_ms=200, timeout_ms=100, fall=1), "service_crash")) == (0.0, 0.2)


def test_in_turn_one_of_three_servers_gets_a_third() -> None:
    assert health_checks.failing_share(group(), "service_crash") == pytest.approx(1 / 3)
    assert health_checks.failing_share(group(scheduler="sh"), "service_crash") is None
    for fault, share in (("service_crash", 0.0), ("silent_loss", 0.0), ("service_pause", 1 / 3)):
        assert health_checks.failing_share(group(layer=7), fault) == pytest.approx(share)
        assert health_checks.failing_share(group(layer=7, redispatch=False), fault) == pytest.approx(1 / 3)


def test_a_balancer_that_loses_power_is_replaced_as_vrrp_has_it() -> None:
    for layer in (4, 7):
        found = balancers.outage(group(layer=layer), SHARED, "router_crash", "")
        assert ends(found) == pytest.approx((2 * A_S + SKEW_S, 3 * A_S + SKEW_S))


def test_the_script_notices_within_a_second_that_haproxy_is_gone() -> None:
    seven = group(layer=7)
    assert ends(balancers.outage(seven, SHARED, "service_crash", "haproxy")) == pytest.approx((SKEW_S, 1 + SKEW_S))
    halted = balancers.outage(seven, SHARED, "service_pause", "haproxy")
    assert ends(halted) == pytest.approx((0.5 + SKEW_S, 1.5 + SKEW_S))
    assert ends(balancers.outage(seven, SHARED, "service_crash", "keepalived")) == (0.0, 0.0)


def test_ipvs_goes_on_without_keepalived_unless_that_clears_it() -> None:
    assert ends(balancers.outage(group(), SHARED, "service_crash", "keepalived")) == (0.0, 0.0)
    assert ends(balancers.outage(group(), SHARED, "service_stop", "keepalived")) == pytest.approx((SKEW_S, SKEW_S))


def test_a_request_fails_if_no_syn_of_its_client_gets_through() -> None:
    """RFC 6298, 2.1: the SYN is repeated after a second; ip-sysctl.rst, tcp_syn_linear_timeouts: then each second."""
    due = [float(second) for second in range(10)]
    assert balancers.failing(due, 2.0, 5.5, 0.9) == 4  # 2, 3, 4, 5: never again
    assert balancers.failing(due, 2.0, 5.5, 1.5) == 3  # 5 gets through at 6
    assert balancers.failing(due, 2.0, 5.5, 3.0) == 2  # 4 at 6, with its second repetition
    assert balancers.failing(due, 2.0, 5.5, 1.5, refused_s=3.5) == 4  # who is refused does not repeat


def test_which_sessions_survive() -> None:
    assert sessions.survive_balancer(group())[0] is True
    assert sessions.survive_balancer(group(sync=False))[0] is False
    assert sessions.survive_balancer(group(layer=7))[0] is False


def test_after_the_first_failure_haproxy_asks_at_its_other_interval() -> None:
    """HAProxy's manual, 5.2, fastinter: the first one is found within inter, fall - 1 more follow."""
    found = health_checks.detection(group(layer=7, check_ms=1000, fastinter_ms=100, fall=3), "service_crash")
    assert ends(found) == pytest.approx((0.2, 1.2))
    silent = group(layer=7, check_ms=1000, fastinter_ms=100, timeout_ms=50, fall=3)
    assert ends(health_checks.detection(silent, "silent_loss")) == pytest.approx((0.35, 1.35))


def test_a_slow_server_is_out_if_a_round_trip_is_longer_than_the_timeout() -> None:
    options = {"check_ms": 1000, "timeout_ms": 200, "fall": 3}
    for layer in (4, 7):
        one = group(layer=layer, **options)
        assert isinstance(health_checks.detection(one, "slow", 0.09), str)
        assert ends(health_checks.detection(one, "slow", 0.11)) == pytest.approx((2.6, 3.6))
        assert not health_checks.undecided(one, 0.11) and health_checks.undecided(one, 0.099)


@pytest.mark.parametrize(
    ("layer", "delay_s", "redispatch", "share"),
    [
        (4, 0.09, False, 0.0),  # 360 ms later
        (4, 0.11, False, 0.0),  # 440 ms
        (4, 0.30, False, 1 / 3),  # 1200 ms: its client has given up
        (7, 0.09, True, 0.0),
        (7, 0.11, True, 0.0),  # HAProxy does not connect within 200 ms, and chooses another server
        (7, 0.11, False, 1 / 3),
    ],
)
def test_requests_to_a_slow_server_wait_for_two_round_trips(
    layer: int, delay_s: float, redispatch: bool, share: float
) -> None:
    options = {"layer": layer, "timeout_ms": 200} | ({"redispatch": redispatch} if layer == 7 else {})
    assert health_checks.failing_share(group(**options), "slow", delay_s, 1.0) == pytest.approx(share)


def test_a_client_stays_with_its_server_where_the_other_balancer_knows_it() -> None:
    for options, share in (
        ({"layer": 7, "stick": True, "peers": True}, 1.0),
        ({"layer": 7, "stick": True}, 1 / 3),
        ({"layer": 7}, 1 / 3),
        ({"layer": 7, "scheduler": "sh"}, 1.0),
        ({"layer": 4, "scheduler": "mh"}, 1.0),
    ):
        found = balancers.kept_share(group(**options))  # type: ignore[arg-type]
        assert found == pytest.approx(share)
    assert balancers.kept_share(group(scheduler="wlc")) is None


def test_what_is_being_connected_to_a_slow_server_when_it_goes_fails_at_layer_4() -> None:
    """80 ms each way: at each instant 160 ms of requests are, of three servers' a third."""
    assert health_checks.interrupted(group(), 0.08, 0.02) == pytest.approx(8 / 3)
    assert health_checks.interrupted(group(layer=7), 0.08, 0.02) == 0.0
