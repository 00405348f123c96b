"""Drawings: they show every node and link of any topology, nothing overlaps, and what is marked stands out."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from testbed import drawing
from testbed.drawing.layout import lay_out
from testbed.drawing.tiers import tiers
from testbed.spec import BalancerOptions, BondOptions, Cable, FirewallOptions, SiteOptions, Topology, VrrpOptions
from testbed.spec.wiring import Wiring
from topologies.back_to_back import back_to_back
from topologies.balancer_pair import balancer_pair
from topologies.dual_switch import dual_switch
from topologies.firewall_pair import firewall_pair
from topologies.gateway_pair import gateway_pair
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.ring import ring
from topologies.service import service
from topologies.single_switch import single_switch
from topologies.trunk import trunk
from topologies.two_lines import two_lines
from topologies.two_sites import two_sites
from topologies.two_ways import two_ways
from topologies.unprotected import unprotected

ALL = (
    back_to_back(),
    single_switch(members=4),
    dual_switch(),
    mlag(),
    mlag(members=2, peer_members=2),
    trunk(),
    ring(),
    ring(switches=7, dual_homed=False),
    leaf_spine(),
    leaf_spine(spines=4, leaves=8, hosts=16),
    unprotected(switches=4),
    two_ways(),
    two_ways(length=2),
    two_ways(ways=4, ends="switches"),
)
every = pytest.mark.parametrize("topology", ALL, ids=lambda topology: f"{topology.name}-{len(topology.links)}")


def test_the_picture_of_two_hosts_on_two_switches() -> None:
    assert "\n".join(drawing.picture(mlag())) == (
        """\
           ┌───────────────┐
           │               │
         ┌─┴──┐          ┌─┴──┐
         │ s1 │          │ s2 │
         └──┬─┘          └──┬─┘
    ┌───────┴─────┬─────────│────┐
    │ ┌───────────│─┬───────┘    │
    ║ ║           ║ ║            │
