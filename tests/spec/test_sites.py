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
        ({"by": "dns", "timeout_ms": 500}, "site_timeout_ms is 500; wanted whole seconds, 1000 or more"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, str | int], why: str) -> None:
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
        ({"ttl_s": 0}, "ttl_s goes with name_server"),
    ],
)
def test_sites_that_do_not_fit_together_are_refused(fields: dict[str, object], why: str) -> None:
    sites = SiteOptions(by="dns").named(("w1", "w2"), "ns")
    with pytest.raises(SpecError) as caught:
        dataclasses.replace(sites, **fields)  # type: ignore[arg-type]
    assert why in caught.value.message


def changed(by: str, **fields: object) -> Topology:
    topology = two_sites(site=SiteOptions(by=by))
    return dataclasses.replace(topology, sites=(dataclasses.replace(topology.sites[0], **fields),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("by", "fields", "why"),
    [
        ("dns", {"name_server": "w1"}, "the name server of w1 and w2 is 'w1'"),
        ("dns", {"name_server": "x1"}, "the name server of w1 and w2 is 'x1'"),
        ("anycast", {"servers": ("w1", "h1")}, "h1"),
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
    return dataclasses.astuple(topology.sites[0])[1:]


@pytest.mark.parametrize("by", ["anycast", "dns"])
def test_a_network_of_sites_is_the_same_after_json(by: str) -> None:
    topology = two_sites(site=SiteOptions(by=by))
    assert Topology.from_json(topology.to_json()) == topology
    beside = {"anycast": ("w1:site_check", "w2:site_check"), "dns": ("ns:gdnsd",)}[by]
    assert topology.services()[-len(beside) :] == beside


@given(st.permutations(["a", "b", "c"]), st.ip_addresses(v=4).map(str))
def test_every_client_takes_every_server_once_the_nearest_first(servers: list[str], client: str) -> None:
    near = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24")
    sites = dataclasses.replace(SiteOptions(by="dns").named(tuple(servers), "ns"), near=near)
    assert sorted(sites.order(client)) == ["a", "b", "c"]
    for address, place in (("10.9.9.9", 0), ("10.1.9.9", 1), ("10.1.2.9", 2)):
        assert sites.order(address)[0] == servers[place]
    assert sites.order("192.0.2.1") == tuple(servers)
