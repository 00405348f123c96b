"""PRP and HSR: which networks carry them, and what they refuse (IEC 62439-3, clauses 4 and 5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.errors import SpecError
from testbed.spec import Addressing, BondOptions, Topology, parse_mode
from testbed.spec.wiring import Wiring
from topologies.back_to_back import back_to_back
from topologies.dual_switch import dual_switch
from topologies.mlag import mlag
from topologies.single_switch import single_switch
from topologies.two_ways import two_ways

PRP, HSR, ECMP = BondOptions(mode="prp"), BondOptions(mode="hsr"), BondOptions(mode="ecmp")


def crossed(options: BondOptions = PRP) -> Topology:
    """Port A of h1 and port B of h2 on one switch, and the other way round."""
    net = Wiring(bonding=options)
    one, other = net.switches(2)
    net.bonded("h1", [one, other])
    net.bonded("h2", [other, one])
    return net.topology("crossed")


def mixed() -> Topology:
    """A ring of which one node knows no HSR."""
    net = Wiring(bonding=HSR)
    ends = [net.link("h1", "h2"), net.link("h2", "h3"), net.link("h3", "h1")]
    net.bond("h1", [ends[0], ends[2][::-1]])
    net.bond("h2", [ends[1], ends[0][::-1]])
    net.bond("h3", [ends[2], ends[1][::-1]], lag=False, bonding=BondOptions(mode="balance-rr"))
    return net.topology("mixed")


@pytest.mark.parametrize("options", [PRP, HSR], ids=["prp", "hsr"])
def test_the_mode_brings_its_driver(options: BondOptions) -> None:
    assert options.driver == "hsr" and parse_mode(options.mode) == options.mode
    assert options.over(("h1-eth0", "h1-eth1")).name == "hsr0"


@pytest.mark.parametrize("make", [two_ways, back_to_back])
@pytest.mark.parametrize("options", [PRP, HSR], ids=["prp", "hsr"])
def test_a_network_of_two_ways_carries_both(make: Callable[..., Topology], options: BondOptions) -> None:
    topology = make(bonding=options)
    assert topology.lags == () and topology.pair == ("h1", "h2")
    assert Topology.from_json(topology.to_json()) == topology


def test_a_ring_of_hsr_has_nodes_and_no_switch() -> None:
    topology = two_ways(bonding=HSR, length=2)
    assert topology.switches == () and topology.relays() == {"h1", "h2", "n1", "n2", "n3", "n4"}
    assert [(link.a, link.b) for link in topology.links] == [
        *(("h1", "n1"), ("n1", "n2"), ("n2", "h2")),
        *(("h1", "n3"), ("n3", "n4"), ("n4", "h2")),
    ]
    assert all(len(topology.members(host.name)) == 2 for host in topology.hosts)
    assert topology.protected_hosts() == ("h1", "h2")


_ONE_LAN = (
    "mode prp: h1-eth0 and h1-eth1 are both in the network of {}, but one is port A and the other port B;"
    " LANs A and B are independent, and port A of every node is in LAN A (IEC 62439-3, 4.1)\n"
    "For example: --topology two_ways"
)
_NO_NODE = (
    "mode hsr: h1-eth0 leads to s1, which is no HSR node; a ring of HSR has no others (IEC 62439-3, 5.1)\n"
    "For example: --topology two_ways, or --topology back_to_back"
)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: single_switch(bonding=PRP), _ONE_LAN.format("s1")),
        (lambda: mlag(bonding=PRP), _ONE_LAN.format("s1 and s2")),
        (lambda: dual_switch(bonding=PRP), _ONE_LAN.format("s1 and s2")),
        (
            crossed,
            "mode prp: h1-eth1 and h2-eth0 are both in the network of s2, but one is port B and the other port A;"
            " LANs A and B are independent, and port A of every node is in LAN A (IEC 62439-3, 4.1)\n"
            "For example: --topology two_ways",
        ),
        (lambda: single_switch(bonding=HSR), _NO_NODE),
        (lambda: dual_switch(bonding=HSR, peer_links=0), _NO_NODE),
        (
            mixed,
            "mode hsr: h1-eth1 leads to h3, which is no HSR node; a ring of HSR has no others (IEC 62439-3, 5.1)\n"
            "For example: --topology two_ways, or --topology back_to_back",
        ),
        (
            lambda: two_ways(bonding=PRP, ways=3),
            "mode prp has 3 members: h1-eth0, h1-eth1, h1-eth2; wanted two, ports A and B of a node (IEC 62439-3)\n"
            "For example: --set members=2, or --set ways=2",
        ),
        (
            lambda: two_ways(bonding=PRP, peer_links=1),
            "two_ways with peer_links=1 does not take mode prp: its two networks are independent (IEC 62439-3, 4.1)\n"
            "Leave peer_links out.",
        ),
        (
            lambda: two_ways(bonding=HSR, ways=3),
            "two_ways in mode hsr has 2 ways, not 3: a node has two ports (IEC 62439-3, 5.1)",
        ),
        (
            lambda: two_ways(bonding=HSR, peer_links=0),
            "two_ways takes no peer_links in mode hsr: its ways are one ring\nLeave peer_links out.",
        ),
        (
            lambda: mlag(bonding=ECMP),
            "mode ecmp: host h3 has one link, and no address on the other hosts' ways\n"
            "For example: --topology two_ways",
        ),
        (
            lambda: two_ways(bonding=ECMP, addressing=Addressing(ip=6)),
            "mode ecmp is here for IPv4 without a VLAN, not for IPv6: each way has a subnet of its own\n"
            "Leave ip and vlan out.",
        ),
        (
            lambda: crossed(ECMP),
            "mode ecmp: h1-eth0 and h2-eth0 have one place among the members of their hosts, but not one network:"
            " each way is a subnet of its own\nFor example: --topology two_ways",
        ),
        (
            lambda: BondOptions(mode="ecmp", ecmp_buckets=128).over(("a", "b")),
            "ecmp_buckets=128 needs ecmp_group=resilient: hash-threshold has no buckets\n"
            "For example: --set ecmp_group=resilient",
        ),
        (
            lambda: BondOptions(mode="ecmp", xmit_hash_policy="layer2"),
            "xmit_hash_policy=layer2 cannot be had in mode ecmp: its interfaces are no bond; routes choose among them,"
            " and see their carrier by themselves\nLeave xmit_hash_policy out, or choose another mode.",
        ),
        (
            lambda: BondOptions(mode="prp", miimon_ms=50),
            "miimon_ms=50 cannot be had in mode prp: it sends every frame by both ports, so nothing is monitored,"
            " chosen or hashed (IEC 62439-3)\nLeave miimon_ms out, or choose another mode.",
        ),
        (
            lambda: BondOptions(mode="hsr", driver="team"),
            "bond=team has no mode hsr, which is of the driver hsr\nLeave bond out: it follows from the mode.",
        ),
        (
            lambda: BondOptions(mode="active-backup", driver="hsr"),
            "bond=hsr has no mode active-backup, only prp, hsr\nLeave bond out: it follows from the mode.",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(make: Callable[[], object], text: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert str(caught.value) == text


def test_separate_switches_of_dual_switch_are_two_lans() -> None:
    assert len(dual_switch(bonding=PRP, peer_links=0).links) == 4
