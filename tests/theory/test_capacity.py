"""What the links between two hosts can carry: by hand, and by the theorem of L. Ford and D. Fulkerson."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import theory
from testbed.spec import BondOptions, Cable, Topology
from testbed.spec.wiring import Wiring
from topologies.back_to_back import back_to_back
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.ring import ring
from topologies.single_switch import single_switch
from topologies.trunk import trunk
from topologies.unprotected import unprotected


def mbps(topology: Topology) -> float | None:
    return theory.pair_mbps(topology, *topology.pair)


def bonds(near: list[float], far: list[float], mode: str = "802.3ad") -> Topology:
    """Two hosts on one switch, with a member of each of these rates."""
    net = Wiring(bonding=BondOptions(mode=mode))
    net.switch("s1")
    for host, rates in (("h1", near), ("h2", far)):
        net.bond(host, [net.link(host, "s1", Cable(rate_mbps=rate)) for rate in rates])
    return net.topology("bonds")


@pytest.mark.parametrize(
    ("topology", "line_mbps"),
    [
        (back_to_back(members=3), 3000),
        (single_switch(members=4), 4000),
        (single_switch(members=4, bonding=BondOptions(mode="active-backup")), 1000),
        (mlag(members=2), 4000),
        (trunk(members=4, trunk_members=2), 2000),  # the trunk in the middle is narrower
        (ring(), 2000),  # s2 to s3, and s1 to s4
        (leaf_spine(), 2000),
        (leaf_spine(uplink_mbps=100), 2000),  # h1 and h2 are on one pair of leaves
        (unprotected(), 1000),
    ],
    ids=lambda value: value.name if isinstance(value, Topology) else "",
)
def test_the_shipped_topologies(topology: Topology, line_mbps: float) -> None:
    assert mbps(topology) == line_mbps


def test_the_narrower_end_decides() -> None:
    assert mbps(bonds([1000] * 2, [1000] * 4)) == mbps(bonds([1000] * 4, [1000] * 2)) == 2000
    assert mbps(bonds([1000] * 4, [100] * 8)) == 800


def test_members_of_unequal_rates() -> None:
    """bonding.rst: a hash puts flows on every member; round-robin gives the slowest as many packets as the others."""
    assert mbps(bonds([1000, 100], [1000, 1000], "balance-xor")) == 1100
    assert mbps(bonds([1000, 100], [1000, 1000], "balance-rr")) == 200
    assert mbps(bonds([1000, 100], [1000, 1000], "active-backup")) == 1000  # the first is the primary


def test_hosts_on_leaves_that_only_slow_uplinks_join() -> None:
    far = leaf_spine(uplink_mbps=100)
    assert theory.pair_mbps(far, "h1", "h3") == 400  # two leaves by two uplinks each


def test_a_link_without_a_rate_has_no_capacity() -> None:
    topology = single_switch(bonding=BondOptions(mode="balance-xor"))
    links = (dataclasses.replace(topology.links[0], rate_mbps=None), *topology.links[1:])
    assert mbps(dataclasses.replace(topology, links=links)) is None


rates = st.lists(st.sampled_from([10.0, 100.0, 1000.0]), min_size=1, max_size=4)


@given(rates, rates, st.data())
def test_the_maximum_flow_of_a_placement_is_its_minimum_cut(
    entries: list[float], exits: list[float], data: st.DataObject
) -> None:
    place = st.tuples(st.integers(0, len(entries) - 1), st.integers(0, len(exits) - 1))
    places = data.draw(st.lists(place, min_size=1, max_size=6))
    used = sorted({entry for entry, _ in places})
    cuts = []
    for count in range(len(used) + 1):
        for cut in itertools.combinations(used, count):  # cut these entries, and the exits of the other flows
            cuts.append(sum(entries[i] for i in cut) + sum(exits[j] for j in {j for i, j in places if i not in cut}))
    most = theory.most_mbps(places, entries, exits)
    assert most == pytest.approx(min(cuts))
    fair = theory.max_min_mbps(places, entries, exits)
    assert 0 < fair <= most + 1e-6


def test_max_min_of_unequal_links_by_hand() -> None:
    # Two flows share an entry of 100; a third has an entry of 1000 and the exit of 1000 that one of them leaves by.
    assert theory.max_min_mbps([(0, 0), (0, 1), (1, 1)], [100.0, 1000.0], [1000.0, 1000.0]) == pytest.approx(1050)
