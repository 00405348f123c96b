"""Hosts whose ways are joined by routing (RFC 2991, RFC 2992): who learns of which failure."""

from __future__ import annotations

import pytest

from testbed import theory
from testbed.spec import BondOptions, SwitchSide, Topology
from testbed.theory import OutageBound, routed
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


BFD = BondOptions(mode="ecmp", ecmp_detect="bfd")
OSPF = BondOptions(mode="ecmp", ecmp_detect="routing", ecmp_hello_s=2, ecmp_dead_s=8)
ALL = ("h1", "h2")


def bound(topology: Topology, fault: str, element: str, *, senders: tuple[str, ...] = ALL, **given: str) -> OutageBound:
    found = routed.bound(topology, fault, element, given, ALL, senders)
    assert isinstance(found, OutageBound)
    return found


def test_of_a_silent_way_each_host_knows_after_the_detection_time() -> None:
    """RFC 5880, 6.8.4 and 6.8.7: 3 x 100 ms, less the age of the last packet, of which BIRD sends one each 75 to 90 ms:
    210 to 300 ms. The age of the last of a row of packets is m2 / (2 m1) on average: 82.5 and 82.5**2 + 15**2 / 12."""
    for length in (1, 3):
        found = bound(two_ways(bonding=BFD, length=length), "silent_loss", "s1-eth1", senders=("h2",))
        assert (found.low_s, found.bound_s) == (pytest.approx(0.210), pytest.approx(0.300))
        assert found.expected_s == pytest.approx(0.300 - (0.0825**2 + 0.015**2 / 12) / (2 * 0.0825))
        both = bound(two_ways(bonding=BFD, length=length), "silent_loss", "s1-eth1")
        assert both.expected_s is not None and found.expected_s < both.expected_s < 0.300


def test_the_detection_time_is_of_the_interval_and_the_multiplier() -> None:
    topology = two_ways(bonding=BondOptions(mode="ecmp", ecmp_detect="bfd", ecmp_bfd_ms=20, ecmp_bfd_mult=5))
    found = bound(topology, "silent_loss", "s2-eth1")
    assert (found.low_s, found.bound_s) == (pytest.approx(0.082), pytest.approx(0.100))


def test_who_sees_the_carrier_leaves_at_the_event_and_the_other_by_bfd() -> None:
    topology = two_ways(bonding=BFD)
    assert bound(topology, "carrier_loss", "s1-eth1", senders=("h1",)).bound_s == 0.0
    assert bound(topology, "carrier_loss", "s1-eth1", senders=("h2",)).low_s == pytest.approx(0.210)
    assert (
        bound(topology, "carrier_loss", "s1-eth1").expected_s
        == bound(topology, "silent_loss", "s1-eth1", senders=("h2",)).expected_s
    )
    assert bound(topology, "switch_crash", "s1").bound_s == 0.0  # beside both
    assert bound(two_ways(bonding=BFD, length=0), "carrier_loss", "h1-eth0").bound_s == 0.0
    assert bound(two_ways(bonding=BFD, length=3), "switch_crash", "s2").low_s == pytest.approx(0.210)


@pytest.mark.parametrize(
    ("element", "direction", "hit"),
    [("s1-eth1", "to_host", "h2"), ("s1-eth1", "from_host", "h1"), ("s1-eth2", "to_host", "h1")],
)
def test_of_one_direction_only_its_own_flows_are_hit(element: str, direction: str, hit: str) -> None:
    """What h2 sends, h1 does not hear: it tells h2 with its next packet, at once."""
    topology = two_ways(bonding=BFD)
    other = "h2" if hit == "h1" else "h1"
    found = bound(topology, "silent_loss", element, senders=(hit,), direction=direction)
    assert (found.low_s, found.bound_s) == (pytest.approx(0.210), pytest.approx(0.300))
    assert bound(topology, "silent_loss", element, senders=(other,), direction=direction).bound_s == 0.0


def test_ospf_waits_for_the_dead_interval_and_a_tick() -> None:
    """RFC 2328, 10.2: 8 s after the last hello, which is up to 2 s old; BIRD computes each second."""
    found = bound(two_ways(bonding=OSPF), "silent_loss", "s1-eth1")
    assert (found.low_s, found.bound_s) == (6.0, 9.0)
    told = bound(two_ways(bonding=OSPF), "carrier_loss", "s1-eth1", senders=("h2",))
    assert (told.low_s, told.bound_s, told.expected_s) == (0.0, 2.0, pytest.approx(1.0))  # h1 announces it, h2 computes
    assert bound(two_ways(bonding=OSPF, length=3), "carrier_loss", "s1-eth2").low_s == 6.0  # neither sees the carrier


def test_what_has_no_law_says_why() -> None:
    topology = two_ways(bonding=BFD)
    assert "in a row" in str(routed.bound(topology, "lossy", "s1-eth1", {}, ALL))
    assert "may be left" in str(routed.bound(topology, "slow", "s1-eth1", {"delay_ms": 250.0}, ALL))
    assert "MinLSInterval" in str(routed.bound(two_ways(bonding=OSPF), "flapping", "s1-eth1", {}, ALL))
    assert routed.bound(two_ways(bonding=ECMP), "silent_loss", "s1-eth1", {}, ALL) is None


def test_whatever_has_failed_what_watches_finds_the_way_that_is_left() -> None:
    for options in (BFD, OSPF):
        topology = two_ways(bonding=options)
        for failed, silent in ((("h1-eth0--s1-eth1",), ()), ((), ("h1-eth0--s1-eth1",)), (("s2",), ())):
            found = between(topology, *failed, silent=silent)
            assert found.connected is True and found.bound is not None
        assert between(topology, "h1-eth0--s1-eth1", silent=("h2-eth1--s2-eth2",)).connected is False


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
