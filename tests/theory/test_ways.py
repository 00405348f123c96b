"""How long a spanning tree takes after a fault between switches: by counting BPDUs and hellos, by hand."""

from __future__ import annotations

import pytest

from testbed.schemes import SCHEMES
from testbed.spec import BondOptions, Cable, SpanningTree, SwitchSide
from testbed.theory import OutageBound, reachability, ways
from topologies.leaf_spine import leaf_spine
from topologies.ring import ring
from topologies.two_ways import two_ways

SIDE = SCHEMES["rstp"].side
RING = ring(dual_homed=False)
#: A BPDU on 1 Gbit/s: 84 octets on the wire (IEEE 802.3: 64, 8 of preamble, 12 of gap).
BPDU_S = 84 * 8 / 1e9


def bound(fault: str, element: str, pair: tuple[str, str] = ("h1", "h3"), **parameters: str) -> OutageBound:
    found = ways.bound(RING, SIDE, fault, element, parameters, pair)
    assert isinstance(found, OutageBound)
    return found


def test_a_bridge_with_an_alternate_port_needs_one_bpdu() -> None:
    """s3 alone loses its way when s2-s3 fails, and has another; over it s4 and s1 are told, two links away."""
    assert bound("carrier_loss", "s3-eth2").bound_s == pytest.approx((1 + 2) * BPDU_S)


def test_two_bridges_need_a_proposal_and_an_agreement_more() -> None:
    """s2 tells s3; s3, which has another way, proposes; s2 agrees; and two links."""
    assert bound("carrier_loss", "s1-eth2").bound_s == pytest.approx((3 + 2) * BPDU_S)


def test_each_bpdu_takes_the_delay_of_its_link() -> None:
    topology = ring(dual_homed=False, cable=Cable(delay_ms=2.0))
    found = ways.bound(topology, SIDE, "carrier_loss", "s1-eth2", {}, ("h1", "h3"))
    assert isinstance(found, OutageBound)
    assert found.bound_s == pytest.approx(5 * (0.002 + BPDU_S))


def test_a_longer_way_takes_the_first_frame_longer() -> None:
    """Of six bridges s2, s3, s4 lose their way: five BPDUs; the new way has five links of 5 ms, the old one had one."""
    topology = ring(dual_homed=False, switches=6, cable=Cable(delay_ms=5.0))
    found = ways.bound(topology, SIDE, "carrier_loss", "s1-eth2", {}, ("h1", "h2"))
    assert isinstance(found, OutageBound)
    assert found.bound_s == pytest.approx((5 + 5) * (0.005 + BPDU_S) + 4 * 0.005)
    detour = ways.bound(topology, SCHEMES["fast-failover"].side, "carrier_loss", "s1-eth2", {}, ("h1", "h2"))
    assert isinstance(detour, OutageBound) and detour.limit_s == pytest.approx(0.010 + 4 * 0.005)


def test_bridges_beyond_forget_addresses_with_their_main_loop() -> None:
    """Open vSwitch 3.1, rstp_run in ofproto/ofproto-dpif.c: fdb_flush is looked at when the main loop turns, which is
    every half a second; and 10 ms until flows in its cache follow. In a mesh 512 ms were measured."""
    topology = leaf_spine(bonding=BondOptions(mode="active-backup"))
    found = ways.bound(topology, SIDE, "carrier_loss", "spine1-eth1", {}, ("h1", "h3"))
    assert isinstance(found, OutageBound) and found.bound_s < 0.001
    assert found.limit_s == pytest.approx(0.510, abs=1e-5)


def test_what_is_not_in_the_tree_costs_nothing() -> None:
    for element in ("s3-eth3", "s4-eth2"):
        assert bound("carrier_loss", element).bound_s == bound("silent_loss", element).bound_s == 0.0


def test_a_pair_whose_way_is_elsewhere_loses_nothing() -> None:
    """s1-s4 is on the other side of the root than s1-s2, and s4 keeps its root port."""
    assert bound("carrier_loss", "s1-eth2", ("h1", "h4")).limit_s <= 0.001


def test_three_hellos_stay_out_before_a_silent_link_is_left() -> None:
    """IEEE 802.1D-2004, 17.21.23: 3 x 2 s after the last hello, which is up to 2 s old; counted in whole seconds, of
    which the first is cut short: 3 to 6 s."""
    found = bound("silent_loss", "s1-eth2")
    assert (found.low_s, found.bound_s) == (pytest.approx(3.0, abs=1e-5), pytest.approx(6.0, abs=1e-5))
    assert found.expected_s == pytest.approx(4.5, abs=1e-5)  # 6 s less half a Hello Time and half a second


