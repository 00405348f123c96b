"""What a packet costs on the wire at least: links of a shortest way, octets of a frame."""

from __future__ import annotations

import pytest

from testbed.spec import Addressing, Topology
from testbed.theory.wire_cost import frame_octets, shortest_way
from topologies.back_to_back import back_to_back
from topologies.leaf_spine import leaf_spine
from topologies.single_switch import single_switch
from topologies.two_ways import two_ways


@pytest.mark.parametrize(
    ("topology", "links"),
    [
        (back_to_back(), 1),
        (single_switch(), 2),
        (two_ways(length=3), 4),
        (two_ways(ends="switches"), 4),
        (two_ways(ends="switches", length=0), 3),
    ],
)
def test_a_shortest_way_is_counted_in_links(topology: Topology, links: int) -> None:
    """By the drawings: between two hosts each switch on the way adds a link."""
    assert shortest_way(topology) == links


def test_of_hosts_on_other_leaves_the_way_crosses_a_spine() -> None:
    assert shortest_way(leaf_spine()) in (2, 4)


def test_a_frame_has_the_headers_of_the_standards() -> None:
    """IEEE 802.3: 14 without FCS; 802.1Q: 4 for a tag; RFC 791: 20; RFC 8200: 40; RFC 768: 8."""
    assert frame_octets(single_switch(), 1400) == 1400 + 8 + 20 + 14
    assert frame_octets(single_switch(addressing=Addressing(ip=6)), 1400) == 1400 + 8 + 40 + 14
    assert frame_octets(single_switch(addressing=Addressing(vlan=7)), 1400) == 1400 + 8 + 20 + 14 + 4
