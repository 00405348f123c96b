"""Which hosts must still reach each other: by the kernel's document, the standard and graphs, computed by hand."""

from __future__ import annotations

import dataclasses

import pytest

from testbed.errors import SpecError
from testbed.faults import elements
from testbed.schemes import SCHEMES
from testbed.spec import BondOptions, LagOptions, Topology
from testbed.spec.wiring import Wiring
from testbed.theory import reachability
from topologies.back_to_back import back_to_back
from topologies.dual_switch import dual_switch
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.ring import ring
from topologies.single_switch import single_switch
from topologies.trunk import trunk
from topologies.two_ways import two_ways
from topologies.unprotected import unprotected


def reach(topology: Topology, *failed: str, pair: tuple[str, str] = ("h1", "h2"), **more: object) -> bool | None:
    """Whether a pair must reach each other once these have failed."""
    return reachability.expected(topology, failed, **more)[pair].connected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("topology", "weak"),
    [
        (back_to_back(), set()),
        (single_switch(), {"s1"}),
        (dual_switch(), set()),
        (mlag(), set()),
        (trunk(), {"s1", "s2"}),
        (ring(), set()),
        (leaf_spine(), set()),
        (leaf_spine(spines=1), {"spine1"}),
        (trunk(trunk_members=1), {"s1", "s2", "s1-eth3--s2-eth3"}),
    ],
    ids=lambda value: value.name if isinstance(value, Topology) else "",
)
def test_the_single_points_of_failure(topology: Topology, weak: set[str]) -> None:
    hosts = topology.protected_hosts()
    found = {
        element.name
        for element in elements.elements(topology)
        if not reachability.must_connect(reachability.expected(topology, [element.name], controller_down_s=1.0), hosts)
    }
    assert found == weak


def test_unprotected_survives_nothing_but_a_controller_that_returns() -> None:
    topology = unprotected()
    found = {e.name: reach(topology, e.name, controller_down_s=1.0) for e in elements.elements(topology)}
    assert {name for name, survives in found.items() if survives} == {"c0", "c0-s1", "c0-s2"}


def test_a_host_with_one_link_is_lost_with_it_and_is_not_protected_among_bonded_ones() -> None:
    topology = mlag()
    assert topology.protected_hosts() == ("h1", "h2")
    assert reach(topology, "s1", pair=("h1", "h3")) is False
    assert reach(topology, "h3-eth0", pair=("h2", "h3")) is False
    assert reach(topology, "s2", pair=("h1", "h3")) is True
    assert dataclasses.replace(topology, protected=("h1", "h3")).protected_hosts() == ("h1", "h3")


def test_without_the_peer_link_all_hosts_use_the_switch_with_most_hosts() -> None:
    """mlag's peer link lost, isolate: s2 leaves the LAGs (testbed.spec.Switch). Then s1 may not fail as well."""
    peer = "s1-eth3--s2-eth3"
    assert reach(mlag(), peer, pair=("h1", "h3")) is True
    assert reach(mlag(isolate=False), peer, pair=("h1", "h3")) is False  # half of h1's flows enter s2
    assert reach(mlag(isolate=False), peer) is True  # both switches know both hosts
    assert reach(mlag(), peer, "s1") is True
    assert reach(mlag(), peer, "h1-eth0") is False  # h1 is left on s2, the others use s1
    assert reach(mlag(isolate=False), peer, "h1-eth0") is False  # what h2 sends by s1 has no way to h1


@pytest.mark.parametrize("mode", ["active-backup", "balance-tlb", "balance-alb"])
def test_independent_switches_that_are_joined(mode: str) -> None:
    topology = dual_switch(bonding=BondOptions(mode=mode))
    assert reach(topology, "h1-eth0", "h2-eth1") is True
    assert reach(topology, "s1", "h1-eth1") is False


def test_active_backup_on_separate_switches_works_while_both_are_active_on_one() -> None:
    """bonding.rst, "primary": the primary is the active member whenever it is available."""
    topology, peer = dual_switch(), "s1-eth3--s2-eth3"
    assert reach(topology, peer) is True  # both on their primaries, at s1
    assert reach(topology, peer, "h1-eth0") is False  # h1 on s2, h2 on s1
    assert reach(topology, peer, "s1") is True
    second = dual_switch(bonding=BondOptions(mode="active-backup", primary_member=1))
    assert reach(second, peer, "h1-eth0") is True


