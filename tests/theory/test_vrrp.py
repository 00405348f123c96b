"""How long VRRP takes (RFC 5798, 6.1), and which hosts reach each other by the routers that are left."""

from __future__ import annotations

import itertools

import pytest

from testbed import schemes
from testbed.spec import Topology, VrrpOptions
from testbed.theory import OutageBound, mean_s, vrrp
from testbed.theory.laws import Law
from testbed.theory.reachability import Expectation, expected
from topologies.gateway_pair import gateway_pair

SIDE = schemes.chosen({"controller": "testbed"}).side


def group_of(**options: str | int) -> Topology:
    return gateway_pair(vrrp=VrrpOptions(**options))  # type: ignore[arg-type]


def law_of(found: OutageBound | str) -> Law:
    assert isinstance(found, OutageBound) and found.law is not None
    return found.law


def after(topology: Topology, *failed: str, silent: tuple[str, ...] = ()) -> Expectation:
    return expected(topology, failed, silent=silent, side=SIDE)["h1", "h2"]


def test_the_skew_of_priority_100_is_156_of_256_intervals() -> None:
    assert vrrp.skew_s(100, 1.0) == 0.609375
    assert vrrp.skew_s(254, 1.0) == pytest.approx(2 / 256)


def test_a_crash_is_noticed_between_two_and_three_intervals_and_the_skew_later() -> None:
    law = law_of(vrrp.takeover(group_of().vrrp[0], "router_crash"))
    assert (law.low_s, law.high_s) == (2.609375, 3.609375)
    assert mean_s(law) == pytest.approx(3.109375)
    assert law.cdf(3.109375) == pytest.approx(0.5)


def test_the_time_goes_with_the_interval_and_with_the_next_best_routers_priority() -> None:
    law = law_of(vrrp.takeover(group_of(advert_ms=100, priorities="200+150+50").vrrp[0], "router_crash"))
    assert law.high_s == pytest.approx(0.3 + 0.1 * 106 / 256)


def test_a_router_that_ends_in_order_leaves_the_skew_and_its_kernel_loses_nothing() -> None:
    group = group_of().vrrp[0]
    law = law_of(vrrp.takeover(group, "service_stop"))
    assert law.low_s == law.high_s == 0.609375
    for fault in ("service_stop", "service_crash", "service_pause"):
        found = vrrp.outage(group, fault)
        assert isinstance(found, OutageBound) and found.bound_s == 0.0


def test_a_router_alone_has_nobody_to_take_its_address() -> None:
    (group,) = gateway_pair(vrrp=VrrpOptions(priorities="200")).vrrp
    assert vrrp.takeover(group, "router_crash") == "r1 is alone: no other router takes the address"
    assert vrrp.outage(group, "router_crash") == vrrp.takeover(group, "service_stop")


def test_a_silent_cable_has_no_bound_and_says_why() -> None:
    assert isinstance(vrrp.outage(group_of().vrrp[0], "silent_loss"), str)
    both = vrrp.outage(group_of().vrrp[0], "split_brain")
    assert isinstance(both, OutageBound) and both.bound_s == 0.0
    assert "vrrp_follow=none" in str(vrrp.outage(group_of(follow="none").vrrp[0], "carrier_loss"))


@pytest.mark.parametrize("follow", ["track", "group"])
def test_a_router_that_follows_its_sides_gives_all_of_them_up(follow: str) -> None:
    found = after(group_of(follow=follow), "r1-eth0--s1-eth2")
    assert found.connected is True and found.bound is not None and found.bound.bound_s == 3.609375


def test_a_router_that_follows_nothing_keeps_the_side_that_leads_nowhere() -> None:
    found = after(group_of(follow="none"), "r1-eth0--s1-eth2")
    assert found.connected is False and "r1 has lost its link to 10.0.0.0/24" in found.why


