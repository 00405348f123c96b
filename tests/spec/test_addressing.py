"""The address plan: no two addresses of a network are the same, however large it is; beyond the plan it is refused."""

from __future__ import annotations

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import SpecError
from testbed.spec import Addressing, BondOptions, Host, LacpSystem, Link, Switch, Topology
from testbed.spec.addressing import (
    MOST_NODES,
    MOST_PORTS,
    MOST_SYSTEMS,
    controller_address,
    interface_mac,
    link_local,
    more_addresses,
    system_id,
)
from testbed.spec.wiring import Wiring
from topologies.single_switch import single_switch

NODES, PORTS, SYSTEMS = st.integers(1, MOST_NODES), st.integers(1, MOST_PORTS), st.integers(1, MOST_SYSTEMS)


def star(hosts: int, *, mode: str) -> Topology:
    """One switch, and that many hosts with a bond of two members to it."""
    net = Wiring(bonding=BondOptions(mode=mode))
    net.switch("s1")
    for number in range(1, hosts + 1):
        net.bonded(f"h{number}", ["s1", "s1"])
    return net.topology("star")


@given(st.tuples(NODES, PORTS), st.tuples(NODES, PORTS), SYSTEMS)
def test_two_interfaces_and_a_system_have_three_addresses(
    one: tuple[int, int], other: tuple[int, int], system: int
) -> None:
    assert (interface_mac(*one) == interface_mac(*other)) == (one == other)
    assert system_id(system) not in (interface_mac(*one), interface_mac(*other))


@given(NODES, PORTS, SYSTEMS)
def test_every_mac_address_is_unicast_and_locally_administered(node: int, port: int, system: int) -> None:
    """IEEE 802, 8.2: of the first octet bit 0 is 0 for one station, bit 1 is 1 for a local address."""
    for text in (interface_mac(node, port), system_id(system)):
        assert int(text[:2], 16) & 0b11 == 0b10


@pytest.mark.parametrize("mode", ["802.3ad", "active-backup"])
def test_a_switch_with_more_ports_than_an_octet_counts(mode: str) -> None:
    """130 hosts with two members: 260 ports of one switch, of which two once had one address."""
    network = star(130, mode=mode)
    macs = [port.mac for port in network.ports.values()]
    assert len(set(macs)) == len(macs) == 520


def test_as_many_hosts_as_once_shared_the_address_of_the_lacp_system() -> None:
    """IEEE 802.1AX-2014, 6.3.2: a system identifier is unique; a bond's is the MAC address of its first member."""
    network = star(300, mode="802.3ad")
    systems = {network.host_mac(host.name) for host in network.hosts} | {system.system for system in network.systems}
    assert len(systems) == 300 + 1
    assert len({host.ip for host in network.hosts}) == 300


def test_a_system_with_the_address_of_an_interface_is_refused() -> None:
    network = single_switch()
    mac = network.ports["h2-eth0"].mac
    with pytest.raises(SpecError) as caught:
        dataclasses.replace(network, systems=(LacpSystem("core", mac),))
    assert str(caught.value) == (
        f"system id {mac} of LACP system 'core' is the MAC address of h2-eth0;"
        " a system id is unique (IEEE 802.1AX-2014, 6.3.2)"
    )


def test_two_systems_with_one_id_are_refused() -> None:
    with pytest.raises(SpecError, match="system ids must be different"):
        dataclasses.replace(single_switch(), systems=(LacpSystem("core"), LacpSystem("other")))


def test_beyond_the_plan_is_refused() -> None:
    wanted = "the address plan has no more"
    for beyond in (
        lambda: interface_mac(MOST_NODES + 1, 1),
        lambda: interface_mac(1, MOST_PORTS + 1),
        lambda: system_id(MOST_SYSTEMS + 1),
        lambda: Addressing().address(1, 0xFFFF),
        lambda: controller_address(0xFFFE),
    ):
        with pytest.raises(SpecError, match=wanted):
            beyond()


def test_the_switches_reach_the_controller_by_addresses_of_their_own() -> None:
    found = [controller_address(place) for place in range(1, 1001)]
    assert len(set(found)) == 1000
    assert all(ipaddress.ip_address(each).is_loopback and each != "127.0.0.1" for each in found)


def test_datapath_ids_that_share_their_last_octets_do_not_share_an_address() -> None:
    """The place of a switch counts, not its datapath id."""
    switches = (Switch("s1", 1), Switch("s2", 1 + (1 << 16)))
    links = (Link("h1", "h1-eth0", "s1", "s1-eth1"), Link("s1", "s1-eth2", "s2", "s2-eth1"))
    links += (Link("h2", "h2-eth0", "s2", "s2-eth2"),)
    network = Topology("two", (Host("h1", "10.0.0.1/24"), Host("h2", "10.0.0.2/24")), switches, links)
    places = [place for place, _ in enumerate(network.switches, start=1)]
    assert len({controller_address(place) for place in places}) == 2


@given(st.sampled_from(["192.168.7.20/24", "10.0.0.1/16", "2001:db8::5/64"]), st.integers(0, 40))
def test_more_addresses_are_free_and_in_the_subnet(address: str, count: int) -> None:
    subnet = ipaddress.ip_interface(address).network
    top = str(subnet.network_address + subnet.num_addresses - 2)
    found = more_addresses(address, count, [address.partition("/")[0], top])
    assert len({each.partition("/")[0] for each in found} - {address.partition("/")[0], top}) == count
    for each in found:
        assert ipaddress.ip_interface(each).network == subnet
        assert ipaddress.ip_interface(each).ip not in (subnet.network_address, subnet.broadcast_address)


def test_a_subnet_that_is_full_is_refused() -> None:
    with pytest.raises(SpecError, match=r"subnet 10.0.0.0/30 has 1 addresses left; wanted 2 more"):
        more_addresses("10.0.0.1/30", 2, ["10.0.0.1"])


def test_the_pair_that_is_measured_comes_from_the_topology() -> None:
    net = Wiring(bonding=BondOptions(mode="active-backup"))
    net.switch("s1")
    net.single("watcher", "s1")
    for name in ("alice", "bob"):
        net.bonded(name, ["s1", "s1"])
    assert net.topology("named").pair == ("alice", "bob")
    turned = dataclasses.replace(net.topology("named"), protected=("bob", "watcher"))
    assert turned.pair == ("bob", "watcher")


def test_one_host_alone_is_no_pair() -> None:
    net = Wiring()
    net.switch("s1")
    net.single("h1", "s1")
    with pytest.raises(SpecError, match="has 1 host; wanted two or more, a client and a server"):
        _ = net.topology("alone").pair


@pytest.mark.parametrize(
    ("mac", "address"),
    [("34:56:78:9a:bc:de", "fe80::3656:78ff:fe9a:bcde/64"), ("02:00:00:00:00:01", "fe80::ff:fe00:1/64")],
)
def test_a_link_local_address_is_that_of_the_modified_eui_64(mac: str, address: str) -> None:
    """RFC 4291, appendix A, has the first one as an example: 34-56-78-9A-BC-DE."""
    assert link_local(mac) == address
