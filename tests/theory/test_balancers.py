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
