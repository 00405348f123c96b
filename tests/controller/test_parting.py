"""A parted network: where hosts are in the end depends on the links alone, and theory says the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.controller.parting import Parting
from testbed.spec import Topology
from testbed.spec.wiring import Wiring
from testbed.theory import reachability
from tests.controller.rig import Rig
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag


def fail(rig: Rig, element: str) -> None:
    """A switch loses power, or a cable fails."""
    switch = next((switch for switch in rig.topology.switches if switch.name == element), None)
    if switch is None:
        (link,) = (link for link in rig.topology.links if link.name == element)
        rig.set_link(link.b_interface, False)
        return
    for interface in rig.topology.interfaces(element):
        rig.set_link(interface, False)
    if switch.dpid in rig.switches:
        rig.disconnect(switch.dpid)


def places(rig: Rig) -> dict[str, set[frozenset[int]]]:
    """For each bonded host the parts of the network in which its LAG is in use."""
    component = rig.core.fabric.graph.component
    return {
        lag.name.removeprefix("lag-"): {component[dpid] for dpid, _ in rig.distributing(lag.name)}
        for lag in rig.topology.lags
        if lag.name.startswith("lag-")
    }


def check(rig: Rig, failed: tuple[str, ...]) -> dict[str, set[frozenset[int]]]:
    """Compare with theory: two hosts are connected if their LAGs are in one part, the same."""
    found = places(rig)
    said = reachability.expected(rig.topology, failed)
    for a, b in itertools.combinations(found, 2):
        together = len(found[a]) == 1 and found[a] == found[b]
        assert reachability.between(said, a, b).connected is together, (a, b, failed, found)
    return found


@pytest.mark.parametrize("order", list(itertools.permutations(("spine1", "h4-eth0--leaf3-eth3"))))
def test_two_hosts_meet_on_the_leaf_that_both_have(order: tuple[str, ...]) -> None:
    """Without the only spine each leaf is a part; h4 has lost leaf3, so h3 and h4 can meet on leaf4 only."""
    rig = Rig(leaf_spine(spines=1))
    (cable,) = (link.name for link in rig.topology.links if {link.a, link.b} == {"h4", "leaf3"})
    failed = tuple(cable if "--" in element else element for element in order)
    rig.run(6.0)
    for element in failed:
        fail(rig, element)
        rig.run(6.0)
    dpid = {switch.name: switch.dpid for switch in rig.topology.switches}
    assert check(rig, failed)["h3"] == check(rig, failed)["h4"] == {frozenset({dpid["leaf4"]})}


@st.composite
def networks(draw: st.DrawFn) -> Topology:
    """Two to four leaves, each joined to one spine; hosts bonded to some of them, and hosts on single ports."""
    net = Wiring()
    spine, *leaves = net.switches(draw(st.integers(3, 5)))
    some = st.lists(st.sampled_from(leaves), min_size=1, max_size=3)
    for number in range(1, draw(st.integers(2, 4)) + 1):
        net.bonded(f"h{number}", draw(some))
    for number in range(draw(st.integers(0, 2))):
        net.single(f"x{number}", draw(st.sampled_from(leaves)))
    for leaf in leaves:
        net.join(spine, leaf)
    return net.topology("parted")


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(networks(), st.data())
def test_the_part_of_each_host_depends_on_what_has_failed_and_not_on_the_order(
    topology: Topology, data: st.DataObject
) -> None:
    elements = [*(switch.name for switch in topology.switches), *(link.name for link in topology.links)]
    failed = data.draw(st.lists(st.sampled_from(elements), min_size=1, max_size=5, unique=True))
    waits = st.sampled_from([0.0, 0.3, 4.0])
    found = []
    for order in (failed, data.draw(st.permutations(failed))):
        rig = Rig(topology)
        rig.run(3.0)
        for element in order:
            fail(rig, element)
            rig.run(data.draw(waits))
        rig.run(10.0)
        found.append(check(rig, tuple(failed)))
    assert found[0] == found[1]


def test_a_returned_port_takes_traffic_away_once_it_has_been_back_for_a_while() -> None:
    """mlag without its peer link: h3 is on s1 only, so s1 is the better part; when it returns, all move there."""
    rig = Rig(mlag())
    rig.answer()
    rig.run(4.0)
    for interface in rig.ports_of(1):
        rig.set_link(interface, False)
    rig.run(4.0)
    for interface in ("s1-eth1", "s1-eth2", "s1-eth4"):
        rig.set_link(interface, True)
    rig.run(4.5)
    assert rig.distributing("lag-h1") == {(2, 1)}
    rig.run(4.0)
    assert (rig.distributing("lag-h1"), rig.distributing("lag-h2")) == ({(1, 1)}, {(1, 2)})
    check(rig, ("s1-eth3--s2-eth3",))


def test_ports_that_came_up_one_after_the_other_at_the_start_are_alike() -> None:
    """mlag parts within seconds of its start: all use s1 at once, and stay there as long as nothing else fails."""
    rig = Rig(mlag())
    rig.answer()
    members = ("s2-eth1", "s1-eth1", "s2-eth2", "s1-eth2")
    for interface in members:
        rig.set_link(interface, False)
    rig.run(1.0)
    for interface in members:
        rig.set_link(interface, True)
        rig.run(0.4)
    rig.run(2.0)
    assert rig.distributing("lag-h1") == {(1, 1), (2, 1)}
    fail(rig, "s1-eth3--s2-eth3")
    for _ in range(100):
        rig.run(0.1)
        assert (rig.distributing("lag-h1"), rig.distributing("lag-h2")) == ({(1, 1)}, {(1, 2)})


def test_a_switch_that_reconnects_while_its_lags_carry_nothing_is_not_behind() -> None:
    """mlag without its peer link: h3 is on s1 only, so s1 is the better part, and all are there from the beginning."""
    rig = Rig(mlag())
    rig.answer()
    fail(rig, "s1-eth3--s2-eth3")
    members = ("s1-eth1", "s1-eth2", "s2-eth1", "s2-eth2")
    for interface in members:
        rig.set_link(interface, False)
    rig.run(3.0)
    rig.disconnect(1)
    rig.connect(1, ("s1-eth1", "s1-eth2", "s1-eth3"))
    rig.run(0.5)
    for interface in members:
        rig.set_link(interface, True)
    used = set()
    for _ in range(100):
        rig.run(0.1)
        used |= rig.distributing("lag-h1") | rig.distributing("lag-h2")
    assert used == {(1, 1), (1, 2)}


def test_a_part_where_a_lag_has_too_few_links_is_its_last_choice() -> None:
    one, other = frozenset({1}), frozenset({2})
    parting = Parting({one: 5}, {1, 2})
    parting.add("narrow", {one: 1, other: 2}, min_links=2, bound_to=())
    parting.add("any", {one: 1, other: 1}, min_links=1, bound_to=())
    parting.add("short", {one: 1}, min_links=2, bound_to=())
    assert parting.chosen() == {"narrow": other, "any": one, "short": one}


def test_lags_whose_part_is_taken_do_not_count_for_the_next_part() -> None:
    """The first part takes a and b; so the second has one host of its own, and the third has two."""
    first, second, third = (frozenset({number}) for number in (1, 2, 3))
    parting = Parting({first: 2}, {1, 2, 3})
    for lag, parts in {"a": (first, second), "b": (first, second), "c": (second, third), "d": (third,)}.items():
        parting.add(lag, dict.fromkeys(parts, 1), min_links=1, bound_to=())
    assert parting.chosen() == {"a": first, "b": first, "c": third, "d": third}