@pytest.mark.parametrize(("element", "direction"), [("s1-eth2", "to_host"), ("s2-eth2", "from_host")])
def test_a_loss_of_what_a_root_port_sends_is_never_noticed(element: str, direction: str) -> None:
    """Only designated ports send hellos (IEEE 802.1D-2004, 17.26): what s2 sends by its root port nobody waits for."""
    parameters = {"direction": direction}
    assert isinstance(ways.bound(RING, SIDE, "silent_loss", element, parameters, ("h1", "h3")), str)
    other = {"direction": "from_host" if direction == "to_host" else "to_host"}
    assert isinstance(ways.bound(RING, SIDE, "silent_loss", element, other, ("h1", "h3")), OutageBound)


def test_ports_to_hosts_that_are_no_edge_ports_wait_twice_the_hello_time() -> None:
    """IEEE 802.1D-2004, 17.20.5: forwardDelay is Hello Time where RSTP is spoken; to learn, then to forward: 4 s."""
    side = SwitchSide(tree=SpanningTree(edge_ports="none"))
    found = ways.bound(RING, side, "carrier_loss", "s1-eth2", {}, ("h1", "h2"))
    assert isinstance(found, OutageBound) and found.bound_s == pytest.approx(4.0, abs=1e-5)


def test_flaps_use_up_the_bpdus_that_a_port_may_send() -> None:
    """IEEE 802.1D-2004, 17.26 and 17.22: txCount is one less each second, and TxHoldCount at most."""
    found = ways.bound(RING, SIDE, "flapping", "s1-eth2", {}, ("h1", "h3"))
    assert isinstance(found, str) and "sends 6 at once" in found


def test_old_information_may_go_round_in_what_is_left_of_a_mesh() -> None:
    """Without spine1, the root, spine2 and spine3 and the leaves are still joined in circles."""
    topology = leaf_spine(spines=3)
    found = ways.bound(topology, SIDE, "switch_crash", "spine1", {}, ("h1", "h3"))
    assert isinstance(found, str) and "circle" in found
    assert isinstance(ways.bound(leaf_spine(), SIDE, "switch_crash", "spine1", {}, ("h1", "h3")), OutageBound)


def test_farther_from_the_root_than_max_age_nothing_is_known() -> None:
    """Six bridges after the failure: the last is 7 from the root, and Max Age is 6."""
    side = SwitchSide(tree=SpanningTree(max_age_s=6))
    topology = ring(dual_homed=False, switches=8)
    found = ways.bound(topology, side, "carrier_loss", "s1-eth2", {}, ("h1", "h2"))
    assert isinstance(found, str) and "max_age_s=6" in found


def test_a_fault_of_a_host_s_own_cable_is_not_the_tree_s() -> None:
    assert ways.bound(RING, SIDE, "carrier_loss", "h1-eth0", {}, ("h1", "h2")) is None
    assert ways.bound(RING, SwitchSide(), "carrier_loss", "s1-eth2", {}, ("h1", "h2")) is None


def test_where_a_host_without_a_bond_goes_on_from_its_switch() -> None:
    assert ways.onward(RING, "h1") == ("s1-eth2", "s1-eth3")
    assert ways.onward(two_ways(ends="switches", ways=3), "h2") == ("e2-eth2", "e2-eth3", "e2-eth4")
    assert ways.onward(ring(), "h1") == ()


def test_a_tree_leaves_a_silent_link_and_the_hosts_still_reach_each_other() -> None:
    link = RING.link_of("s1-eth2").name
    found = reachability.expected(RING, (), side=SIDE, silent=[link])
    assert all(each.connected for each in found.values())
    alone = reachability.expected(RING, ["s3"], side=SIDE, silent=[link], pairs=[("h1", "h2")])
    assert alone["h1", "h2"].connected is False


def test_of_a_crash_the_slower_of_bond_and_tree_counts() -> None:
    """miimon looks every 104 ms (100 ms in ticks of 8 ms); the tree needs microseconds."""
    topology = ring(bonding=BondOptions(mode="active-backup"))
    found = reachability.expected(topology, ["s1"], side=SIDE)["h1", "h2"]
    assert found.connected and found.bound is not None and found.bound.bound_s == pytest.approx(0.104)


