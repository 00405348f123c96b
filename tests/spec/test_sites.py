"""A service at several sites as a value: what is refused, and which server a client takes first."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import SpecError
from testbed.spec import Server, SiteOptions, Sites, Topology
from topologies.two_sites import two_sites


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"by": "mail"}, "sites_by"),
        ({"check_ms": 50}, "site_check_ms is 50; wanted 100 or more"),
        ({"fall": 0}, "site_fall is 0; wanted 1 or more"),
        ({"rise": 0}, "site_rise is 0; wanted 1 or more"),
        ({"timeout_ms": 2000}, "before the time-out of this one"),
        ({"ttl_s": 30}, "dns_ttl_s has no effect with sites_by=anycast"),
        ({"ttl_s": 0, "by": "dns"}, "dns_ttl_s is 0; wanted 1 or more"),
        ({"by": "dns", "check_ms": 2500}, "site_check_ms is 2500; wanted whole seconds, 2000 or more"),
        ({"switchover_s": 0.0}, "switchover_s is 0; wanted 0.1 or more"),
        ({"by": "dns", "timeout_ms": 500}, "site_timeout_ms is 500; wanted whole seconds, 1000 or more"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, str | float], why: str) -> None:
    with pytest.raises(SpecError) as caught:
        SiteOptions(**options)  # type: ignore[arg-type]
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"servers": ()}, "has no server"),
        ({"servers": ("w1", "w1")}, "found twice: w1"),
        ({"near": ("10.0.0.0/24",)}, "have 1 subnets near to them"),
        ({"near": ("10.0.0.0/24", "near")}, "is no IPv4 prefix"),
        ({"ttl_s": 0}, "ttl_s goes with name_servers"),
        ({"name_servers": ("ns", "ns")}, "found twice: ns"),
        ({"places": (("w1",), ("a",))}, "places are the machines of each site"),
        ({"places": (("a", "w1"), ("a", "w2"))}, "found twice: a"),
        ({"switchover_s": 5.0}, "checked, or switched over by hand"),
        ({"check_ms": 0}, "checked, or switched over by hand"),
        ({"check_ms": 0, "switchover_s": 5.0, "servers": ("w1", "w2", "w3")}, "between two sites"),
    ],
)
def test_sites_that_do_not_fit_together_are_refused(fields: dict[str, object], why: str) -> None:
    sites = SiteOptions(by="dns").named(("w1", "w2"), ("ns",))
    with pytest.raises(SpecError) as caught:
        dataclasses.replace(sites, **fields)  # type: ignore[arg-type]
    assert why in caught.value.message


def changed(by: str, **fields: object) -> Topology:
    topology = two_sites(site=SiteOptions(by=by))
    return dataclasses.replace(topology, sites=(dataclasses.replace(topology.sites[0], **fields),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("by", "fields", "why"),
    [
        ("dns", {"name_servers": ("w1",)}, "the name server of w1 and w2 is 'w1'"),
        ("dns", {"name_servers": ("x1",)}, "the name server of w1 and w2 is 'x1'"),
        ("anycast", {"servers": ("w1", "h1"), "places": ()}, "h1"),
        ("dns", {"places": (("a", "w1"), ("z", "w2"))}, "machine of the sites of w1 and w2"),
    ],
)
def test_sites_that_the_network_does_not_have_are_refused(by: str, fields: dict[str, object], why: str) -> None:
    with pytest.raises(SpecError) as caught:
        changed(by, **fields)
    assert why in caught.value.message


def test_servers_without_one_port_or_one_address_are_refused() -> None:
    topology = two_sites()
    with pytest.raises(SpecError) as caught:
        dataclasses.replace(topology, servers=(Server("w1"), Server("w2", 8080)))
    assert "different ports" in caught.value.message
    with pytest.raises(SpecError) as caught:
        dataclasses.replace(topology, servers=(Server("w1"), Server("h1")), sites=(Sites(("h1",), *_rest(topology)),))
    assert "share no anycast address" in caught.value.message


def _rest(topology: Topology) -> tuple[object, ...]:
    return dataclasses.astuple(dataclasses.replace(topology.sites[0], places=()))[1:]


@pytest.mark.parametrize("by", ["anycast", "dns"])
def test_a_network_of_sites_is_the_same_after_json(by: str) -> None:
    topology = two_sites(site=SiteOptions(by=by))
    assert Topology.from_json(topology.to_json()) == topology
    beside = {"anycast": ("w1:site_check", "w2:site_check"), "dns": ("ns:gdnsd",)}[by]
    assert topology.services()[-len(beside) :] == beside


@given(st.permutations(["a", "b", "c"]), st.ip_addresses(v=4).map(str))
def test_every_client_takes_every_server_once_the_nearest_first(servers: list[str], client: str) -> None:
    near = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24")
    sites = dataclasses.replace(SiteOptions(by="dns").named(tuple(servers), ("ns",)), near=near)
    assert sorted(sites.order(client)) == ["a", "b", "c"]
    for address, place in (("10.9.9.9", 0), ("10.1.9.9", 1), ("10.1.2.9", 2)):
        assert sites.order(address)[0] == servers[place]
    assert sites.order("192.0.2.1") == tuple(servers)


@pytest.mark.parametrize(
    ("sites", "options", "why"),
    [
        ("active", {"switchover_s": 5.0}, "switchover_s has no effect unless sites=by_hand"),
        ("by_hand", {"fall": 2}, "site_fall has no effect with sites=by_hand"),
        ("by_hand", {"check_ms": 4000, "by": "dns"}, "site_check_ms has no effect with sites=by_hand"),
        ("somehow", {}, "sites"),
    ],
)
def test_what_the_way_to_the_second_site_leaves_without_effect_is_refused(
    sites: str, options: dict[str, str | float], why: str
) -> None:
    with pytest.raises(SpecError) as caught:
        two_sites(site=SiteOptions(**options), sites=sites)  # type: ignore[arg-type]
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("by", "name_servers", "why"),
    [("anycast", 2, "no effect with sites_by=anycast"), ("dns", 3, "name_servers"), ("dns", 0, "name_servers")],
)
def test_name_servers_that_cannot_be_are_refused(by: str, name_servers: int, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        SiteOptions(by=by, name_servers=name_servers)
    assert why in caught.value.message


def test_by_hand_nothing_is_checked_and_one_speaker_waits() -> None:
    anycast, dns = (two_sites(site=SiteOptions(by=by), sites="by_hand") for by in ("anycast", "dns"))
    assert {name for name in anycast.services() if name.endswith("site_check")} == set()
    assert [each.machine for each in anycast.bgp[0].speakers if each.by_hand] == ["w2"]
    assert dns.sites[0].order("10.1.0.2") == ("w1", "w2") and not any(each.by_hand for each in dns.bgp[0].speakers)
    with pytest.raises(SpecError) as caught:
        dataclasses.replace(anycast, sites=two_sites().sites)
    assert "speakers that wait for an operator are w2" in caught.value.message


def test_two_name_servers_are_at_two_places_and_each_has_its_service() -> None:
    topology = two_sites(site=SiteOptions(by="dns", name_servers=2))
    assert topology.sites[0].name_servers == ("ns", "ns2")
    assert {"ns:gdnsd", "ns2:gdnsd"} <= set(topology.services())
    assert {link.beyond(name) for link in topology.links for name in ("ns", "ns2") if name in (link.a, link.b)} == {
        "x1",
        "x2",
    }
