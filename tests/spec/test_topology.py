"""Networks as values: an impossible network is refused when it is made, each with an error of its own."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from testbed.errors import SpecError
from testbed.spec import Addressing, Bond, BondOptions, Cable, Host, LacpSystem, Lag, Link, Switch, Topology
from topologies.single_switch import single_switch

GOOD = single_switch()


def error(**changes: Any) -> str:
    """The error for the valid network with changes."""
    with pytest.raises(SpecError) as caught:
        dataclasses.replace(GOOD, **changes)
    return caught.value.message


def host(number: int, **changes: Any) -> Host:
    """One of the valid network's hosts with changes."""
    return dataclasses.replace(GOOD.hosts[number], **changes)


def test_names_must_differ() -> None:
    same = Host("s1", "10.0.0.9/24", GOOD.hosts[0].bond)
    assert error(hosts=(same, GOOD.hosts[1])) == ("names of nodes must be different from each other; found twice: s1")


def test_addresses_must_differ() -> None:
    hosts = (GOOD.hosts[0], host(1, address="10.0.0.1/24"))
    assert error(hosts=hosts) == "addresses must be different from each other; found twice: 10.0.0.1"


def test_an_interface_is_in_one_bond_of_its_own_host() -> None:
    hosts = (GOOD.hosts[0], host(1, bond=GOOD.hosts[0].bond))
    assert error(hosts=hosts).startswith(
        "unknown member of bond 'bond0' on host 'h2' 'h1-eth0'; the known ones are: h2-"
    )


def test_an_interface_ends_one_link() -> None:
    twice = (*GOOD.links, Link("h1", "h1-eth0", "s1", "s1-eth9"))
    assert error(links=twice) == "interfaces must be different from each other; found twice: h1-eth0"


def test_a_port_is_in_one_lag() -> None:
    lags = (*GOOD.lags, Lag("other", ("s1-eth1",)))
    assert error(lags=lags) == "ports of LAGs must be different from each other; found twice: s1-eth1"


def test_links_of_one_aggregator_run_at_one_speed() -> None:
    slow = dataclasses.replace(GOOD.links[0], rate_mbps=100.0)
    assert error(links=(slow, *GOOD.links[1:])) == (
        "members of 802.3ad bond 'bond0' on host 'h1' have unequal rates;"
        " links of one aggregator must run at one speed (IEEE 802.1AX-2014, 6.3.1)"
    )


def test_a_link_ends_at_nodes_that_are_there() -> None:
    assert error(links=(*GOOD.links, Link("h1", "x0", "s7", "x1"))).startswith("unknown node of link x0--x1 's7'")


def test_port_priorities_are_one_for_each_port_or_none() -> None:
    """IEEE 802.1AX-2014, 6.3.4: a port priority has two octets."""
    ports = ("s1-eth1", "s1-eth2")
    assert [Lag("a", ports).priority(port) for port in ports] == [32768, 32768]
    assert [Lag("a", ports, port_priorities=(65535, 0)).priority(port) for port in ports] == [65535, 0]
    for priorities, text in (
        ((1,), "LAG 'a' has 2 ports and 1 port_priorities; wanted one for each port, or none"),
        ((1, 65536), "port priority 65536 of LAG 'a' is not between 0 and 65535"),
    ):
        with pytest.raises(SpecError) as caught:
            Lag("a", ports, port_priorities=priorities)
        assert caught.value.message == text


def test_a_lag_has_a_system_and_ports_that_are_there() -> None:
    assert error(lags=(Lag("a", ("s1-eth99",)),)).startswith("unknown port of LAG 'a' 's1-eth99'")
    assert error(systems=(LacpSystem("edge"),)).startswith("unknown LACP system of LAG 'lag-h1' 'core'")


