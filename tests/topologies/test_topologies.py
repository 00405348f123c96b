"""Topologies: each builds for every mode it supports and refuses the others with a reason; drawings are complete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.network import check_runs
from testbed.experiment.plan import build_from_settings, build_topology, topology_defaults
from testbed.faults.elements import elements
from testbed.schemes import SCHEMES
from testbed.spec import MODES, STATIC_LAG_MODES, BondOptions, Topology
from testbed.spec.wiring import Wiring
from testbed.theory import chain
from testbed.theory.reachability import expected, must_connect
from topologies.back_to_back import back_to_back
from topologies.dual_switch import dual_switch
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.ring import ring
from topologies.single_switch import single_switch
from topologies.trunk import trunk
from topologies.two_ways import two_ways
from topologies.unprotected import unprotected

NAMES = (
    "back_to_back",
    "balancer_pair",
    "dual_switch",
    "firewall_pair",
    "gateway_pair",
    "leaf_spine",
    "mlag",
    "ring",
    "service",
    "single_switch",
    "trunk",
    "two_lines",
    "two_sites",
    "two_ways",
    "unprotected",
)
#: bonding.rst: modes that need nothing of independent switches (11.2), and modes that work back to back.
TAKES = {"dual_switch": ("active-backup", "balance-tlb", "balance-alb"), "back_to_back": MODES[:5], "unprotected": ()}


def test_the_names() -> None:
    assert tuple(discovery.names("topologies")) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_builds_or_is_refused(name: str, mode: str) -> None:
    function = discovery.topology(name)
    if "mode" not in topology_defaults(function):
        assert name in ("balancer_pair", "firewall_pair", "gateway_pair", "two_lines", "two_sites", "unprotected")
    elif mode in TAKES.get(name, MODES):
        topology = build_topology(function, {"mode": mode})
        bonds = [host.bond for host in topology.hosts if host.bond]
        assert {bond.mode for bond in bonds} == {mode}
        of_hosts = [lag for lag in topology.lags if lag.name.startswith("lag-")]
        has_lags = name not in TAKES and (mode == "802.3ad" or mode in STATIC_LAG_MODES)
        assert len(of_hosts) == (len(bonds) if has_lags else 0)
        assert {lag.lacp for lag in of_hosts} <= {"active" if mode == "802.3ad" else "off"}
        found = chain.expected(topology, ()) if topology.entry else expected(topology, ())
        assert must_connect(found, topology.ends()) is True
    else:
        with pytest.raises(SpecError, match=rf"{name} does not take mode {re.escape(mode)}: "):
            build_topology(function, {"mode": mode})


def _shown_in_a_document(name: str, place: Path) -> str:
    """The path of a file with the topology of that name, as docs/topologies.md has it."""
    blocks = re.findall(
        r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/topologies.md").read_text(), re.DOTALL
    )
    (text,) = (block for block in blocks if f"\ndef {name}(" in block)
    path = place / f"{name}.py"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"ends": "lag"}, {"ends": "lag", "length": 0}),
        ({}, {"length": 1, "peer_links": 1}),
        ({"ends": "switches"}, {"ends": "switches", "length": 1}),
        ({"bonding": BondOptions(mode="prp")}, {"bonding": BondOptions(mode="prp"), "length": 1, "peer_links": 0}),
    ],
)
def test_the_defaults_of_two_ways_are_what_fits(asked: dict[str, Any], meant: dict[str, Any]) -> None:
    """docs/topologies.md: what -1 stands for."""
    assert two_ways(**asked) == two_ways(**meant)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("racks", {"s1", "s2"}),
        ("office", {"s1", "s2", "desk-eth0--s1-eth1", "desk-eth0"}),  # the desk has one link to one switch
    ],
)
def test_a_topology_that_a_document_shows_survives_what_it_says(name: str, points: set[str], tmp_path: Path) -> None:
    function = discovery.topology(_shown_in_a_document(name, tmp_path))
    topology = build_topology(function, {})
    assert topology.name == name and discovery.survives(function).startswith("Survives ")
    check_runs(topology, {}, "virtual")
    hosts = topology.protected_hosts()
    assert must_connect(expected(topology, ()), hosts) is True
    found = {
        e.name
        for e in elements(topology)
        if must_connect(expected(topology, [e.name], controller_down_s=1.5), hosts) is False
    }
    assert found == points


def test_the_single_points_of_failure_of_gateway_pair_are_those_of_its_table() -> None:
    """docs/topologies.md: the two switches, and the one link of each host."""
    topology = build_topology(discovery.topology("gateway_pair"), {})
    found = {
        e.name
        for e in elements(topology)
        if not must_connect(expected(topology, [e.name], controller_down_s=1.5), ("h1", "h2"))
    }
    assert found == {"s1", "s2", "h1-eth0", "h2-eth0", "h1-eth0--s1-eth1", "h2-eth0--s2-eth1"}


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("two_lines", {"e1", "x", "h1-eth0", "h2-eth0", "e1-eth0", "x-eth2", "e1-eth0--h1-eth0", "x-eth2--h2-eth0"}),
        (
            "two_sites",
            {
                *("x1", "x2", "h1-eth0", "h2-eth0", "x1-eth0", "x2-eth0", "x1-eth0--h1-eth0", "x2-eth0--h2-eth0"),
                *("x1-eth1", "x2-eth1", "x1-eth1--x2-eth1"),
            },
        ),
    ],
)
def test_the_single_points_of_failure_of_networks_with_bgp_are_those_of_their_table(
    name: str, points: set[str]
) -> None:
    """docs/topologies.md; of two_sites for the traffic between its clients."""
    topology = build_topology(discovery.topology(name), {})
    found = {
        e.name for e in elements(topology) if not must_connect(expected(topology, [e.name]), topology.protected_hosts())
    }
    assert found == points


@pytest.mark.parametrize("name", NAMES)
def test_the_file_opens_with_its_drawing_and_says_what_it_survives(name: str) -> None:
    function = discovery.topology(name)
    drawing, topology = discovery.drawing(function), build_topology(function, {})
    assert all(line.isascii() and len(line) <= 120 for line in drawing.splitlines())
    for node in topology.nodes():
        assert re.search(rf"\b{node}\b", drawing), node
    assert discovery.survives(function).startswith("Survives ")
    assert function.__doc__


@pytest.mark.parametrize(
    "name", ["back_to_back", "dual_switch", "mlag", "single_switch", "trunk", "two_ways", "unprotected"]
)
def test_the_drawing_names_every_interface(name: str) -> None:
    """ring and leaf_spine, which may have any number of links, draw the shape only."""
    function = discovery.topology(name)
    drawing = discovery.drawing(function)
    topology = build_topology(function, {"members": 1} if name == "mlag" else {})
    missing = [i for link in topology.links for i in (link.a_interface, link.b_interface) if i not in drawing]
    assert [i for i in missing if not (name == "mlag" and i.startswith("h3"))] == []


def ends(topology: Topology) -> list[str]:
    """The names of all links."""
    return [link.name for link in topology.links]


def test_wiring_of_the_fixed_topologies() -> None:
    assert ends(single_switch()) == ["h1-eth0--s1-eth1", "h1-eth1--s1-eth2", "h2-eth0--s1-eth3", "h2-eth1--s1-eth4"]
    assert ends(mlag(members=2, peer_members=2)) == [
        *("h1-eth0--s1-eth1", "h1-eth1--s2-eth1", "h1-eth2--s1-eth2", "h1-eth3--s2-eth2"),
        *("h2-eth0--s1-eth3", "h2-eth1--s2-eth3", "h2-eth2--s1-eth4", "h2-eth3--s2-eth4"),
        *("s1-eth5--s2-eth5", "s1-eth6--s2-eth6", "h3-eth0--s1-eth7"),
    ]
    assert {(lag.name, lag.system, lag.key) for lag in mlag(peer_members=2).lags} == {
        ("lag-h1", "core", 1),
        ("lag-h2", "core", 2),
        ("peer-s1", "s1", 1),
        ("peer-s2", "s2", 1),
    }
    assert {(system.name, system.system) for system in trunk().systems} == {
        ("s1", "02:01:00:00:00:02"),
        ("s2", "02:01:00:00:00:03"),
    }
    assert ends(dual_switch())[-1] == "s1-eth3--s2-eth3"


def test_back_to_back_has_no_switch() -> None:
    topology = back_to_back(members=3)
    assert topology.switches == () and topology.lags == ()
    assert ends(topology) == ["h1-eth0--h2-eth0", "h1-eth1--h2-eth1", "h1-eth2--h2-eth2"]
    for name in ("testbed", "none", "ovs"):
        SCHEMES[name].check(topology)
        bond = topology.host("h1").bond
        assert bond is not None and SCHEMES[name].answers(topology, bond)  # each host is the other's partner


def test_leaf_spine_grows() -> None:
    topology = leaf_spine(spines=8, leaves=16, hosts=128)
    assert (len(topology.hosts), len(topology.switches), len(topology.links)) == (128, 24, 2 * 128 + 8 * 16)
    assert len({system.system for system in topology.systems}) == 8
    assert {len(topology.interfaces(f"leaf{n}")) for n in range(1, 17)} == {16 + 8}
    assert topology.host("h128").address == "10.0.0.128/24"
    assert {link.rate_mbps for link in topology.links if "spine" in link.name} == {10_000.0}


def test_a_ring_closes() -> None:
    topology = ring(switches=5)
    between = {frozenset((link.a, link.b)) for link in topology.links if link.a[0] == link.b[0] == "s"}
    assert between == {frozenset((f"s{n}", f"s{n % 5 + 1}")) for n in range(1, 6)}
    assert [host.name for host in ring(dual_homed=False).hosts] == ["h1", "h2", "h3", "h4"]
    assert ring(dual_homed=False).lags == ()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ring(switches=2), "ring needs 3 switches or more, not 2\nFor two: --topology trunk, or mlag."),
        (lambda: leaf_spine(leaves=3), "leaf_spine needs leaves in pairs, not 3\nFor example: --set leaves=4"),
        (lambda: leaf_spine(hosts=0), "leaf_spine needs 1 host or more, not 0"),
        (
            lambda: dual_switch(peer_links=2),
            "dual_switch takes peer_links 0 or 1, not 2: independent switches have no LAG",
        ),
        (
            lambda: dual_switch(bonding=BondOptions(mode="802.3ad")),
            "dual_switch does not take mode 802.3ad: its two independent switches cannot form one LAG\n"
            "Use one of the modes active-backup, balance-tlb, balance-alb;"
            " or --topology mlag, whose switches form one LAG.",
        ),
        (
            lambda: dual_switch(peer_links=0),
            "dual_switch with peer_links=0 does not take mode active-backup: hosts that receive on one member only"
            " could not reach each other once they use different switches\n"
            "Leave peer_links at 1, or use one of the modes balance-rr, broadcast.",
        ),
        (
            lambda: back_to_back(bonding=BondOptions(mode="balance-alb")),
            "back_to_back does not take mode balance-alb: it would send on members on which the other bond,"
            " which chooses its members by itself, receives nothing\n"
            "Use another mode, or --topology single_switch.",
        ),
        (lambda: two_ways(ways=1), "two_ways needs 2 ways or more, not 1\nFor one: --topology unprotected."),
        (lambda: two_ways(length=-2), "length of the ways is -2; wanted 0 switches or more"),
        (
            lambda: two_ways(ends="host"),
            "two_ways has ends='host'; wanted hosts, switches or lag\nFor example: --set ends=switches",
        ),
        (
            lambda: two_ways(ends="lag", length=1),
            "two_ways with ends=lag has length=0, not 1: LACP is between the two ends of a link (IEEE 802.1AX-2014,"
            " 6.1.1)\nLeave length out, or type: --set length=0",
        ),
        (
            lambda: two_ways(ends="lag", length=0, peer_links=1),
            "two_ways takes no peer_links with ends=lag, where the ways end at one switch\nLeave peer_links out.",
        ),
        (
            lambda: two_ways(peer_links=2),
            "two_ways takes peer_links 0, 1 or -1 (what the mode wants), not 2: two switches are joined by one link, as"
            " independent switches have no LAG\nFor example: --set peer_links=1",
        ),
        (
            lambda: two_ways(ends="switches", peer_links=0),
            "two_ways takes no peer_links with ends=switches, where the ways end at one switch\nLeave peer_links out.",
        ),
        (
            lambda: two_ways(length=0, peer_links=1),
            "two_ways takes no peer_links with length=0: there is no switch\nLeave peer_links out.",
        ),
        (
            lambda: two_ways(peer_links=0, bonding=BondOptions(mode="active-backup")),
            "two_ways with peer_links=0 does not take mode active-backup: of a failure that one host alone can see the"
            " other learns nothing, and the two would use different ways; an ARP monitor sees the whole way\n"
            "Type: --set peer_links=1. Or: --set arp_interval_ms=100 --set miimon_ms=0",
        ),
        (
            lambda: two_ways(peer_links=0),
            "two_ways with peer_links=0 does not take mode 802.3ad:"
            " its switches, without a link to each other, cannot form one LAG\nType: --set peer_links=1.",
        ),
        (
            lambda: two_ways(length=0, bonding=BondOptions(mode="balance-tlb")),
            "two_ways with length=0 does not take mode balance-tlb: it would send on members on which the other bond,"
            " which chooses its members by itself, receives nothing\nUse another mode, or --set length=1.",
        ),
        (
            lambda: unprotected(switches=0),
            "number of switches s1, s2 ... is 0; wanted 1 or more",
        ),
    ],
)
def test_an_impossible_topology_is_refused_with_the_reason(make: object, text: str) -> None:
    assert callable(make)
    with pytest.raises(SpecError) as caught:
        make()
    assert str(caught.value) == text


def joined(topology: Topology, *gone: str) -> list[set[str]]:
    """The switches of every connected part of the network without the hosts, and without these switches."""
    parts: list[set[str]] = [{switch.name} for switch in topology.switches if switch.name not in gone]
    for link in topology.links:
        ends = [part for part in parts if link.a in part or link.b in part]
        if len(ends) == 2 and link.a[0] != "h" != link.b[0]:
            parts = [part for part in parts if part not in ends] + [ends[0] | ends[1]]
    return parts


@pytest.mark.parametrize(("ways", "length"), [(2, 1), (2, 3), (3, 2), (16, 1)])
def test_two_ways_are_disjoint(ways: int, length: int) -> None:
    topology = two_ways(ways=ways, length=length, bonding=BondOptions(mode="broadcast"), peer_links=0)
    rows = joined(topology)
    assert [len(row) for row in rows] == [length] * ways
    for host in ("h1", "h2"):
        assert len(topology.members(host)) == ways
        for member, row in zip(topology.members(host), rows, strict=True):  # member i is on way i, at both hosts
            assert topology.far(member).node in row


def test_peer_links_join_the_ways_beside_each_host() -> None:
    topology = two_ways(ways=3, length=2)
    assert joined(topology) == [{f"s{number}" for number in range(1, 7)}]
    between = {frozenset((link.a, link.b)) for link in topology.links if link.a[0] == link.b[0] == "s"}
    rows = {frozenset(pair) for pair in (("s1", "s2"), ("s3", "s4"), ("s5", "s6"))}
    assert between - rows == {frozenset(p) for p in (("s1", "s3"), ("s3", "s5"), ("s2", "s4"), ("s4", "s6"))}
    assert [(lag.name, lag.system) for lag in topology.lags] == [("lag-h1", "left"), ("lag-h2", "right")]
    assert [(lag.name, lag.system) for lag in two_ways().lags] == [("lag-h1", "core"), ("lag-h2", "core")]


@pytest.mark.parametrize("length", [0, 1, 3])
def test_ways_between_switches_are_disjoint_but_for_their_ends(length: int) -> None:
    topology = two_ways(ways=4, length=length, ends="switches")
    assert len(topology.switches) == 2 + 4 * length and len(topology.links) == 2 + 4 * (length + 1)
    assert [len(part) for part in joined(topology, "e1", "e2")] == [length] * 4 * bool(length)
    assert [topology.far(f"{host}-eth0").node for host in ("h1", "h2")] == ["e1", "e2"]


def test_ways_that_are_a_lag_are_one_of_each_switch() -> None:
    topology = two_ways(ways=3, length=0, ends="lag")
    own = {lag.name: lag.ports for lag in topology.lags}
    assert own == {f"ways-{name}": tuple(f"{name}-eth{port}" for port in (2, 3, 4)) for name in ("e1", "e2")}
    assert len(topology.links) == 2 + 3 and [lag.system for lag in topology.lags] == ["e1", "e2"]


def test_separate_networks_support_modes_that_send_on_both() -> None:
    for mode in ("balance-rr", "broadcast"):
        topology = dual_switch(peer_links=0, bonding=BondOptions(mode=mode))
        assert len(topology.links) == 4 and topology.lags == ()


@pytest.mark.parametrize("failed", ["h1-eth0--s1-eth1", "s1", "s1-eth2--s2-eth2"])
def test_an_arp_monitor_leaves_a_way_wherever_it_is_broken(failed: str) -> None:
    bonding = BondOptions(mode="active-backup", arp_interval_ms=100, miimon_ms=0, arp_validate="all")
    topology = two_ways(length=2, peer_links=0, bonding=bonding)
    assert must_connect(expected(topology, [failed]), ("h1", "h2")) is True


def test_a_level_that_the_topology_would_choose_itself_may_be_given() -> None:
    function = discovery.topology("two_ways")
    assert build_from_settings(function, {"peer_links": "1"}) == build_topology(function, {})


def test_a_protected_host_has_to_be_there() -> None:
    net = Wiring()
    (switch,) = net.switches(1)
    net.single("h1", switch)
    topology = net.topology("one")
    with pytest.raises(SpecError, match=r"unknown protected host of topology 'one' 'h2'"):
        Topology("one", topology.hosts, topology.switches, topology.links, protected=("h2",))


@pytest.mark.parametrize("name", NAMES)
def test_a_topology_is_the_same_after_json(name: str) -> None:
    topology = build_topology(discovery.topology(name), {})
    assert Topology.from_json(topology.to_json()) == topology


def test_the_users_own_file_may_use_the_same_pieces(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        '"""A bonded host and a plain one.\n\n      h1 == s1 -- h2\n\nSurvives little.\n"""\n'
        "from testbed.spec import BondOptions\n"
        "from testbed.spec.wiring import Wiring\n"
        "def mine(*, members=2, bonding=BondOptions()):\n"
        "    net = Wiring(bonding=bonding)\n"
        "    (switch,) = net.switches(1)\n"
        "    net.bonded('h1', [switch] * members)\n"
        "    net.single('h2', switch)\n"
        "    return net.topology('mine')\n"
    )
    function = discovery.topology(str(mine))
    topology = build_topology(function, {"members": 3, "mode": "802.3ad"})
    assert topology.lags[0].ports == ("s1-eth1", "s1-eth2", "s1-eth3")
    assert topology.protected_hosts() == ("h1", "h2")
    assert discovery.survives(function) == "Survives little."
    assert discovery.drawing(function) == "      h1 == s1 -- h2"