┌───┴─┴────┐  ┌───┴─┴────┐  ┌────┴─────┐
│    h1    │  │    h2    │  │    h3    │
│  bond0   │  │  bond0   │  │ 10.0.0.3 │
│ 10.0.0.1 │  │ 10.0.0.2 │  │          │
└──────────┘  └──────────┘  └──────────┘"""
    )


@every
def test_a_picture_has_every_node_once_and_a_stroke_for_every_link(topology: Topology) -> None:
    lines = drawing.picture(topology, width=1000)
    text = "\n".join(lines)
    for node in topology.nodes():
        assert len(re.findall(rf"\b{node}\b", text)) == 1
    strokes = Counter(character for line in lines for character in line if character in "║✗")
    members = {i for host in topology.hosts if host.bond for i in host.bond.members}
    members |= {port for lag in topology.lags for port in lag.ports}
    assert strokes["✗"] == 0
    bundled = [link for link in topology.links if {link.a_interface, link.b_interface} & members]
    level = {name: number for number, tier in enumerate(tiers(topology)) for name in tier}
    twice = sum(level[link.a] == level[link.b] for link in bundled)  # within a tier a link enters two nodes from above
    assert strokes["║"] == len(bundled) + twice


def test_a_picture_that_would_be_too_wide_is_none() -> None:
    assert drawing.picture(leaf_spine(hosts=16), width=80) == []
    assert drawing.picture(leaf_spine(hosts=16), width=300) != []


def test_what_is_marked_stands_out() -> None:
    topology = single_switch()
    text = "\n".join(drawing.picture(topology, ["s1", "h1-eth0--s1-eth1"]))
    assert "✗ s1" in text and text.count("✗") == 2 and text.count("║") == 3
    crossed = [line.split()[0] for line in drawing.listing(topology, ["s1", "h2-eth1"]) if line.endswith("✗")]
    assert crossed == ["h2-eth1", "s1"]
    root = ET.fromstring(drawing.svg(topology, ["s1", "h1-eth0"]))
    marked = [each.get("class") for each in root.iter() if "marked" in (each.get("class") or "")]
    assert sorted(map(str, marked)) == ["member marked", "switch marked"]


def test_the_list_shows_addresses_rates_bonds_lags_and_systems() -> None:
    topology = trunk(cable=Cable(rate_mbps=100, delay_ms=2), bonding=BondOptions(miimon_ms=50, lacp_rate="slow"))
    lines = drawing.listing(topology)
    assert "h1  10.0.0.1/24  bond0: 802.3ad, miimon 50 ms, LACP slow" in lines
    assert "    h1-eth0  =====  s1-eth1  s1  100 Mbit/s, 2 ms  lag-h1" in lines
    assert "s1  datapath 1, ports to hosts: 2" in lines
    assert "    s1-eth3  =====  s2-eth3  s2  100 Mbit/s, 2 ms  trunk-s1" in lines
    assert "LACP system s2  02:01:00:00:00:03, priority 32768" in lines
    assert "    lag-h2  s2-eth1, s2-eth2; key 1, active, slow" in lines
    backup = drawing.listing(dual_switch(bonding=BondOptions(mode="active-backup", primary_member=1)))
    assert "h1  10.0.0.1/24  bond0: active-backup, miimon 100 ms, primary h1-eth1" in backup
    static = drawing.listing(single_switch(bonding=BondOptions(mode="balance-xor")))
    assert static[static.index("static LAGs") + 1] == "    lag-h1  s1-eth1, s1-eth2"
    service = "service  10.0.0.254:80: b1, b2 by layer 4 dr to w1, w2, w3; 3 checks every 1000 ms"
    assert service in drawing.listing(balancer_pair())


def test_every_drawing_says_what_each_machine_of_the_chain_is() -> None:
    topology = service()
    wanted = {
        **dict.fromkeys(("ia", "ib"), "provider"),
        **dict.fromkeys(("f1", "f2"), "firewall"),
        **dict.fromkeys(("b1", "b2"), "balancer"),
        **dict.fromkeys(("w1", "w2"), "server"),
        "c": "client of 10.63.0.254:80",
    }
    lines = drawing.listing(topology)
    for name, role in wanted.items():
        assert any(line.split("  ")[0] == name and role in line for line in lines), name
    picture, vector = "\n".join(drawing.picture(topology, width=200)), drawing.svg(topology)
    for word in ("provider", "firewall", "balancer", "server", "client of", "10.63.0.254:80"):
        assert word in picture and f">{word}<" in vector
    published = "published 10.63.0.254:80 leads to 10.1.0.200"
    assert published in vector and any(line.startswith("firewalls  f1, f2 ") and published in line for line in lines)


def test_sites_and_their_name_server_are_listed() -> None:
    assert "sites  10.63.0.254 is at w1, w2, by anycast; 3 checks every 2000 ms" in drawing.listing(two_sites())
    named = drawing.listing(two_sites(site=SiteOptions(by="dns")))
    assert "ns  10.7.0.5/24  name server" in named
    assert "sites  w1 10.2.0.3, w2 10.3.0.4 by DNS of ns, TTL 5 s; 3 checks every 2000 ms" in named


def test_a_drawing_says_which_vrf_each_interface_of_a_router_is_in() -> None:
    drawn = drawing.svg(gateway_pair(tenants=3))
    for number in (1, 2, 3):
        first, second = f"10.{2 * number - 2}.0", f"10.{2 * number - 1}.0"
        for subnet in (first, second):
            assert f">{subnet}.253/24 tenant{number}<" in drawn and f">{subnet}.252/24 tenant{number}<" in drawn
        assert f">VRF  tenant{number} on r1, r2: {first}.0/24, {second}.0/24<" in drawn
    assert "VRF" not in drawing.svg(gateway_pair())


@pytest.mark.parametrize(
    ("topology", "counts"),
    [
        (single_switch(), "single_switch: 2 hosts, 1 switch; links: "),
        (mlag(), "mlag: 3 hosts, 2 switches; links: "),
        (service(switch="single"), "service: 7 hosts, 5 routers, 1 switch; links: "),
        (two_lines(), "two_lines: 2 hosts, 4 routers; links: "),
    ],
    ids=lambda value: value.name if isinstance(value, Topology) else "",
)
def test_a_legend_counts_what_is_there(topology: Topology, counts: str) -> None:
    assert f">{counts}" in drawing.svg(topology)


@pytest.mark.parametrize("routes_by", ["bgp", "static"])
def test_a_provider_is_called_one_whatever_gives_it_its_routes(routes_by: str) -> None:
    lines = drawing.listing(two_lines(routes_by=routes_by))
    assert {"ia  provider", "ib  provider", "e1  router", "x  router"} <= set(lines)


@pytest.mark.parametrize(
    ("topology", "first", "virtual"),
    [
        (gateway_pair(), ["gateway", "10.0.0.253/24", "10.1.0.253/24"], "10.0.0.254/24, 10.1.0.254/24"),
        (
            firewall_pair(),
            ["firewall", "10.0.0.253/24", "10.1.0.253/24", "10.2.0.253/24"],
            "10.0.0.254/24, 10.1.0.254/24",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Topology) else "",
)
def test_routers_are_drawn_as_routers_with_their_addresses(topology: Topology, first: list[str], virtual: str) -> None:
    assert "s1  datapath 1, ports to hosts: 1, ports to routers: 2" in drawing.listing(topology)
    root = ET.fromstring(drawing.svg(topology))
    kinds = Counter(each.get("class") for each in root.iter() if each.tag.endswith("rect"))
    assert (kinds["host"], kinds["router"], kinds["switch"]) == (2, 2, 2)
    node = lay_out(topology).nodes[topology.routers[0].name]
    inside = [t for t in lay_out(topology).texts if t.kind == "small" and abs(t.x - node.middle) < 1]
    inside = [t for t in inside if node.y < t.box[1] and t.box[3] < node.y + node.height]
    assert [t.text for t in inside] == first
    legend = [t.text for t in lay_out(topology).texts if t.kind == "legend"]
    assert any(text.startswith(f"VRRP  {virtual}: {topology.routers[0].name} 200, ") for text in legend)


@every
def test_the_list_names_every_interface(topology: Topology) -> None:
    text = "\n".join(drawing.listing(topology))
    for link in topology.links:
        for interface in (link.a_interface, link.b_interface):
            assert re.search(rf"\b{interface}\b", text), interface


@every
def test_the_svg_names_every_node_and_link_and_is_well_formed(topology: Topology) -> None:
    root = ET.fromstring(drawing.svg(topology))
    texts = {each.text for each in root.iter() if each.tag.endswith("text")}
    assert set(topology.nodes()) <= texts
    titles = [each.text or "" for each in root.iter() if each.tag.endswith("title")]
    for link in topology.links:
        assert any(title.startswith(f"{link.name}, ") for title in titles)
    assert drawing.svg(topology) == drawing.svg(topology)


#: Arguments of each topology's function, for which it is drawn: each with each.
SIZES: tuple[tuple[Callable[..., Topology], dict[str, Iterable[object]]], ...] = (
    (back_to_back, {"members": range(1, 9)}),
    (single_switch, {"members": range(1, 9)}),
    (dual_switch, {"bonding": (BondOptions(mode="active-backup"), BondOptions(mode="balance-tlb"))}),
    (mlag, {"members": (1, 2, 4), "peer_members": (1, 2, 3)}),
    (trunk, {"members": (1, 2, 4), "trunk_members": (1, 2, 4, 6)}),
    (ring, {"switches": range(3, 8), "dual_homed": (True, False)}),
    (leaf_spine, {"spines": (1, 2, 4), "leaves": (2, 4, 6), "hosts": (2, 4, 12)}),
    (firewall_pair, {"firewall": (FirewallOptions(), FirewallOptions(sync="none"))}),
    (balancer_pair, {"balancer": (BalancerOptions(), BalancerOptions(kind="nat")), "servers": (1, 3, 8)}),
    (gateway_pair, {"vrrp": (VrrpOptions(), VrrpOptions(priorities="200+150+100+50")), "tenants": (1, 2, 4)}),
    (two_lines, {"provider_routes": ("all", "default")}),
    (service, {"line": ("pair", "single"), "firewall": ("pair", "single"), "servers": (1, 3)}),
    (two_sites, {"sites": ("active", "standby")}),
    (unprotected, {"switches": range(1, 6)}),
    (two_ways, {"ways": (2, 3, 4), "length": (0, 1, 2, 3, 4)}),
    (two_ways, {"ways": (2, 3, 4), "length": (0, 1, 2, 3, 4), "ends": ("switches",)}),
    (two_ways, {"length": (0, 1, 2, 3, 4), "bonding": (BondOptions(mode="prp"), BondOptions(mode="hsr"))}),
)


def sized() -> Iterator[Topology]:
    for make, sizes in SIZES:
        for values in itertools.product(*sizes.values()):
            yield make(**dict(zip(sizes, values, strict=True)))


def long_names() -> Topology:
    """Names of interfaces of the 15 octets that Linux takes at most (IFNAMSIZ)."""
    net, one, other = Wiring(), "access-one", "access-two"
    net.switch(one)
    net.switch(other)
    for host in ("client-one", "server-two"):
        net.bonded(host, [one, one, one, other, other, other], lag=False, bonding=BondOptions(mode="broadcast"))
    net.join(one, other)
    return net.topology("long_names")


def test_every_topology_is_drawn_in_several_sizes() -> None:
    files = {path.stem for path in (Path(__file__).parents[2] / "topologies").glob("[!_]*.py")}
    assert {make.__name__ for make, _ in SIZES} == files
    assert len({topology.name for topology in sized()}) == len(files) < len(list(sized())) / 5


@pytest.mark.parametrize("topology", [*ALL, *sized(), long_names()], ids=lambda t: f"{t.name}-{len(t.links)}")
def test_nothing_in_the_svg_overlaps_or_leaves_the_page(topology: Topology) -> None:
    layout = lay_out(topology)
    boxes = [(n.x, n.y, n.x + n.width, n.y + n.height, n.name) for n in layout.nodes.values()]
    texts = [(*text.box, text.text) for text in layout.texts]
    outside = [(*text.box, text.text) for text in layout.texts if text.kind in ("port", "legend")]
    pairs = (itertools.combinations(boxes, 2), itertools.combinations(texts, 2), itertools.product(outside, boxes))
    for one, other in itertools.chain(*pairs):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)
    for left, top, right, bottom, what in (*boxes, *texts):
        assert left >= 0 and top >= 0 and right <= layout.width and bottom <= layout.height, what
    for node in layout.nodes.values():
        words = [t for t in layout.texts if t.kind in ("name", "small") and t.text == node.name]
        assert words and all(node.x <= t.box[0] and t.box[2] <= node.x + node.width for t in words)
        for x, y in node.ends.values():
            assert node.x <= x <= node.x + node.width and node.y <= y <= node.y + node.height


def test_rates_are_written_as_usual() -> None:
    assert [drawing.rate_text(rate) for rate in (10.0, 1000.0, 2500.0, None)] == [
        "10 Mbit/s",
        "1 Gbit/s",
        "2.5 Gbit/s",
        "no rate",
    ]


@pytest.mark.parametrize(
    ("mode", "name"), [("prp", "hsr0"), ("hsr", "hsr0"), ("ecmp", "nexthop0"), ("mptcp", "h1-eth0")]
)
def test_a_mode_without_a_monitor_is_listed_without_one(mode: str, name: str) -> None:
    lines = drawing.listing(two_ways(bonding=BondOptions(mode=mode)))
    assert f"h1  10.0.0.1/24  {name}: {mode}" in lines