def test_a_host_without_a_bond_has_one_link() -> None:
    assert error(hosts=(host(0, bond=None), GOOD.hosts[1])) == (
        "host 'h1' has no bond and 2 links; wanted one link, or a bond over them"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Host("h1", "10.0.0.300/24"), "address '10.0.0.300/24' of host 'h1' is not an address with a prefix"),
        (lambda: Host("h1", "10.0.0.1"), "address '10.0.0.1' of host 'h1' lacks its prefix length, such as /24"),
        (lambda: Host("1h", "10.0.0.1/24"), "host name '1h' is not usable; wanted a letter, then at most 14"),
        (lambda: Host("h1", "10.0.0.1/24", vlan=4095), "vlan of host 'h1' is 4095; wanted 1 to 4094, or 0 for none"),
        (lambda: Addressing(ip=5), "ip is 5; wanted 4 or 6"),
        (lambda: Addressing(vlan=-1), "vlan is -1; wanted 1 to 4094, or 0 for none"),
        (lambda: Link("a", "a0", "b", "b0", 0.5), "rate 0.5 Mbit/s of link a0--b0 is outside 1 to 100000"),
        (lambda: Switch("s1", 0), "datapath id 0 of switch 's1' is not between 1 and 2^64-1"),
        (lambda: LacpSystem("x", "nobody"), "system id 'nobody' of LACP system 'x' is not a MAC address"),
    ],
)
def test_impossible_values_are_refused(make: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.message.startswith(message)


def test_an_interface_named_after_bond_and_vlan_must_be_short_enough() -> None:
    long = Bond(("h1-eth0",), "abcdefghijkl")
    with pytest.raises(SpecError, match=r"interface name 'abcdefghijkl\.4000' is not usable"):
        Host("h1", "10.0.0.1/24", long, vlan=4000)


ARP = BondOptions(mode="active-backup", miimon_ms=0, arp_interval_ms=100)


def test_peers_are_all_other_hosts() -> None:
    assert single_switch(bonding=ARP).monitored("h1") == ("10.0.0.2",)
    six = single_switch(bonding=ARP, addressing=Addressing(ip=6))
    assert six.monitored("h2") == ("2001:db8::1",)


def test_a_host_is_no_arp_target_of_its_own() -> None:
    both = dataclasses.replace(ARP, arp_ip_target="10.0.0.1+10.0.0.2")
    network = single_switch(bonding=both)
    assert [network.monitored(name) for name in ("h1", "h2")] == [("10.0.0.2",), ("10.0.0.1",)]
    with pytest.raises(SpecError, match="the ARP monitor of bond 'bond0' on host 'h1' has no target"):
        single_switch(bonding=dataclasses.replace(ARP, arp_ip_target="10.0.0.1"))


def test_team_does_not_monitor_over_ipv6() -> None:
    with pytest.raises(SpecError, match="bond=team of host 'h1' cannot monitor its members over IPv6"):
        single_switch(bonding=dataclasses.replace(ARP, driver="team"), addressing=Addressing(ip=6))


@pytest.mark.parametrize("addressing", [Addressing(), Addressing(ip=6, vlan=7)])
def test_a_network_is_the_same_after_being_written_and_read(addressing: Addressing) -> None:
    network = single_switch(addressing=addressing, bonding=dataclasses.replace(ARP, arp_validate="all"))
    assert Topology.from_json(network.to_json()) == network


def test_a_queue_discipline_is_known_and_is_not_that_of_a_delay() -> None:
    cable = Cable(qdisc="fq_codel")
    assert {link.qdisc for link in single_switch(cable=cable).links} == {"fq_codel"}
    assert Topology.from_json(single_switch(cable=cable).to_json()) == single_switch(cable=cable)
    with pytest.raises(
        SpecError, match="unknown qdisc of link h1-eth0--s1-eth1 'red'; the known ones are: fq, fq_codel"
    ):
        single_switch(cable=Cable(qdisc="red"))
    with pytest.raises(SpecError, match="qdisc fq of link h1-eth0--s1-eth1 needs a rate, and no delay_ms"):
        single_switch(cable=Cable(qdisc="fq", delay_ms=1.0))


def _changed(path: str, value: object) -> str:
    """A topology's JSON with one value changed; ``path`` leads there."""
    data = json.loads(GOOD.to_json())
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    place = data
    for step in way:
        place = place[step]
    if value == "missing":
        del place[last]
    else:
        place[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "JSONDecodeError: Expecting value"),
        ('{"name": "x"', "JSONDecodeError"),
        ("[]", "TypeError: Topology is []"),
        ("[" * 100_000, "RecursionError"),
        (
            _changed("links", "missing"),
            "TypeError: Topology.__init__() missing 1 required positional argument: 'links'",
        ),
        (_changed("hosts", 5), "TypeError: Host is 5"),
        (_changed("hosts/0", "h1"), "TypeError: Host is 'h1'"),
        (_changed("hosts/0/bond", ["bond0"]), "TypeError: Bond is 'bond0'"),
        (_changed("hosts/0/bond/miimon_ms", "100"), "TypeError: miimon_ms of Bond is '100'"),
        (_changed("hosts/0/bond/members", [1, 2]), "TypeError: members of Bond is (1, 2)"),
        (_changed("links/0/rate_mbps", "1000"), "TypeError: rate_mbps of Link is '1000'"),
        (_changed("links/0/delay_ms", float("nan")), "TypeError: delay_ms of Link is nan"),
        (_changed("links/0/new", 1), "TypeError"),
        (_changed("switches/0/dpid", True), "TypeError: dpid of Switch is True"),
        (_changed("lags/0", None), "TypeError: lags of Topology is (None"),
        (_changed("protected", [7]), "TypeError: protected of Topology is (7,)"),
        (_changed("name", None), "TypeError: name of Topology is None"),
    ],
)
def test_damaged_json_is_refused(text: str, what: str) -> None:
    with pytest.raises(SpecError) as caught:
        Topology.from_json(text)
    assert caught.value.message.startswith("this is no topology as `testbed show TOPOLOGY --json` writes it: ")
    assert what in caught.value.message


@pytest.mark.parametrize(
    ("a_mac", "message"),
    [
        ("01:00:00:00:00:01", "is not the MAC address of an interface"),
        ("02:00:00:00:00:0A", "is not the MAC address of an interface"),
        ("02:00:00:00:02:01", "MAC addresses must be different from each other; found twice: 02:00:00:00:02:01"),
        ("02:01:00:00:00:01", "is the MAC address of h1-eth0; a system id is unique"),
    ],
)
def test_mac_addresses_of_interfaces_are_checked(a_mac: str, message: str) -> None:
    network = GOOD
    with pytest.raises(SpecError, match=re.escape(message)):
        links = (dataclasses.replace(network.links[0], a_mac=a_mac), *network.links[1:])
        dataclasses.replace(network, links=links)
