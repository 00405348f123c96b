"""BGP speakers as values: what fits together, and what is refused before anything starts."""

from __future__ import annotations

import dataclasses
import ipaddress

import pytest

from testbed.errors import SpecError
from testbed.spec import Bgp, BgpOptions, BgpSession, BgpSpeaker, Host, Topology
from testbed.spec.bgp import AS_TRANS
from tests.emulation.dual_homed import dual_homed
from topologies.gateway_pair import gateway_pair
from topologies.two_lines import two_lines


def refused(text: str, **options: int | bool) -> None:
    with pytest.raises(SpecError, match=text):
        BgpOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("hold", "keepalive"), [(9, 3), (180, 60), (3, 1), (65_535, 21_845)])
def test_hold_times_of_three_keepalives_or_more_are_taken(hold: int, keepalive: int) -> None:
    found = two_lines(bgp=BgpOptions(hold_s=hold, keepalive_s=keepalive)).bgp[0]
    assert (found.hold_s, found.keepalive_s) == (hold, keepalive)


def test_what_rfc_4271_does_not_allow_is_refused() -> None:
    refused("three keepalive times", hold_s=8, keepalive_s=3)
    refused("bgp_hold_s is 2", hold_s=2, keepalive_s=1)
    refused("bgp_hold_s", hold_s=65_536, keepalive_s=3)
    refused("bgp_keepalive_s is 0", keepalive_s=0)


def test_options_without_effect_are_refused() -> None:
    refused("no effect without bgp_bfd_ms", bfd_mult=5)
    assert BgpOptions(bfd_ms=10, bfd_mult=5).bfd_mult == 5


def test_bfd_keeps_to_what_it_can_count() -> None:
    refused("bgp_bfd_ms is 5", bfd_ms=5)
    refused("bgp_bfd_mult is 0", bfd_ms=100, bfd_mult=0)
    refused("bgp_bfd_mult is 256", bfd_ms=100, bfd_mult=256)


@pytest.mark.parametrize("asn", [0, AS_TRANS, 2**32])
def test_as_numbers_that_no_speaker_may_have_are_refused(asn: int) -> None:
    """RFC 7607: 0; RFC 6793: 23456, and four octets."""
    with pytest.raises(SpecError, match="AS number of 'a'"):
        BgpSpeaker("a", asn)


@pytest.mark.parametrize("prefix", ["10.0.0.1/24", "10.0.0.0/33", "here"])
def test_prefixes_are_without_host_bits(prefix: str) -> None:
    with pytest.raises(SpecError, match="wanted a prefix without host bits"):
        BgpSpeaker("a", 65001, (prefix,))


def test_sessions_are_between_speakers() -> None:
    one, other = BgpSpeaker("a", 65001), BgpSpeaker("b", 65002)
    with pytest.raises(SpecError, match="with itself"):
        BgpSession("a", "a", "10.0.0.0/24")
    with pytest.raises(SpecError, match="names 'c'"):
        BgpOptions().over((one, other), (BgpSession("a", "c", "10.0.0.0/24"),))
    with pytest.raises(SpecError, match="'b' has no session"):
        third = BgpSpeaker("c", 65003)
        BgpOptions().over((one, other, third), (BgpSession("a", "c", "10.0.0.0/24"),))
    with pytest.raises(SpecError, match="found twice"):
        twice = (BgpSession("a", "b", "10.0.0.0/24"), BgpSession("b", "a", "10.0.0.0/24"))
        BgpOptions().over((one, other), twice)
    with pytest.raises(SpecError, match="default route to 'c'"):
        told = BgpSpeaker("a", 65001, default_to=("c",))
        BgpOptions().over((told, other), (BgpSession("a", "b", "10.0.0.0/24"),))


def changed(**fields: object) -> Bgp:
    return dataclasses.replace(two_lines().bgp[0], **fields)  # type: ignore[arg-type]


def with_bgp(found: Bgp) -> Topology:
    return dataclasses.replace(two_lines(), bgp=(found,))


def test_a_session_is_in_a_subnet_of_both() -> None:
    first, *others = two_lines().bgp[0].sessions
    wrong = dataclasses.replace(first, subnet="10.1.0.0/24")
    with pytest.raises(SpecError, match="subnet of a BGP session of 'e1'"):
        with_bgp(changed(sessions=(wrong, *others)))


def test_a_speaker_is_a_machine_and_speaks_once() -> None:
    topology = two_lines()
    with pytest.raises(SpecError, match="machines that speak BGP"):
        dataclasses.replace(topology, bgp=topology.bgp * 2)
    with pytest.raises(SpecError, match="machine that speaks BGP"):
        dataclasses.replace(gateway_pair(), bgp=topology.bgp)


def test_values_are_checked_as_options_are() -> None:
    with pytest.raises(SpecError, match="bgp_hold_s is 2"):
        changed(hold_s=2)
    with pytest.raises(SpecError, match="no effect without bgp_bfd_ms"):
        changed(bfd_mult=5)