def test_balance_tlb_sends_on_both_and_so_needs_both_joined() -> None:
    """bonding.rst, "balance-tlb": outgoing traffic on all members, incoming on the current one."""
    assert reach(dual_switch(bonding=BondOptions(mode="balance-tlb")), "s1-eth3--s2-eth3") is False
    # "balance-alb": each peer gets the address of one member, and the document does not say which.
    assert reach(dual_switch(bonding=BondOptions(mode="balance-alb")), "s1-eth3--s2-eth3") is None


def test_separate_networks() -> None:
    """bonding.rst, 11.2 and 12.2: broadcast for availability, balance-rr for throughput on separate networks."""
    broadcast = dual_switch(peer_links=0, bonding=BondOptions(mode="broadcast"))
    assert [reach(broadcast, name) for name in ("h1-eth0", "s1", "s2")] == [True, True, True]
    assert reach(broadcast, "h1-eth0", "h2-eth1") is False
    striped = dual_switch(peer_links=0, bonding=BondOptions(mode="balance-rr"))
    assert reach(striped) is True
    assert reach(striped, "h1-eth0") is False  # h2 does not detect it and still sends by s1
    assert reach(striped, "s1") is True  # both detect it


def test_min_links_of_the_bond_and_of_the_lag() -> None:
    """bonding.rst, "min_links"; a LAG with fewer than its min_links carries nothing."""
    assert reach(single_switch(bonding=BondOptions(min_links=2)), "h1-eth0") is False
    assert reach(single_switch(members=3, bonding=BondOptions(min_links=2)), "h1-eth0") is True
    topology = single_switch()
    lags = tuple(dataclasses.replace(lag, min_links=2) for lag in topology.lags)
    assert reach(dataclasses.replace(topology, lags=lags), "h1-eth0") is False
    two = trunk()
    lags = tuple(dataclasses.replace(lag, min_links=2) if "trunk" in lag.name else lag for lag in two.lags)
    assert reach(dataclasses.replace(two, lags=lags), "s1-eth3") is False


@pytest.mark.parametrize("mode", ["balance-rr", "balance-xor", "broadcast", "802.3ad"])
def test_a_lag_lives_while_a_member_does(mode: str) -> None:
    topology = single_switch(bonding=BondOptions(mode=mode))
    assert reach(topology, "h1-eth0--s1-eth1") is True
    assert reach(topology, "h1-eth0", "s1-eth2") is False


def test_silent_loss_is_detected_by_lacp_alone() -> None:
    """A link that loses all frames keeps its carrier: the MII monitor detects nothing (bonding.rst, "miimon")."""
    silent = ["h1-eth0--s1-eth1"]
    assert reach(single_switch(), silent=silent) is True
    assert reach(single_switch(bonding=BondOptions(mode="balance-xor")), silent=silent) is False
    assert reach(single_switch(), silent=silent, side=SCHEMES["static"].side) is False
    backup = single_switch(bonding=BondOptions(mode="active-backup"))
    assert reach(backup, silent=silent) is False  # the active one
    assert reach(backup, silent=["h1-eth1--s1-eth2"]) is True
    assert reach(trunk(), silent=["s1-eth3--s2-eth3"]) is True
    assert reach(mlag(), silent=["s1-eth3--s2-eth3"]) is None  # a cable without LACP, perhaps not in use


def test_which_hosts_need_the_controller() -> None:
    """It sends the LACPDUs: 3 s (fast) or 90 s (slow) after the last, the host times out (802.1AX-2014, 6.4.4)."""
    assert reach(mlag(), "c0", controller_down_s=1.5) is True
    assert (
        reach(mlag(), "c0", controller_down_s=2.5) is None
    )  # between one period less than the timeout and the timeout
    # bonding.rst, "all_slaves_active": without a partner one member receives; the switch still sends on both.
    assert reach(single_switch(), "c0", controller_down_s=10.0) is reach(single_switch(), "c0") is False
    assert reach(mlag(), "c0") is None  # each switch has one of the two: it depends on which the hosts choose
    every = single_switch(bonding=BondOptions(all_slaves_active=True))
    assert reach(every, "c0") is None
    assert reach(mlag(bonding=BondOptions(lacp_rate="slow")), "c0", controller_down_s=10.0) is True
    assert reach(single_switch(bonding=BondOptions(mode="balance-xor")), "c0") is True
    assert reach(unprotected(), "c0") is True
    assert reach(mlag(), "c0", "h1-eth0", controller_down_s=1.0) is True  # the groups watch their ports
    assert reach(mlag(), "c0", "s1-eth3", controller_down_s=1.0) is None
    assert reach(single_switch(), "c0", side=SCHEMES["ovs"].side) is True


