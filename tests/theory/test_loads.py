"""What ways carry and what a packet costs, by arithmetic on drawings and headers."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.schemes import SCHEMES
from testbed.spec import BondOptions, Topology
from testbed.theory.loads import Expected, back, expected, hashed_links
from topologies.ring import ring
from topologies.two_ways import two_ways

#: The frame of 1400 octets of payload: UDP 8, IPv4 20, Ethernet 14; on the wire FCS 4, preamble 8 and gap 12 more.
FRAME, WIRE = 1442, 1466
#: IEC 62439-3: the trailer of PRP, the tag of HSR.
TRAILER = 6


def bonded(mode: str, bond: str = "bonding", **more: Any) -> Topology:
    options = {key: more.pop(key) for key in list(more) if key in ("miimon_ms", "arp_interval_ms", "primary_member")}
    return two_ways(bonding=BondOptions(mode=mode, driver=bond, **options), **more)


def said(topology: Topology, controller: str = "testbed", **failed: Any) -> Expected:
    return expected(topology, SCHEMES[controller].side, 1400, answered=True, **failed)


@pytest.mark.parametrize(
    ("topology", "links", "cost"),
    [
        (bonded("active-backup"), 1, 1),  # h1--s1--h2
        (bonded("802.3ad"), 2, 1),
        (bonded("balance-xor"), 2, 1),
        (bonded("balance-xor", "team"), 2, 1),
        (bonded("ecmp"), 2, 1),
        (bonded("balance-rr"), 2, 1),
        (bonded("broadcast"), 1, 2),
        (bonded("prp"), WIRE / (WIRE + TRAILER), 2 * (FRAME + TRAILER) / FRAME),
        (bonded("hsr", length=2), WIRE / (WIRE + TRAILER), 2 * (FRAME + TRAILER) / FRAME),
        (bonded("802.3ad", ways=3), 3, 1),
        (bonded("broadcast", ways=4), 1, 4),
    ],
)
def test_of_a_whole_network(topology: Topology, links: float, cost: float) -> None:
    found = said(topology)
    assert found.usable_links == pytest.approx(links, abs=0.03 if links == 3 else 1e-3)
    assert found.wire_cost == pytest.approx(cost) and not found.why


@pytest.mark.parametrize(
    ("mode", "failed", "cost"),
    [
        ("active-backup", {"down": ["h1-eth0--s1-eth1"]}, 3 / 2),  # h1--s2--s1--h2: the other end sees no failure
        ("active-backup", {"down": ["s1"]}, 1),  # both ends do
        ("balance-tlb", {"down": ["h1-eth0--s1-eth1"]}, 3 / 2),
        ("802.3ad", {"down": ["h1-eth0--s1-eth1"]}, 1),  # s2 has a port to h2 of its own
        ("802.3ad", {"silent": ["h1-eth0--s1-eth1"]}, 1),
        ("balance-rr", {"down": ["s2"]}, 1),
        ("broadcast", {"down": ["s1"]}, 1),
        ("prp", {"silent": ["h1-eth0--s1-eth1"]}, (FRAME + TRAILER) / FRAME),
    ],
)
def test_with_one_way_left_one_links_worth_is_usable(mode: str, failed: dict[str, Any], cost: float) -> None:
    found = said(bonded(mode), **failed)
    assert found.usable_links == pytest.approx(1, abs=5e-3) and found.wire_cost == pytest.approx(cost)


def test_an_arp_monitor_sees_a_failure_at_the_other_end() -> None:
    topology = bonded("active-backup", arp_interval_ms=100, miimon_ms=0, peer_links=0)
    for link in ("h1-eth0--s1-eth1", "h2-eth0--s1-eth2"):
        assert said(topology, down=[link]) == Expected(1.0, 1.0)


@pytest.mark.parametrize(("controller", "ends"), [("rstp", "switches"), ("fast-failover", "switches"), ("ovs", "lag")])
def test_hosts_with_one_link_have_one_links_worth_by_the_way_that_the_switches_use(controller: str, ends: str) -> None:
    topology = two_ways(ends=ends, length=int(ends == "switches"))
    assert said(topology, controller) == Expected(1.0, 1.0)
    first = next(link.name for link in topology.links if {link.a, link.b} <= {s.name for s in topology.switches})
    assert said(topology, controller, down=[first]) == Expected(1.0, 1.0)


@pytest.mark.parametrize(("root", "links"), [("s1", 3), ("s2", 3), ("s3", 4)])
def test_a_tree_leads_a_frame_round_where_the_link_between_is_not_in_it(root: str, links: int) -> None:
    """Of a ring of three the tree leaves out the link that does not touch the root: h1--s1--s3--s2--h2."""
    side = SCHEMES["rstp"].of({"tree_root": root}).side
    found = expected(ring(switches=3, dual_homed=False), side, 1400, answered=True)
    assert found.wire_cost == pytest.approx(links / 3)


def test_with_nothing_left_nothing_is_usable() -> None:
    found = said(two_ways(ends="lag", length=0), "ovs", down=["e2"])
    assert (found.usable_links, found.wire_cost) == (0.0, None) and "no way is left" in found.why


@pytest.mark.parametrize(
    ("topology", "word"),
    [
        (bonded("balance-tlb"), "ways of 2 and 3 links: balance-tlb decides"),
        (bonded("balance-alb"), "balance-alb tells each peer"),
        (bonded("mptcp"), "RFC 8684"),
    ],
)
def test_what_no_document_says_has_a_reason(topology: Topology, word: str) -> None:
    found = said(topology)
    assert found.wire_cost is None and word in found.why
    assert found.usable_links == (None if "8684" in word else 1.0)


def test_without_a_partner_in_lacp_a_bond_has_no_law() -> None:
    found = expected(bonded("802.3ad"), SCHEMES["static"].side, 1400, answered=False)
    assert found.usable_links is found.wire_cost is None and "partner" in found.why


def test_a_bond_without_a_primary_need_not_be_where_it_was() -> None:
    side, tree = SCHEMES["testbed"].side, SCHEMES["rstp"].side
    assert back(bonded("active-backup"), side) == "" == back(bonded("802.3ad"), side)
    assert back(two_ways(ends="switches"), side) == ""
    assert "no primary" in back(bonded("active-backup", primary_member=-1), side)
    assert "forget addresses" in back(two_ways(ends="switches"), tree)


def test_flows_that_a_hash_places_fill_links_as_binomial_numbers_say() -> None:
    """By hand: of 2 flows of one link's worth each, on 2 links, both are on one in half of all cases: 1.5 on average.
    Of 3 on 2: all on one 1/4, else both are full. With many flows of a little each nothing is lost."""
    assert hashed_links(2, 2, 2.0) == pytest.approx(1.5)
    assert hashed_links(3, 2, 3.0) == pytest.approx(1 / 4 * 1 + 3 / 4 * 2)
    assert hashed_links(128, 2, 0.5) == pytest.approx(0.5)
    assert hashed_links(128, 1, 2.8) == 1.0
    assert 1.999 < hashed_links(128, 2, 2.8) < 2.0
