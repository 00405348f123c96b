"""Routers, gateways and VRRP groups as values: what fits together, and what is refused before anything starts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest

from testbed.errors import SpecError
from testbed.spec import (
    Addressing,
    Attachment,
    BalancerOptions,
    Bgp,
    BgpOptions,
    BgpSession,
    BgpSpeaker,
    BondOptions,
    Host,
    Router,
    SwitchSide,
    Topology,
    Vrrp,
    VrrpOptions,
)
from testbed.spec.wiring import Wiring
from testbed.theory import reachability
from topologies.balancer_pair import balancer_pair
from topologies.firewall_pair import firewall_pair
from topologies.gateway_pair import gateway_pair
from topologies.single_switch import single_switch

PAIR = gateway_pair()
TENANTS = gateway_pair(tenants=2)
LATER = dataclasses.replace(TENANTS.vrrp[1], refresh_s=1)
R1 = PAIR.routers[0]


def moved(host: str, **changes: str) -> Topology:
    hosts = tuple(dataclasses.replace(each, **changes) if each.name == host else each for each in PAIR.hosts)  # type: ignore[arg-type]
    return dataclasses.replace(PAIR, hosts=hosts)


def beside(group: Vrrp, topology: Topology = PAIR) -> Topology:
    return dataclasses.replace(topology, vrrp=(*topology.vrrp, group))


def test_two_virtual_routers_of_a_subnet_have_two_identifiers() -> None:
    """RFC 5798, 5.2.3: the identifier tells virtual routers of one network from each other."""
    found, options = balancer_pair(), VrrpOptions(priorities="200")
    with pytest.raises(SpecError) as raised:
        beside(options.over(("w1",), ("10.0.0.99/24",)), found)
    assert "10.0.0.254/24 and 10.0.0.99/24 both have the virtual router identifier 51 in 10.0.0.0/24" in str(
        raised.value
    )
    assert beside(options.over(("w1",), ("10.0.0.99/24",), first_id=61), found).vrrp[1].identifiers == (61,)


def test_each_host_reaches_others_by_the_virtual_address_of_its_subnet() -> None:
    assert [(host.address, host.gateway) for host in PAIR.hosts] == [
        ("10.0.0.1/24", "10.0.0.254"),
        ("10.1.0.2/24", "10.1.0.254"),
    ]
    assert [each.address for each in R1.attachments] == ["10.0.0.253/24", "10.1.0.253/24"]
    (group,) = PAIR.vrrp
    assert group.address_in("10.1.0.0/24") == "10.1.0.254" and group.address_in("10.2.0.0/24") == ""


def test_over_ipv6_each_subnet_has_a_prefix_of_its_own() -> None:
    found = gateway_pair(addressing=Addressing(ip=6))
    assert [host.gateway for host in found.hosts] == ["2001:db8::fe", "2001:db8:0:1::fe"]


def test_there_are_as_many_routers_as_priorities() -> None:
    found = gateway_pair(vrrp=VrrpOptions(priorities="200+150+100"))
    assert [router.name for router in found.routers] == ["r1", "r2", "r3"]
    assert len({address for router in found.routers for address in (each.ip for each in router.attachments)}) == 6


def test_a_network_with_routers_is_the_same_from_its_text() -> None:
    assert Topology.from_json(PAIR.to_json()) == PAIR
    assert Topology.from_json(single_switch().to_json()) == single_switch()


def test_the_machines_are_hosts_and_routers_and_every_name_is_a_node() -> None:
    assert [machine.name for machine in PAIR.machines()] == ["h1", "h2", "r1", "r2"]
    assert PAIR.nodes() == ["h1", "h2", "s1", "s2", "r1", "r2"]
    assert PAIR.services() == ("r1:keepalived", "r2:keepalived")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: VrrpOptions(advert_ms=1005), "vrrp_advert_ms is 1005; wanted a multiple of 10.*centiseconds"),
        (lambda: VrrpOptions(advert_ms=0), "vrrp_advert_ms is 0; wanted 10 or more"),
        (lambda: VrrpOptions(follow="all"), "vrrp_follow.*'all'"),
        (lambda: VrrpOptions(priorities="high"), "vrrp_priorities 'high' is not numbers"),
        (lambda: VrrpOptions(preempt=False, preempt_delay_s=1.0), "vrrp_preempt_delay_s has no effect without"),
        (lambda: gateway_pair(vrrp=VrrpOptions(priorities="200+200")), "two routers of one priority|of two routers"),
        (lambda: gateway_pair(vrrp=VrrpOptions(priorities="255+100")), "wanted 254 or less: 255 owns the address"),
        (
            lambda: dataclasses.replace(PAIR, routers=(Router("r1", R1.attachments[:1]), *PAIR.routers[1:])),
            "'r1' is in one subnet; wanted two or more",
        ),
        (
            lambda: Router("r1", (Attachment("r1-eth0", "10.0.0.1/24"), Attachment("r1-eth1", "10.0.0.2/24"))),
            "subnets of router 'r1' must be different.*10.0.0.0/24",
        ),
        (lambda: Attachment("r1-eth0", "10.0.0.1"), "lacks its prefix length"),
        (lambda: Host("h1", "10.0.0.1/24", gateway="10.1.0.254"), "is not another address of its subnet 10.0.0.0/24"),
        (lambda: Host("h1", "10.0.0.1/24", gateway="r1"), "gateway 'r1' of host 'h1' is not an address"),
        (lambda: moved("h1", gateway="10.0.0.9"), "gateway 10.0.0.9 of host 'h1' is the address of no router"),
        (lambda: moved("h1", address="10.0.0.253/24"), "addresses must be different.*10.0.0.253"),
        (
            lambda: dataclasses.replace(PAIR, vrrp=(VrrpOptions().over(("r1", "r2"), ("10.2.0.254/24",)),)),
            "virtual address 10.2.0.254/24 is in no subnet of router 'r1'",
        ),
        (
            lambda: dataclasses.replace(PAIR, vrrp=(VrrpOptions().over(("r1", "r9"), ("10.0.0.254/24",)),)),
            "router of a VRRP group 'r9'",
        ),
        (lambda: VrrpOptions(priorities="200").over(("r1",), ()), "has no virtual address; wanted one or more"),
        (lambda: dataclasses.replace(PAIR.vrrp[0], advert_ms=5), "vrrp_advert_ms is 5; wanted 10 or more"),
        (lambda: dataclasses.replace(PAIR.vrrp[0], first_id=0), "first virtual router identifier is 0; wanted 1"),
        (lambda: dataclasses.replace(PAIR.vrrp[0], first_id=255), "last .* is 256; wanted 255 or less: RFC 5798"),
        (lambda: beside(VrrpOptions().over(("r1", "r2"), ("10.0.0.99/24",), first_id=9)), "'r1' is in two VRRP groups"),
        (lambda: tenants(vrf="lo lo lo lo"), "VRF 'lo' of router 'r1' has the name of an interface"),
        (lambda: tenants(vrf="r1-eth1 r1-eth1 b b"), "VRF 'r1-eth1' of router 'r1' has the name of an interface"),
        (lambda: tenants(vrf="a b c d"), "VRF 'a' of router 'r1' has one interface; wanted two"),
        (lambda: tenants(vrf="a b a b"), "10.0.0.254/24, 10.1.0.254/24 is in several VRFs of router 'r1': a, b"),
        (lambda: Attachment("r1-eth0", "10.0.0.1/24", "a b"), "VRF name 'a b' is not usable"),
        (lambda: gateway_pair(addressing=Addressing(vlan=7)), "'gateway_pair' takes no vlan=7: .* those of r1 and r2"),
        (
            lambda: firewall_pair(addressing=Addressing(vlan=7)),
            "'firewall_pair' takes no vlan=7: .* those of f1 and f2",
        ),
        (
            lambda: balancer_pair(addressing=Addressing(vlan=7), balancer=BalancerOptions(layer=4, kind="nat")),
            "'balancer_pair' takes no vlan=7: .* those of b1 and b2",
        ),
        (lambda: gateway_pair(tenants=5), "tenants is 5; wanted 4 or less"),
        (
            lambda: gateway_pair(tenants=2, vrrp=VrrpOptions(bfd_ms=100)),
            "vrrp_bfd_ms is 100, and router 'r1' is in several",
        ),
        (lambda: gateway_pair(vrrp_masters="split"), "vrrp_masters=split needs two tenants"),
        (lambda: dataclasses.replace(TENANTS, bgp=(speaking("r1", "r2"),)), "'r1' has VRFs, and is a BGP speaker"),
        (lambda: dataclasses.replace(TENANTS, vrrp=(TENANTS.vrrp[0], LATER)), "different vrrp_refresh_s"),
    ],
)
def test_what_does_not_fit_is_refused(made: Callable[[], object], said: str) -> None:
    with pytest.raises(SpecError) as raised:
        made()
    assert re.search(said, raised.value.message), raised.value.message


def test_a_vlan_is_taken_where_no_machine_forwards() -> None:
    assert {each.vlan for each in balancer_pair(addressing=Addressing(vlan=7)).hosts} == {7}


def tenants(vrf: str) -> Topology:
    """Two tenants' routers, of which the first one's interfaces are in these VRFs."""
    first, *others = TENANTS.routers
    own = zip(first.attachments, vrf.split(), strict=True)
    changed = Router(first.name, tuple(dataclasses.replace(each, vrf=name) for each, name in own))
    return dataclasses.replace(TENANTS, routers=(changed, *others))


def speaking(one: str, other: str) -> Bgp:
    return BgpOptions().over((BgpSpeaker(one, 1), BgpSpeaker(other, 2)), (BgpSession(one, other, "10.0.0.0/24"),))


def test_each_tenant_has_a_vrf_of_two_subnets_and_a_group_there() -> None:
    assert [router.vrfs for router in TENANTS.routers] == [("tenant1", "tenant2")] * 2
    assert [TENANTS.vrf_in("r1", f"10.{k}.0.0/24") for k in range(4)] == ["tenant1", "tenant1", "tenant2", "tenant2"]
    assert TENANTS.services() == ("r1:keepalived", "r2:keepalived")
    assert [group.ranked[0] for group in gateway_pair(tenants=3, vrrp_masters="split").vrrp] == ["r1", "r2", "r1"]
    assert PAIR.routers[0].vrfs == () and Topology.from_json(TENANTS.to_json()) == TENANTS


def chain(**changes: object) -> Topology:
    """Two bonded firewalls on two switches, which forward between an outside VLAN and an inside one."""
    net = Wiring(bonding=BondOptions(mode="802.3ad"))
    switches = net.switches(2)
    for subnet, vlan in ((0, 10), (1, 20)):
        net.vlan(subnet, vlan)
    for name in ("f1", "f2"):
        net.bonded(name, switches)
        net.forwarding(name, (0, 1))
    net.single("h1", switches[0])
    net.single("h2", switches[1])
    net.join(*switches)
    net.subnet(0, "h1")
    net.subnet(1, "h2")
    group = VrrpOptions().over(("f1", "f2"), (net.virtual(0), net.virtual(1)))
    return dataclasses.replace(net.topology("chain", vrrp=(group,)), **changes)  # type: ignore[arg-type]


def _wired(**parts: Callable[[Wiring], None]) -> Callable[[], Topology]:
    def made() -> Topology:
        net = Wiring()
        (switch,) = net.switches(1)
        net.single("h1", switch)
        net.router("r1", [(switch, 0), (switch, 1)])
        for part in parts.values():
            part(net)
        return net.topology("wired")

    return made


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (_wired(typo=lambda net: net.subnet(1, "h2")), "unknown host in a subnet 'h2'; the known ones are: h1"),
        (_wired(typo=lambda net: net.forwarding("f1", (0, 1))), "unknown host in a subnet 'f1'"),
        (_wired(typo=lambda net: net.subnet(1, "h1", by="r2")), "unknown router of a subnet's hosts 'r2'"),
        (_wired(unused=lambda net: net.vlan(3, 20)), "VLAN 20 of subnet 3 has no effect: no host is in it"),
        (_wired(untagged=lambda net: net.vlan(0, 20)), "'r1' is in subnet 0, which is VLAN 20: its own links"),
    ],
)
def test_a_part_of_the_wiring_that_would_be_ignored_is_refused(made: Callable[[], Topology], said: str) -> None:
    with pytest.raises(SpecError) as raised:
        made()
    assert said in raised.value.message


def test_a_bonded_host_forwards_into_vlans_on_its_bond() -> None:
    found = chain()
    assert found.lone_routers == () and [router.name for router in found.routers] == ["f1", "f2"]
    assert found.nodes() == ["f1", "f2", "h1", "h2", "s1", "s2"] and len(found.machines()) == 4
    assert [(each.interface, each.address) for each in found.attachments("f1")] == [
        ("bond0.10", "10.0.0.253/24"),
        ("bond0.20", "10.1.0.253/24"),
    ]
    assert [(each.interface, each.address) for each in found.attachments("h2")] == [("h2-eth0.20", "10.1.0.4/24")]
    assert found.tagged and not PAIR.tagged
    assert Topology.from_json(found.to_json()) == found


def test_hosts_reach_each_other_by_the_bonded_firewall_that_is_left() -> None:
    found = chain()
    side = SwitchSide(lags=True, negotiates=True, controller=True)
    for failed, connected in ((set(), True), ({"f1"}, True), ({"f1", "f2"}, False), ({"f1-eth0--s1-eth1"}, True)):
        said = reachability.expected(found, failed, side=side)
        assert reachability.between(said, "h1", "h2").connected is connected, failed


@pytest.mark.parametrize(
    ("attachments", "said"),
    [
        ((("bond0.10", "10.0.0.9/24"), ("bond0.20", "10.1.0.9/24")), "as a host it has 10.0.0.253/24"),
        ((("bond0.10", "10.0.0.253/24"), ("eth1", "10.1.0.9/24")), "'eth1' of router 'f1' is no VLAN on its bond"),
        ((("bond0.10", "10.0.0.253/24"), ("bond0.5000", "10.1.0.9/24")), "is no VLAN on its bond"),
        ((("bond0.30", "10.2.0.9/24"), ("bond0.20", "10.1.0.253/24")), "lacks the address that it has as a host"),
    ],
)
def test_what_does_not_fit_a_host_that_forwards_is_refused(attachments: tuple[tuple[str, str], ...], said: str) -> None:
    router = Router("f1", tuple(Attachment(*each) for each in attachments))
    with pytest.raises(SpecError) as raised:
        chain(routers=(router, chain().routers[1]))
    assert re.search(said, raised.value.message), raised.value.message


def test_a_host_without_a_bond_does_not_forward_by_vlans() -> None:
    router = Router("h1", (Attachment("h1-eth0.10", "10.0.0.3/24"), Attachment("h1-eth0.20", "10.1.0.9/24")))
    with pytest.raises(SpecError, match="router 'h1' is a host with mode=none, on which there are no VLANs"):
        chain(routers=(*chain().routers, router))
