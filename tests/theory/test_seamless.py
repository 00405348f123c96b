"""PRP and HSR: no time is lost as long as one of the two ways works (IEC 62439-3, clauses 4 and 5)."""

from __future__ import annotations

import pytest

from testbed import theory
from testbed.faults.elements import elements
from testbed.spec import BondOptions, SwitchSide, Topology
from testbed.spec.wiring import Wiring
from testbed.theory import seamless
from testbed.theory.reachability import expected
from topologies.two_ways import two_ways

PRP, HSR = BondOptions(mode="prp"), BondOptions(mode="hsr")
#: Switches without a controller.
PLAIN = SwitchSide(lags=False, negotiates=False, controller=False, groups=False)


def reach(topology: Topology, *failed: str, silent: tuple[str, ...] = ()) -> tuple[bool | None, float | None]:
    """Whether h1 and h2 reach each other, and the longest outage."""
    found = expected(topology, failed, silent=silent, side=PLAIN)["h1", "h2"]
    return found.connected, None if found.bound is None else found.bound.limit_s


@pytest.mark.parametrize(
    "topology", [two_ways(bonding=options, length=length) for options in (PRP, HSR) for length in (0, 1, 3)]
)
def test_every_single_element_may_fail_without_an_outage(topology: Topology) -> None:
    for element in elements(topology, PLAIN):
        assert reach(topology, element.name) == (True, 0.0), element
    for link in topology.links:
        assert reach(topology, silent=(link.name,)) == (True, 0.0), link


@pytest.mark.parametrize("options", [PRP, HSR])
def test_one_way_is_left_for_two_failures_on_the_other_and_none_for_one_on_each(options: BondOptions) -> None:
    topology = two_ways(bonding=options, length=1)
    first, last = "h1-eth0", "h2-eth1"  # the first way at h1, the second at h2
    assert reach(topology, first, "h2-eth0") == (True, 0.0)
    assert reach(topology, first, last)[0] is False
    assert reach(topology, first, silent=(topology.link_of(last).name,))[0] is False
    assert reach(topology, silent=(topology.link_of(first).name, topology.link_of(last).name))[0] is False


def test_the_nodes_of_a_ring_are_elements_that_may_fail() -> None:
    kinds = {each.name: each.kind for each in elements(two_ways(bonding=HSR), PLAIN)}
    assert {name for name, kind in kinds.items() if kind == "node"} == {"n1", "n2"}
    topology = two_ways(bonding=HSR)
    assert expected(topology, ["n1"])["h1", "n1"].connected is False
    assert expected(topology, ["n1"])["h1", "n2"].connected is True


def test_a_host_with_one_link_depends_on_its_lan() -> None:
    """A singly attached node (IEC 62439-3, 4.1.3)."""
    net = Wiring(bonding=PRP)
    one, other = net.switches(2)
    net.bonded("h1", [one, other])
    net.bonded("h2", [one, other])
    net.single("h3", one)
    topology = net.topology("attached")
    assert expected(topology, [], side=PLAIN)["h1", "h3"].connected is True
    assert expected(topology, [one], side=PLAIN)["h1", "h3"].connected is False
    assert expected(topology, [other], side=PLAIN)["h1", "h3"].connected is True
    assert expected(topology, [one], side=PLAIN)["h1", "h2"].connected is True


def test_a_lan_with_a_loop_of_its_own_may_use_its_silent_link() -> None:
    net = Wiring(bonding=PRP)
    names = net.switches(4)
    net.bonded("h1", [names[0], names[3]])
    net.bonded("h2", [names[1], names[3]])
    for near, far in ((0, 1), (1, 2), (2, 0)):
        net.join(names[near], names[far])
    topology = net.topology("looped")
    silent = next(link.name for link in topology.links if {link.a, link.b} == {"s1", "s2"})
    assert reach(topology, silent=(silent,)) == (True, 0.0)  # by the other LAN
    assert reach(topology, "s4", silent=(silent,))[0] is None


def test_a_failed_controller_leaves_the_flows_that_are_in_place() -> None:
    found = expected(two_ways(bonding=PRP), ["c0"], controller_down_s=10.0)["h1", "h2"]
    assert found.connected is True and found.bound is not None and found.bound.limit_s == 0.0


@pytest.mark.parametrize("options", [PRP, HSR])
def test_the_bound_of_every_fault_of_one_way_is_nothing(options: BondOptions) -> None:
    bond = options.over(("h1-eth0", "h1-eth1"))
    for fault in ("carrier_loss", "silent_loss", "lossy", "slow", "flapping", "switch_crash"):
        bound = theory.failover_bound(bond, fault)
        assert bound is not None and bound.limit_s == 0.0, fault
        assert bound.holds(0.0, 0.001) and not bound.holds(0.003, 0.001)
    assert theory.failover_bound(bond, "host_reboot") is None
    assert theory.failover_bound(bond, "lacp_loss") is None


def test_each_way_carries_all_and_six_octets_of_each_packet_are_not_the_hosts() -> None:
    """1500 octets less 6 for the trailer or tag, 52 for headers; 38 around them on the wire (IEEE 802.3, 3.1.1)."""
    for mode in ("prp", "hsr"):
        assert theory.ideal_mbps(mode, 2, 1000.0) == pytest.approx(1000 * (1500 - 6 - 52) / 1538)
    for options in (PRP, HSR):
        assert theory.pair_mbps(two_ways(bonding=options, length=2), "h1", "h2") == 1000.0


def test_second_copies_pass_when_the_first_are_forgotten_and_no_more_than_the_kernels_own_test_allows() -> None:
    """selftests/net/hsr/link_faults.sh: of 400 pings, 10 ms apart, delayed by 20 and 50 ms, at most 40 come twice."""
    assert 0 < seamless.most_duplicated(0.030, 100.0) * 400 <= 40
    # A block of 128 numbers is filled in 128 ms, and known for 400 ms: then copies may be up to 272 ms apart.
    assert seamless.most_duplicated(0.270, 1000.0) == 0 < seamless.most_duplicated(0.280, 1000.0)
    assert seamless.most_duplicated(0.0, 100.0) == 0
    assert seamless.most_duplicated(0.400, 100.0) == 1  # all are forgotten: EntryForgetTime
    assert seamless.most_duplicated(0.100, 100_000.0) == 1  # more numbers than are kept
