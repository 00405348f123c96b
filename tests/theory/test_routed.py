"""Hosts whose ways are joined by routing (RFC 2991, RFC 2992): who learns of which failure."""

from __future__ import annotations

import pytest

from testbed import theory
from testbed.spec import BondOptions, SwitchSide, Topology
from testbed.theory.reachability import Expectation, expected
from topologies.two_ways import two_ways

ECMP = BondOptions(mode="ecmp")
PLAIN = SwitchSide(lags=False, negotiates=False, controller=False, groups=False)


def between(topology: Topology, *failed: str, silent: tuple[str, ...] = ()) -> Expectation:
    return expected(topology, failed, silent=silent, side=PLAIN)["h1", "h2"]


def test_without_a_failure_all_flows_arrive() -> None:
    for length in (0, 1, 3):
        assert between(two_ways(bonding=ECMP, length=length)).connected is True


def test_a_link_from_host_to_host_is_left_by_both_at_the_event() -> None:
    topology = two_ways(bonding=ECMP, length=0)
    found = between(topology, "h1-eth0--h2-eth0")
    assert found.connected is True and found.bound is not None and found.bound.bound_s == 0.0
    assert between(topology, "h1-eth0--h2-eth0", "h1-eth1--h2-eth1").connected is False


@pytest.mark.parametrize(("failed", "keeps"), [("h1-eth0--s1-eth1", "h2-eth0"), ("h2-eth1--s2-eth2", "h1-eth1")])
def test_the_end_that_keeps_its_carrier_goes_on_sending_a_part_of_its_flows(failed: str, keeps: str) -> None:
    found = between(two_ways(bonding=ECMP), failed)
    assert found.connected is None and f" by {keeps}, whose carrier is up" in found.why


def test_a_switch_between_both_hosts_takes_the_carrier_of_both() -> None:
    assert between(two_ways(bonding=ECMP), "s1").connected is True
    assert between(two_ways(bonding=ECMP, length=3), "s2").connected is None  # in the middle neither sees it
    assert between(two_ways(bonding=ECMP), "s1", "s2").connected is False


def test_a_silent_way_loses_the_flows_on_it() -> None:
    found = between(two_ways(bonding=ECMP), silent=("h1-eth0--s1-eth1",))
    assert found.connected is None and found.why
    both = ("h1-eth0--s1-eth1", "h2-eth1--s2-eth2")
    assert between(two_ways(bonding=ECMP), silent=both).connected is False


def test_a_silent_loss_has_no_bound_and_a_carrier_loss_none_but_the_event() -> None:
    bond = ECMP.over(("h1-eth0", "h1-eth1"))
    bound = theory.failover_bound(bond, "carrier_loss")
    assert bound is not None and bound.bound_s == 0.0
    assert theory.failover_bound(bond, "silent_loss") is None
    assert "leaves that" in theory.why_unbounded(bond, "silent_loss")


def test_all_ways_carry_flows() -> None:
    """TCP with timestamps over IPv4 has 1448 of 1538 octets (RFC 7323, appendix A; IEEE 802.3, 3.1.1)."""
    assert theory.ideal_mbps("ecmp", 2, 1000.0) == pytest.approx(2000 * 1448 / 1538)
    assert theory.pair_mbps(two_ways(bonding=ECMP, ways=4), "h1", "h2") == 4000.0


def test_connections_of_multipath_tcp_go_on_by_the_ways_that_are_left() -> None:
    topology = two_ways(bonding=BondOptions(mode="mptcp"))
    assert between(topology).connected is True
    for found in (between(topology, "h1-eth0--s1-eth1"), between(topology, silent=("h1-eth0--s1-eth1",))):
        assert found.connected is True and found.bound is not None and found.bound.bound_s > 1.0
    assert between(topology, "h1-eth0", "h2-eth1").connected is False
    never = two_ways(bonding=BondOptions(mode="mptcp", mptcp_stale_losses=0))
    found = between(never, silent=("h1-eth0--s1-eth1",))
    assert found.connected is None and found.bound is None and "never stale" in found.why
