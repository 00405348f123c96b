"""Packets stay in the VRF that they came into: which hosts of two tenants reach each other, and by whom."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from testbed.spec import SwitchSide, Topology, VrrpOptions
from testbed.theory import OutageBound, gateways, reachability, vrrp
from testbed.theory.forwarding import without
from topologies.gateway_pair import gateway_pair

SPLIT = gateway_pair(tenants=2, vrrp_masters="split", vrrp=VrrpOptions(advert_ms=100))
HOSTS = ("h1", "h2", "h3", "h4")
OF_ONE = ({"h1", "h2"}, {"h3", "h4"})


def shared(topology: Topology) -> Topology:
    """The same routers with one table each."""
    routers = tuple(
        dataclasses.replace(each, attachments=tuple(dataclasses.replace(own, vrf="") for own in each.attachments))
        for each in topology.routers
    )
    return dataclasses.replace(topology, routers=routers)


@pytest.mark.parametrize(("a", "b"), list(itertools.permutations(HOSTS, 2)))
def test_hosts_reach_their_own_tenant_alone(a: str, b: str) -> None:
    """networking/vrf.rst: each VRF is a table of its own; what it lacks is unreachable."""
    way = without(SPLIT).way(a, b)
    assert way.connected is ({a, b} in OF_ONE)
    if way.connected:
        assert way.machines == (a, "r1" if a in OF_ONE[0] else "r2", b)
    else:
        assert "has no route to" in way.why and "in its VRF tenant" in way.why


def test_with_one_table_the_same_routers_join_the_tenants() -> None:
    assert without(shared(SPLIT)).way("h1", "h3").connected is True


def test_a_tenants_router_is_not_reached_by_the_other_one() -> None:
    assert without(SPLIT).trail("h1", "10.1.0.253") == ("h1", "r1")
    assert without(SPLIT).trail("h1", "10.2.0.253") == ()


def test_each_tenant_loses_its_own_master_and_no_other() -> None:
    assert without(SPLIT, "r1").way("h1", "h2").machines == ("h1", "r2", "h2")
    assert without(SPLIT, "r1").way("h3", "h4").machines == ("h3", "r2", "h4")
    assert without(SPLIT, "r2").way("h3", "h4").machines == ("h3", "r1", "h4")


def test_the_measured_tenant_is_the_first() -> None:
    assert gateways.tenants(SPLIT) == [("h1", "h2"), ("h3", "h4")]
    assert gateways.tenants(dataclasses.replace(SPLIT, protected=("h4", "h3"))) == [("h4", "h3"), ("h1", "h2")]
    assert gateways.tenants(gateway_pair()) == []


@pytest.mark.parametrize(
    ("masters", "fault", "hit"),
    [
        ("split", "router_crash", False),
        ("same", "router_crash", True),
        ("same", "service_stop", False),  # the kernel forwards
        ("same", "carrier_loss", False),  # a cable is one tenant's
    ],
)
def test_what_a_tenant_feels_of_the_others_router(masters: str, fault: str, hit: bool) -> None:
    """A = 100 ms, priority 100: 2A + skew to 3A + skew, skew 156/256 A."""
    topology = gateway_pair(tenants=2, vrrp_masters=masters, vrrp=VrrpOptions(advert_ms=100))
    found = vrrp.beside(topology.vrrp[1], topology.vrrp[0], fault)
    assert isinstance(found, OutageBound)
    assert (found.low_s, found.bound_s) == (pytest.approx((0.2609375, 0.3609375)) if hit else (0.0, 0.0))


@pytest.mark.parametrize(("a", "b"), list(itertools.permutations(HOSTS, 2)))
def test_hosts_of_two_tenants_are_parted(a: str, b: str) -> None:
    why = gateways.blocked_either_way(SPLIT, a, b)
    assert (why is None) is ({a, b} in OF_ONE)
    assert why is None or "type: --set pair=h1+h2 or --set pair=h3+h4" in why
    assert gateways.blocked_either_way(shared(SPLIT), a, b) is None


@pytest.mark.parametrize("masters", ["same", "split"])
@pytest.mark.parametrize("pair", [("h1", "h2"), ("h3", "h4")])
def test_what_is_anothers_costs_a_tenant_nothing(masters: str, pair: tuple[str, str]) -> None:
    """keepalived tracks each tenant's interfaces for that tenant's group alone (keepalived.conf(5), track_interface).

    Of a tenant's own master 3A and its skew are to wait, (256 - 100)/256 s: 3609.375 ms (RFC 5798).
    """
    topology = gateway_pair(tenants=2, vrrp_masters=masters)
    ways = {("h1", "h2"): ("r1-eth0", "r1-eth1", "s1", "s2"), ("h3", "h4"): ("r1-eth2", "r1-eth3", "s3", "s4")}
    other = next(each for each in ways if each != pair)

    def bound_s(failed: str) -> float | None:
        found = reachability.between(reachability.expected(topology, [failed], side=SwitchSide()), *pair)
        return None if found.bound is None else found.bound.bound_s

    for name in ways[other]:
        machine = name.partition("-")[0]
        link = [topology.link_of(name).name] if machine != name else []
        assert [bound_s(each) for each in (name, *link)] == [0.0] * (1 + len(link)), name
    for name in ways[pair][2:]:
        assert bound_s(name) is None, name
    mine = "r2" if masters == "split" and pair == ("h3", "h4") else "r1"
    theirs = "r1" if mine == "r2" else "r2"
    assert bound_s(mine) == pytest.approx(3.609375) and bound_s(theirs) == 0.0
    own = ways[pair][0].replace("r1", mine)
    assert bound_s(own) == pytest.approx(3.609375)
    assert bound_s(own.replace(mine, theirs)) == 0.0


def test_without_vrfs_every_switch_is_of_a_pair() -> None:
    one_table = shared(gateway_pair(tenants=2))
    found = gateways.bound(without(one_table, "s3"), "h1", "h2")
    assert found is None