def test_without_lacp_partner_one_member_is_used() -> None:
    """bonding.rst, "802.3ad": without a partner each member is an aggregator of its own, and one is active."""
    topology = single_switch()
    assert reach(topology, "h1-eth0", side=SCHEMES["none"].side) is True
    assert reach(topology, "s1", side=SCHEMES["none"].side) is False


def test_back_to_back_both_ends_see_the_same_members() -> None:
    assert reach(back_to_back(bonding=BondOptions(mode="active-backup")), "h1-eth0") is True
    assert reach(back_to_back(), "h1-eth0", "h2-eth1") is False
    assert reach(back_to_back(), "h2") is False
    crossed = Wiring(bonding=BondOptions(mode="active-backup"))
    crossed.back_to_back("h1", "h2", 2)
    topology = crossed.topology("crossed")
    first, second = topology.hosts
    assert second.bond is not None
    swapped = dataclasses.replace(second, bond=dataclasses.replace(second.bond, primary_member=1))
    assert reach(dataclasses.replace(topology, hosts=(first, swapped))) is False  # each active on another cable


def test_the_bound_is_that_of_the_monitor_that_has_to_detect_the_fault() -> None:
    topology = mlag(bonding=BondOptions(miimon_ms=50))
    hosts = topology.protected_hosts()

    def bound(*failed: str, **more: object) -> float | None:
        found = reachability.longest_bound(reachability.expected(topology, failed, **more), hosts)  # type: ignore[arg-type]
        return None if found is None else found.bound_s

    assert bound("h1-eth0") == bound("s2") == 0.0  # a LAG: both ends act on the carrier event
    backup = dual_switch(bonding=BondOptions(mode="active-backup", miimon_ms=50))
    found = reachability.longest_bound(reachability.expected(backup, ["h1-eth0"]), backup.protected_hosts())
    assert found is not None and found.bound_s == pytest.approx(0.051)  # 50 ticks of the timer wheel take one more
    assert bound("h3-eth0") == bound("c0") == 0.0
    assert bound(silent=["h1-eth0--s1-eth1"]) == pytest.approx(3.12)  # 30 of the driver's steps of 104 ms
    assert bound("s1-eth3--s2-eth3") == pytest.approx(0.104)  # one LACPDU, sent at once, and one such step
    # IEEE 802.1AX-2014, 6.4.16: three LACPDUs a second, so after other changes it may be held back for that long.
    assert bound("s1-eth3--s2-eth3", "h1-eth1") == pytest.approx(1.104)
    xor = mlag(bonding=BondOptions(mode="balance-xor"))
    silent = reachability.expected(xor, (), silent=["h1-eth0--s1-eth1"])
    assert reachability.longest_bound(silent, hosts) is None


def test_an_arp_target_that_is_gone_takes_the_hosts_that_monitor_it_along() -> None:
    """bonding.rst, arp_validate and arp_all_targets: with validation only the targets' answers keep a member up."""

    def monitored(**options: object) -> Topology:
        topology = leaf_spine(bonding=BondOptions(mode="active-backup", miimon_ms=0, arp_interval_ms=100))
        hosts = (
            dataclasses.replace(host, bond=dataclasses.replace(host.bond, **options))  # type: ignore[arg-type, type-var]
            if host.name in ("h1", "h2")
            else host
            for host in topology.hosts
        )
        return dataclasses.replace(topology, hosts=tuple(hosts))

    third, fourth = (monitored().host(name).ip for name in ("h3", "h4"))
    one = monitored(arp_ip_target=third, arp_validate="all")
    assert reach(one) is True
    assert reach(one, "h3") is False
    both = {"arp_ip_target": f"{third}+{fourth}", "arp_validate": "all"}
    assert reach(monitored(**both), "h3") is True
    assert reach(monitored(**both, arp_all_targets="all"), "h3") is False
    # Any frame counts, whoever sends it: each bond's requests, which are broadcast, keep the other's up.
    assert reach(monitored(arp_ip_target=third), "h3") is True
    alone = monitored(arp_ip_target=third)
    assert reach(alone, "h3", pair=("h1", "h4")) is True


