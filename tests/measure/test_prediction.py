"""What theory predicts for a trial with one fault, and whether its flows still lost packets at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.design.trial import Trial
from testbed.measure.outage import ProbeFlow
from testbed.measure.prediction import Prediction, lasting_share, loses, predict
from testbed.spec import BondOptions, LagOptions, Topology
from topologies.mlag import mlag
from topologies.single_switch import single_switch
from topologies.trunk import trunk
from topologies.two_ways import two_ways
from topologies.unprotected import unprotected


def predicted(topology: Topology, fault: str, element: str, lasts_s: float = 4.0, **parameters: Any) -> Prediction:
    begin = {"t_s": 1.0, "fault": fault, "element": element, "parameters": parameters}
    trial = Trial(1, "failover", {"controller": "testbed", "fault": fault}, 0, 1, topology)
    return predict(trial, begin, {"t_s": 1.0 + lasts_s}, answered=True)


def bound_s(found: Prediction) -> float | None:
    return None if found.bound is None else found.bound.bound_s


def test_a_cut_member_leaves_a_path_and_a_crashed_lone_switch_does_not() -> None:
    assert predicted(single_switch(), "carrier_loss", "s1-eth1").connected is True
    found = predicted(single_switch(), "switch_crash", "s1")
    assert (found.bound, found.connected) == (None, False)
    assert found.why == "with s1 gone no path is left"


def test_a_crashed_switch_of_two_is_a_lost_carrier() -> None:
    found = predicted(mlag(), "switch_crash", "s2")
    assert (bound_s(found), found.connected, found.why) == (0, True, "")  # the carrier event


def test_the_silent_loss_of_the_active_member_leaves_no_path_without_lacp() -> None:
    backup = single_switch(bonding=BondOptions(mode="active-backup"))
    found = predicted(backup, "silent_loss", "s1-eth1")
    assert (found.bound, found.connected) == (None, False)
    assert found.why == "the MII monitor cannot detect a silent loss"
    assert predicted(single_switch(), "silent_loss", "s1-eth1").connected is True


@pytest.mark.parametrize("fault", ["carrier_loss", "silent_loss"])
@pytest.mark.parametrize("element", ["s1-eth1", "s1-eth2"])
def test_two_bonds_that_search_for_a_way_have_no_bound_and_those_on_joined_ways_have(fault: str, element: str) -> None:
    """A backup hears what others ask where the ways are joined; where they are not it is down (bonding.rst)."""
    arp = BondOptions(mode="active-backup", arp_interval_ms=100, miimon_ms=0)
    found = predicted(two_ways(bonding=arp, peer_links=0), fault, element)
    assert found.bound is None and found.connected is not False and "probes by one member" in found.why
    assert predicted(two_ways(bonding=arp, peer_links=1), fault, "s1-eth1").bound is not None


def test_a_controller_may_be_away_until_lacp_times_out() -> None:
    short, long = (predicted(single_switch(), "controller_crash", "c0", lasts_s) for lasts_s in (1.5, 9.0))
    assert (bound_s(short), short.connected) == (0, True)
    assert (long.bound, long.connected) == (None, False)
    assert "no LACPDU is sent" in long.why


def test_where_theory_predicts_nothing_it_is_not_known() -> None:
    assert predicted(single_switch(), "lossy", "s1-eth1").connected is None
    assert predicted(single_switch(), "silent_loss", "s1-eth1", direction="to_host").connected is None
    copies = single_switch(bonding=BondOptions(mode="broadcast"))
    assert predicted(copies, "silent_loss", "s1-eth1").connected is None


def test_a_host_without_a_bond_has_no_bound() -> None:
    topology = unprotected()
    element = topology.interfaces("h1")[0]
    found = predicted(topology, "carrier_loss", element)
    assert (found.bound, found.connected, found.why) == (None, False, "h1 has one link only")


def test_the_host_whose_member_fails_has_to_detect_it() -> None:
    """The server looks every 400 ms and the client every 50: the kernel's timers make 408 and 51 of them."""
    topology = single_switch(bonding=BondOptions(mode="active-backup", miimon_ms=50))
    first, second = topology.hosts
    assert second.bond is not None
    slow = dataclasses.replace(second, bond=dataclasses.replace(second.bond, miimon_ms=400))
    unequal = dataclasses.replace(topology, hosts=(first, slow))
    assert bound_s(predicted(unequal, "carrier_loss", "s1-eth1")) == pytest.approx(0.051)
    assert bound_s(predicted(unequal, "carrier_loss", "s1-eth3")) == pytest.approx(0.408)


def test_a_link_between_switches_is_no_matter_of_the_hosts_monitors() -> None:
    backup = trunk(bonding=BondOptions(mode="active-backup", miimon_ms=400))
    found = predicted(backup, "carrier_loss", "s1-eth3")
    assert (bound_s(found), found.connected, found.why) == (0, True, "")
    assert predicted(trunk(trunk_members=1), "carrier_loss", "s1-eth3").connected is False


def test_each_end_times_out_by_the_rate_that_it_asked_for() -> None:
    """IEEE 802.1AX-2014, 6.4.4: Long_Timeout_Time is 90 s; a slow switch notices a silent cable so late."""
    slow = single_switch(lag=LagOptions(rate="slow"))
    bound = predicted(slow, "silent_loss", "s1-eth1", 100.0).bound
    assert bound is not None and 58 < bound.low_s < bound.bound_s == pytest.approx(90)
    both = single_switch(lag=LagOptions(rate="slow"), bonding=BondOptions(lacp_rate="slow"))
    late = predicted(both, "silent_loss", "s1-eth1", 100.0).bound
    assert late is not None and late.bound_s > 90  # the driver counts in steps of 104 ms