STP = SwitchSide(tree=SpanningTree(protocol="stp", hello_s=1, max_age_s=6, forward_delay_s=4))


def test_stp_listens_and_learns_where_the_bridge_itself_has_another_port() -> None:
    """IEEE 802.1D-1998, 8.4: two times Forward Delay. e2 has both ways; s3 of the ring has an alternate port. Listening
    is cut short by up to half a second, a turn of Open vSwitch's main loop (stp_tick, lib/stp.c)."""
    for topology, element, pair in (
        (two_ways(ends="switches"), "s1-eth2", ("h1", "h2")),
        (RING, "s3-eth2", ("h1", "h3")),
    ):
        found = ways.bound(topology, STP, "carrier_loss", element, {}, pair)
        assert isinstance(found, OutageBound) and (found.low_s, found.bound_s) == (7.5, 8.0)


def test_stp_waits_for_max_age_where_another_bridge_has_to_act() -> None:
    """s2 has no other way; s3 has, but believes s2 until Max Age is over: 6 s, less 1 s at most, and 8 s more. Max Age
    and listening are cut short by up to a turn of half a second each, and a hello may be as late."""
    for fault in ("carrier_loss", "silent_loss"):
        found = ways.bound(RING, STP, fault, "s1-eth2", {}, ("h1", "h2"))
        assert isinstance(found, OutageBound) and (found.low_s, found.bound_s) == (11.5, 14.0)


def test_stp_waits_for_max_age_where_a_bridge_has_only_designated_ports_left() -> None:
    """s4 is designated on s3-s4 and hears of no other root there; s3 does not believe s4 before Max Age is over."""
    found = ways.bound(RING, STP, "carrier_loss", "s1-eth3", {}, ("h1", "h4"))
    assert isinstance(found, OutageBound) and (found.low_s, found.bound_s) == (11.5, 14.0)


def test_switches_that_learn_follow_a_bond_with_their_next_revalidation() -> None:
    """ovs-vswitchd.conf.db(5), max-revalidator: 500 ms, after the monitor's 104 ms."""
    topology = ring(bonding=BondOptions(mode="active-backup"))
    found = reachability.expected(topology, ["h1-eth1--s2-eth1"], side=SCHEMES["stp"].side)["h1", "h2"]
    assert found.bound is not None and found.bound.limit_s == pytest.approx(0.604)


def test_stp_sees_a_silent_link_by_max_age_alone() -> None:
    found = ways.bound(two_ways(ends="switches"), STP, "silent_loss", "s1-eth2", {}, ("h1", "h2"))
    assert isinstance(found, OutageBound) and (found.low_s, found.bound_s) == (11.5, 14.0)


def test_stp_never_comes_to_rest_on_a_flapping_link() -> None:
    assert isinstance(ways.bound(RING, STP, "flapping", "s1-eth2", {}, ("h1", "h3")), str)
    assert "Max Age, 6 s" in str(ways.bound(RING, STP, "lossy", "s1-eth2", {}, ("h1", "h3")))


def test_what_a_return_costs() -> None:
    """STP: a hello and two Forward Delays; software that begins anew: MigrateTime of 3 s (IEEE 802.1D-2004, Table
    17-1), or BFD's three packets, one a second (RFC 5880, 6.2 and 6.8.3)."""
    detour = SCHEMES["fast-failover"].side
    found = [ways.returned(side, fault) for side in (SIDE, STP, detour) for fault in ("carrier_loss", "switch_restart")]
    assert [each.bound_s for each in found if each] == [0.0, 3.0, 9.0, 9.0, 0.0, 3.0]
    assert ways.returned(SwitchSide(), "carrier_loss") is None and ways.settled_s(SwitchSide(), "carrier_loss") == 0.0
    assert ways.settled_s(STP, "carrier_loss") >= 9.0 and ways.settled_s(detour, "silent_loss") >= 3.0


def test_stp_s_law_is_one_of_hellos_even_where_a_carrier_is_lost() -> None:
    assert [ways.watch_period_s(side, "carrier_loss") for side in (STP, SIDE)] == [1.0, 0.0]
    assert [ways.watch_period_s(side, "silent_loss") for side in (STP, SIDE)] == [1.0, 2.0]