def test_an_anycast_address_is_no_other_machines() -> None:
    edge, *others = two_lines().bgp[0].speakers
    with pytest.raises(SpecError, match=r"addresses must be different.*10\.1\.0\.2"):
        with_bgp(changed(speakers=(dataclasses.replace(edge, anycast="10.1.0.2"), *others)))
    with pytest.raises(SpecError, match=r"prefixes of 'a'.*10\.9\.0\.1/32"):
        BgpSpeaker("a", 65001, ("10.9.0.1/32",), anycast="10.9.0.1")
    with pytest.raises(SpecError, match=r"tells of a default route.*twice: b"):
        BgpSpeaker("a", 65001, default_to=("b", "b"))


def test_a_next_hop_is_an_address_that_something_has_in_the_subnet_of_a_session() -> None:
    edge, *others = two_lines().bgp[0].speakers
    for address in ("10.2.0.9", "10.0.0.253"):  # nobody's; its own, but of the LAN
        with pytest.raises(SpecError, match=f"next hop '{address}'"):
            with_bgp(changed(speakers=(dataclasses.replace(edge, next_hop=address), *others)))
    own = dataclasses.replace(edge, next_hop="10.2.0.253")
    assert with_bgp(changed(speakers=(own, *others))).bgp[0].speaker("e1").next_hop == "10.2.0.253"


def test_a_topology_with_speakers_survives_json() -> None:
    for routes in ("all", "default"):
        topology = two_lines(bgp=BgpOptions(bfd_ms=50, ecmp=True), provider_routes=routes)
        assert Topology.from_json(topology.to_json()) == topology


def test_speakers_are_services_that_may_fail() -> None:
    assert two_lines().services() == ("e1:bird", "ia:bird", "ib:bird", "x:bird")


def test_a_host_with_its_address_on_the_loopback_interface_has_links_of_a_router() -> None:
    topology = dual_homed()
    host = topology.host("c")
    assert (host.address, topology.carrier(host), topology.loopback("c")) == ("10.0.0.1/32", "lo", "10.0.0.1")
    assert [each.interface for each in topology.attachments("c")] == ["c-eth0", "c-eth1"]
    assert Topology.from_json(topology.to_json()) == topology
    with pytest.raises(SpecError, match="no router of its name"):
        dataclasses.replace(topology, routers=topology.routers[1:], bgp=())


@pytest.mark.parametrize(
    "fields", [{"address": "10.0.0.1/24"}, {"vlan": 7}, {"gateway": "10.0.0.2"}, {"address": "2001:db8::1/128"}]
)
def test_a_loopback_address_is_one_with_nothing_beside_it(fields: dict[str, str | int]) -> None:
    with pytest.raises(SpecError, match=r"loopback interface|another address of its subnet"):
        Host(**{"name": "c", "address": "10.0.0.1/32", "loopback": True, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["10.0.0.0/24", "2001:db8::1", "here"])
def test_an_anycast_address_is_an_ipv4_address(address: str) -> None:
    with pytest.raises(SpecError, match="anycast address"):
        BgpSpeaker("a", 65001, anycast=address)
    assert BgpSpeaker("a", 65001, ("10.0.0.0/24",), anycast="10.9.0.1").prefixes == ("10.0.0.0/24", "10.9.0.1/32")


def test_over_ipv6_a_speaker_has_an_identifier_of_four_octets_that_no_other_has() -> None:
    """RFC 6286; the lower one, ia's, decides between equal paths (RFC 4271, 9.1.2.2, f)."""
    topology = two_lines(ip=6)
    found = [topology.bgp_identifier(each.machine) for each in topology.bgp[0].speakers]
    assert len(set(found)) == 4 and all(ipaddress.IPv4Address(each) for each in found)
    assert ipaddress.IPv4Address(found[1]) < ipaddress.IPv4Address(found[2])
    assert Topology.from_json(topology.to_json()) == topology


def test_two_versions_of_ip_do_not_mix() -> None:
    topology = two_lines(ip=6)
    edge, *others = topology.bgp[0].speakers
    mixed = (dataclasses.replace(edge, announces=("10.0.0.0/24",)), *others)
    with pytest.raises(SpecError, match=r"'e1' has 10\.0\.0\.0/24 where BGP speaks IPv6"):
        dataclasses.replace(topology.bgp[0], speakers=mixed)
    with pytest.raises(SpecError, match="bgp_daemon is frr over IPv6"):
        two_lines(ip=6, bgp=BgpOptions(daemon="frr"))
    with pytest.raises(SpecError, match="ip=6 with routes_by=static; wanted ip=4"):
        two_lines(ip=6, routes_by="static")
    with pytest.raises(SpecError, match="ip is 5"):
        two_lines(ip=5)