def test_without_a_monitor_the_reason_is_the_bond() -> None:
    found = predicted(single_switch(bonding=BondOptions(mode="active-backup", miimon_ms=0)), "carrier_loss", "s1-eth1")
    assert (found.bound, found.connected) == (None, False)
    assert found.why == "miimon_ms=0 and no ARP monitor: the driver never leaves a dead member"


def test_a_host_that_is_cut_off_from_the_start_has_the_reason_and_no_bound() -> None:
    silent = single_switch(bonding=BondOptions(mode="active-backup"), lag=LagOptions(lacp="active"))
    found = predicted(silent, "none", "c0")
    assert (found.bound, found.connected) == (None, False)
    assert found.why == "LAG lag-h1 speaks LACP and h1 does not (fallback=none)"


@pytest.mark.parametrize("fallback", ["individual", "static"])
def test_where_the_switch_uses_other_members_than_the_bond_no_trial_has_to_resume(fallback: str) -> None:
    """bonding.rst, all_slaves_active: a backup member drops what it receives; a LAG sends by the member of its hash."""
    backup = BondOptions(mode="active-backup")
    silent = single_switch(bonding=backup, lag=LagOptions(lacp="active", fallback=fallback))
    for fault, element in (("none", "c0"), ("carrier_loss", "s1-eth1")):
        found = predicted(silent, fault, element)
        if fault == "none":
            assert found.connected is None and "LACP" in found.doubt
            assert found.held(resumed=False) is None and found.why == found.doubt
        else:  # one link is left to each: nothing to choose
            assert found.connected is None  # the other host has two
        assert bound_s(found) is not None and found.held(resumed=True) is found.bound


def test_a_bond_that_must_act_by_itself_is_held_to_its_bound_whatever_the_network_does() -> None:
    """Of a fault of one direction only theory knows the bond's part; a flow that does not resume breaks it."""
    found = predicted(single_switch(), "silent_loss", "s1-eth1", direction="to_host")
    assert found.connected is None and found.doubt == ""
    assert found.held(resumed=False) is found.bound is not None


def test_a_switch_that_alone_loses_the_controller_is_known_to_theory() -> None:
    assert predicted(mlag(), "controller_cut", "s1", 1.5).connected is True
    assert predicted(mlag(), "controller_cut", "s1", 10.0).connected is True
    assert predicted(single_switch(), "controller_cut", "s1", 10.0).connected is False


#: A fault from 1 s to 2 s, seen by a packet each millisecond: the last part is from 1.4 s to 1.9 s.
BEGIN_S, END_S = 1.0, 2.0
LAST = range(1400, 1900)


def flow(lost: Iterable[int]) -> ProbeFlow:
    sent = np.arange(0.0, 3.0, 0.001)
    received = sent + 0.0001
    received[list(lost)] = np.nan
    return ProbeFlow("h1>h2", sent, received, 0)


def still_loses(lost: Iterable[int], share: float = 0.1) -> bool:
    return loses(flow(lost), BEGIN_S, END_S, share)


def test_an_outage_that_is_over_is_no_lasting_loss_and_one_that_is_not_is() -> None:
    assert not still_loses(range(1000, 1200))
    assert not still_loses(range(1500, 1800))  # over, though late
    assert still_loses(range(1000, 2000))
    assert not still_loses(range(1951, 2000))  # on their way when the repair came


@given(st.sets(st.sampled_from(LAST), max_size=4))
def test_four_packets_lost_of_the_last_five_hundred_do_not_make_a_flow_unconnected(lost: set[int]) -> None:
    assert not still_loses(lost)


@given(st.integers(2, 64), st.integers(0, 63))
def test_the_share_of_one_dead_member_of_many_is_a_lasting_loss(members: int, first: int) -> None:
    """bonding.rst, balance-rr: packets in sequential order from the first member to the last."""
    topology = single_switch(members=members, bonding=BondOptions(mode="balance-rr"))
    trial = Trial(1, "failover", {}, 0, 1, topology)
    share = lasting_share(trial, {"fault": "silent_loss"})
    assert still_loses(range(1000 + first % members, 2000, members), share)


@given(st.sets(st.sampled_from(LAST)), st.integers(1400, 1870))
def test_a_flow_of_which_nothing_arrives_to_the_end_has_not_recovered(lost: set[int], silent_from: int) -> None:
    assert still_loses(lost | set(range(silent_from, 2000)))


def test_frames_lost_at_random_are_a_lasting_loss_by_the_half_of_their_share() -> None:
    trial = Trial(1, "failover", {}, 0, 1, single_switch())
    shares = [
        lasting_share(trial, {"fault": "lossy", "parameters": {"loss_percent": percent}}) for percent in (1, 10, 100)
    ]
    assert shares == pytest.approx([0.005, 0.05, 0.1])  # of two members one is lossy; at most a tenth is assumed
    assert still_loses(range(1000, 2000, 100), shares[0])  # 1 % lost
    assert not still_loses(range(1000, 2000, 100), shares[2])


def test_a_short_fault_is_judged_from_its_begin_on() -> None:
    """Of 0.2 s the packets of the first 0.1 s count: those later may still be on their way."""
    half = flow(range(1000, 1200, 2))
    assert loses(half, 1.0, 1.2)
    assert not loses(flow(range(700, 1000, 2)), 1.0, 1.2)  # before the fault
