"""Which site a client reaches by anycast, and what its loss costs."""

from __future__ import annotations

import pytest

from testbed.errors import SpecError
from testbed.spec import BgpOptions, SiteOptions, Topology
from testbed.theory import OutageBound, bgp, lines, sites
from topologies.two_lines import two_lines
from topologies.two_sites import two_sites


def test_each_client_reaches_the_nearer_site() -> None:
    topology = two_sites()
    assert sites.trail(topology, "h1") == ("h1", "x1", "a", "w1")
    assert sites.trail(topology, "h2") == ("h2", "x2", "b", "w2")


def test_a_site_that_stands_by_is_reached_by_nobody() -> None:
    topology = two_sites(sites="standby")
    assert sites.trail(topology, "h1") == ("h1", "x1", "a", "w1")
    assert sites.trail(topology, "h2") == ("h2", "x2", "x1", "a", "w1")


def test_a_network_without_a_shared_address_has_no_site() -> None:
    assert sites.service(two_lines()) == "" and sites.servers(two_lines()) == []
    assert sites.trail(two_lines(), "h1") == ()


@pytest.mark.parametrize(
    ("fault", "place", "element"),
    [
        ("router_hang", "site", "a"),
        ("router_crash", "server", "w1"),
        ("site_loss", "site", "a+w1"),
        ("silent_loss", "site", "x1-eth2--a-eth1"),
        ("carrier_loss", "server", "a-eth0--w1-eth0"),
        ("service_stop", "server", "w1:bird"),
        ("route_withdrawal", "server", "w1:bird"),
    ],
)
def test_what_a_fault_hits(fault: str, place: str, element: str) -> None:
    assert sites.element(two_sites(), fault, place) == element


def test_one_speaker_notices_and_tells_the_others() -> None:
    """Not the later one of two, as where each direction has an end of its own."""
    topology = two_sites()
    one = bgp.detection(topology.bgp[0])
    for place in sites.PLACES:
        found = sites.outage(topology, "router_hang", place)
        assert isinstance(found, OutageBound) and found.bound_s == one.bound_s
        assert found.law is not None and one.law is not None and found.law.cdf(8.0) == one.law.cdf(8.0)


def test_a_router_that_loses_a_subnet_says_two_things_and_tcp_may_hold_the_second() -> None:
    topology = two_sites()
    near, far = (sites.outage(topology, "carrier_loss", place) for place in sites.PLACES)
    assert isinstance(near, OutageBound) and isinstance(far, OutageBound)
    assert (near.bound_s, far.bound_s) == (0.0, 0.04)


def test_the_kernels_routes_are_known_beforehand() -> None:
    found = lines.routes(two_sites())
    assert found["x1"]["10.63.0.254/32"] == ["10.5.0.251"]  # a
    assert found["a"]["10.63.0.254/32"] == ["10.2.0.3"]  # w1, the third host


@pytest.mark.parametrize(("fault", "place"), [("site_loss", "server"), ("service_stop", "site")])
def test_what_a_place_has_not_is_refused(fault: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        sites.element(two_sites(), fault, place)
    assert caught.value.hint.startswith("Type: --set place=")


def by_hand(switchover_s: float = 30.0, bfd_ms: int = 100) -> Topology:
    return two_sites(sites="by_hand", site=SiteOptions(switchover_s=switchover_s), bgp=BgpOptions(bfd_ms=bfd_ms))


def test_a_site_that_waits_for_an_operator_is_in_no_table_but_its_own() -> None:
    topology = by_hand()
    assert sites.trail(topology, "h2") == ("h2", "x2", "x1", "a", "w1")
    assert lines.routes(topology)["b"]["10.63.0.254/32"] == ["10.6.0.252"]  # x2
    assert lines.routes(sites.both_serve(topology))["b"]["10.63.0.254/32"] == ["10.3.0.4"]  # w2
    assert "10.63.0.254/32" not in lines.routes(topology)["w2"]


@pytest.mark.parametrize(
    ("fault", "place", "low_s", "high_s"),
    [
        ("site_loss", "site", 30.0, 30.0),
        ("router_hang", "site", 30.0, 30.0),  # BFD is done by then
        ("route_withdrawal", "server", 30.0, 30.0),
        ("service_crash", "server", 30.0, 30.0),
        ("service_pause", "server", 29.7, 29.79),  # the kernel forwards for 2.1 to 3 intervals of BFD
    ],
)
def test_by_hand_the_operator_decides(fault: str, place: str, low_s: float, high_s: float) -> None:
    found = sites.outage(by_hand(), fault, place)
    assert isinstance(found, OutageBound)
    assert (found.low_s, found.bound_s) == (pytest.approx(low_s), pytest.approx(high_s))


def test_an_operator_who_is_faster_than_bgp_waits_for_it() -> None:
    """Hold time 9 s less a jitter of a quarter: the last speaker goes on sending to the dead site until then."""
    topology = by_hand(switchover_s=0.1, bfd_ms=0)
    found, alone = sites.outage(topology, "router_hang", "site"), sites.outage(two_sites(), "router_hang", "site")
    assert isinstance(found, OutageBound) and isinstance(alone, OutageBound)
    assert (found.low_s, found.bound_s) == (alone.low_s, alone.bound_s)
