"""The spanning tree of a topology: by the standard's rules, worked out by hand, and by what any such tree has."""

from __future__ import annotations

import itertools

import pytest

from testbed.spec import Cable, SpanningTree, Topology
from testbed.theory.spanning import Tree, path_cost
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.ring import ring
from topologies.two_ways import two_ways

RSTP = SpanningTree()


@pytest.mark.parametrize(("rate_mbps", "cost"), [(10.0, 2_000_000), (100.0, 200_000), (1e3, 20_000), (1e4, 2_000)])
def test_path_costs_are_those_of_the_standard(rate_mbps: float, cost: int) -> None:
    """IEEE 802.1D-2004, Table 17-3."""
    (link,) = {each.rate_mbps: each for each in two_ways(cable=Cable(rate_mbps=rate_mbps)).links}.values()
    assert path_cost(link) == cost


@pytest.mark.parametrize(("rate_mbps", "cost"), [(10.0, 100), (100.0, 19), (1e3, 4), (1e4, 2)])
def test_stp_s_path_costs_are_those_of_its_standard(rate_mbps: float, cost: int) -> None:
    """IEEE 802.1D-1998, Table 8-5."""
    link = two_ways(cable=Cable(rate_mbps=rate_mbps)).links[0]
    assert path_cost(link, "stp") == cost


def test_a_ring_of_four() -> None:
    """s1 is the root; s3 has two ways of the same cost, and takes the one whose bridge, s2, has the lower address."""
    tree = Tree(ring(dual_homed=False), RSTP)
    assert tree.roles == {
        "s1-eth2": "Designated",
        "s1-eth3": "Designated",
        "s2-eth2": "Root",
        "s2-eth3": "Designated",
        "s3-eth2": "Root",
        "s3-eth3": "Alternate",
        "s4-eth2": "Designated",
        "s4-eth3": "Root",
    }
    assert (tree.depth, tree.hops("s3")) == (2, 2)
    assert tree.between("s1", "s3") == ["s1-eth2--s2-eth2", "s2-eth3--s3-eth2"]


def test_the_root_is_the_switch_that_is_asked_for() -> None:
    tree = Tree(ring(dual_homed=False), SpanningTree(tree_root="s3"))
    assert set(tree.root_of.values()) == {"s3"}
    assert [port for port, role in tree.roles.items() if role == "Alternate"] == ["s1-eth3"]  # s2 before s4


def test_of_parallel_links_the_lower_port_of_the_designated_bridge_wins() -> None:
    """IEEE 802.1D-2004, 17.6: the priority vector ends with the port identifiers."""
    tree = Tree(two_ways(ends="switches", length=0, ways=3), RSTP)
    assert {port: role for port, role in tree.roles.items() if port.startswith("e2")} == {
        "e2-eth2": "Root",
        "e2-eth3": "Alternate",
        "e2-eth4": "Alternate",
    }


def test_a_dearer_link_is_left_out() -> None:
    """leaf1 to spine1 costs 2000; by spine2 and another leaf it would cost 6000."""
    tree = Tree(leaf_spine(), RSTP)
    assert [port for port, role in tree.roles.items() if role == "Alternate"] == [f"spine2-eth{n}" for n in (2, 3, 4)]
    assert all(tree.roles[f"leaf{n}-eth3"] == "Root" for n in (1, 2, 3, 4))


def test_without_the_root_the_next_address_is_the_root() -> None:
    tree = Tree(ring(dual_homed=False), RSTP, gone=frozenset({"s1"}))
    assert set(tree.root_of.values()) == {"s2"} and "Alternate" not in tree.roles.values()


def test_parts_have_roots_of_their_own() -> None:
    tree = Tree(ring(), RSTP, lost=frozenset({"s1-eth2--s2-eth2", "s3-eth3--s4-eth2"}))
    assert tree.root_of == {"s1": "s1", "s4": "s1", "s2": "s2", "s3": "s2"}
    assert tree.between("s1", "s3") is None


def test_who_loses_the_way_to_the_root() -> None:
    tree = Tree(ring(dual_homed=False), RSTP)
    assert tree.below((), ["s1-eth2--s2-eth2"]) == {"s2", "s3"}
    assert tree.below(["s2"], []) == {"s3"}
    assert tree.below(["s1"], []) == {"s2", "s3", "s4"}
    assert tree.below((), ["s3-eth3--s4-eth2"]) == frozenset()  # it is not in the tree


NETWORKS = [
    ring(switches=5),
    ring(dual_homed=False, switches=7),
    leaf_spine(spines=3),
    mlag(),
    two_ways(ways=3, length=2),
]


@pytest.mark.parametrize("topology", NETWORKS, ids=[topology.name for topology in NETWORKS])
def test_what_forwards_is_a_tree_of_shortest_ways(topology: Topology) -> None:
    """One link less than switches, all joined; and no way to the root is longer than the shortest (Floyd, Warshall)."""
    tree = Tree(topology, RSTP)
    names = [switch.name for switch in topology.switches]
    between = [link for link in topology.links if link.a in names and link.b in names]
    cost = {(a, b): 0.0 if a == b else float("inf") for a in names for b in names}
    for link in between:
        for a, b in ((link.a, link.b), (link.b, link.a)):
            cost[a, b] = min(cost[a, b], 2e7 / (link.rate_mbps or 1e4))
    for via, a, b in itertools.product(names, repeat=3):
        cost[a, b] = min(cost[a, b], cost[a, via] + cost[via, b])
    used = [link for link in between if "Alternate" not in (tree.roles[link.a_interface], tree.roles[link.b_interface])]
    assert len(used) == len(names) - 1
    for name in names:
        way = [link for link in between if link.name in tree.way_up(name)]
        assert sum(2e7 / (link.rate_mbps or 1e4) for link in way) == cost[name, names[0]]
        assert all(link in used for link in way)