def test_agreement() -> None:
    assert reachability.agrees(True, True) is reachability.agrees(False, False) is True
    assert reachability.agrees(True, False) is reachability.agrees(False, True) is False
    assert reachability.agrees(None, True) is None


def test_what_may_fail() -> None:
    kinds = {element.name: element.kind for element in elements.elements(mlag())}
    assert kinds == {
        **dict.fromkeys(("h1-eth0--s1-eth1", "h1-eth1--s2-eth1", "h2-eth0--s1-eth2", "h2-eth1--s2-eth2"), "member"),
        "s1-eth3--s2-eth3": "link",
        "h3-eth0--s1-eth4": "link",
        **dict.fromkeys(("h1-eth0", "h1-eth1", "h2-eth0", "h2-eth1", "h3-eth0"), "interface"),
        "s1": "switch",
        "s2": "switch",
        "c0": "controller",
        **dict.fromkeys(("c0-s1", "c0-s2"), "control"),
    }
    assert "c0" not in {element.name for element in elements.elements(single_switch(), SCHEMES["ovs"].side)}
    assert {element.kind for element in elements.elements(back_to_back())} == {"member", "interface"}


def test_an_unknown_element_names_the_known_ones() -> None:
    with pytest.raises(SpecError) as caught:
        reachability.expected(single_switch(members=1), ["s3"])
    assert str(caught.value) == (
        "unknown element 's3'; the known ones are: c0, h1, h1-eth0, h1-eth0--s1-eth1, h2, h2-eth0, h2-eth0--s1-eth2,"
        " s1, s1-eth1, s1-eth2"
    )
    with pytest.raises(SpecError, match=r"unknown element of topology 'single_switch': 'h1'"):
        elements.named(single_switch(), "h1")


def test_the_lag_options_count_in_reachability() -> None:
    """A LAG that holds more than one usable port back still has one."""
    assert reach(single_switch(members=3, lag=LagOptions(max_active=2)), "h1-eth0", "h1-eth1") is True


def test_a_silent_member_of_a_broadcast_bond_affects_only_what_the_switch_sends_over_it() -> None:
    """The host sends on every member; the switch sends on one, as its hash says (bonding.rst)."""
    network = single_switch(bonding=BondOptions(mode="broadcast"))
    found = reachability.expected(network, (), silent=("h1-eth0--s1-eth1",))
    assert found["h1", "h2"].connected is None


def test_another_switch_takes_traffic_over_once_it_is_programmed_and_its_cache_follows() -> None:
    """1 ms for the controller, and 5 ms in which Open vSwitch does not revalidate again (docs/limits.md); one switch
    needs no controller to leave a dead port of a LAG."""

    def limit_s(topology: Topology, failed: str) -> float:
        found = reachability.longest_bound(reachability.expected(topology, [failed]), topology.protected_hosts())
        assert found is not None
        return found.limit_s

    assert limit_s(leaf_spine(), "h1-eth0") == limit_s(leaf_spine(), "spine1") == pytest.approx(0.006)
    assert limit_s(mlag(), "h1-eth0") == pytest.approx(0.006)
    assert limit_s(single_switch(), "h1-eth0") == pytest.approx(0.005)


def test_bonds_that_search_by_arp_on_networks_apart_reach_each_other_without_a_bound() -> None:
    bonding = BondOptions(mode="active-backup", arp_interval_ms=100, miimon_ms=0)
    for peer_links, bounded in ((0, False), (1, True)):
        topology = two_ways(bonding=bonding, peer_links=peer_links)
        (found,) = reachability.expected(topology, ["s1"], pairs=[("h1", "h2")]).values()
        assert found.connected is True and (found.bound is not None) is bounded