def test_hosts_in_two_subnets_need_one_router_and_both_switches() -> None:
    topology = group_of()
    assert after(topology).connected is True
    assert after(topology, "r1").connected is True
    assert after(topology, "r1", "r2").connected is False
    assert after(topology, "s1").connected is False
    assert after(topology, "h1-eth0").connected is False
    found = after(topology, "r2")
    assert found.connected is True and found.bound is not None and found.bound.bound_s == 0.0  # only the backup is hit
    assert after(topology, silent=("r1-eth0--s1-eth2",)).connected is None


def test_one_side_of_each_router_is_not_enough() -> None:
    assert after(group_of(), "r1-eth0--s1-eth2", "r2-eth1--s2-eth3").connected is False


def test_with_bfd_the_next_router_waits_for_its_packets_and_then_as_a_backup() -> None:
    """RFC 5880, 6.8.4: three intervals after the last packet, which is up to 90 % of one old; then 3 x 10 ms, and the
    skew of priority 100, 156/256 of 10 ms."""
    group = group_of(advert_ms=1000, bfd_ms=100, bfd_mult=3).vrrp[0]
    for fault in ("router_crash", "router_hang", "service_crash", "service_pause", "service_stop"):
        law = law_of(vrrp.takeover(group, fault))
        assert (law.low_s, law.high_s) == (pytest.approx(0.21 + 0.03609375), pytest.approx(0.3 + 0.03609375))
    # The best router notices first, and says so in its next packet, 90 ms later at the latest.
    law = law_of(vrrp.takeover(group, "carrier_loss"))
    assert (law.low_s, law.high_s) == (pytest.approx(0.24609375), pytest.approx(0.42609375))
    assert "stands back" in str(vrrp.takeover(group, "split_brain"))
    both = vrrp.outage(group, "split_brain")
    assert isinstance(both, OutageBound) and both.bound_s == 0.0
    found = after(group_of(advert_ms=1000, bfd_ms=100), "r1-eth0--s1-eth2")
    assert found.connected is True and found.bound is not None and found.bound.bound_s == pytest.approx(0.42609375)


def runs_of_three(lost: str) -> int:
    return sum(len(run) >= 3 for run in lost.split("."))


@pytest.mark.parametrize("loss", [0.1, 0.5, 0.9])
def test_another_router_is_master_after_each_run_of_three_lost_advertisements(loss: float) -> None:
    """Against all ways in which ten may be lost, counted one by one."""
    wanted = [0.0] * 4
    for kept in itertools.product("x.", repeat=10):
        lost = "".join(kept)
        wanted[runs_of_three(lost)] += loss ** lost.count("x") * (1 - loss) ** lost.count(".")
    found = vrrp.masters_beside(10, loss)
    assert found[:4] == pytest.approx(wanted) and sum(found) == pytest.approx(1.0)


def test_what_is_usual_leaves_half_of_the_rest_at_either_end() -> None:
    assert vrrp.usual([0.25, 0.5, 0.25], 0.1) == (0, 2)
    assert vrrp.usual([0.01, 0.49, 0.49, 0.01], 0.1) == (1, 2)
    assert vrrp.usual(vrrp.masters_beside(100, 0.0)) == (0, 0)


def test_a_lost_announcement_costs_until_the_next_one() -> None:
    """keepalived.conf(5), vrrp_garp_master_delay: 5 s."""
    group = group_of(advert_ms=100).vrrp[0]
    law = law_of(vrrp.takeover(group, "announcement_loss"))
    assert (law.low_s, law.high_s) == pytest.approx((5.2609375, 5.3609375))
    found = vrrp.outage(group, "announcement_loss")
    assert isinstance(found, OutageBound) and found.bound_s == pytest.approx(5.3609375)
    assert found.low_s == pytest.approx(0.2609375), "a host may be confirming its entry just then"
    soon = vrrp.takeover(group, "announcement_loss", {"lost_ms": 200.0})
    assert soon == vrrp.takeover(group, "router_crash"), "it takes over later than that"
    for lost_ms in (300.0, 5300.0):
        assert "is lost by chance" in str(vrrp.takeover(group, "announcement_loss", {"lost_ms": lost_ms}))
    assert "every 1 s" in str(vrrp.takeover(group_of(refresh_s=1).vrrp[0], "announcement_loss"))
