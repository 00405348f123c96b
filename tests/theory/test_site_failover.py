"""What users of a service at two sites feel, by the checks' interval I, failures F, time-out T and the TTL."""

from __future__ import annotations

import pytest

from testbed.errors import SpecError
from testbed.spec import BgpOptions, SiteOptions, Topology
from testbed.theory import OutageBound, site_failover, sites
from topologies.two_lines import two_lines
from topologies.two_sites import two_sites


def network(by: str, bfd_ms: int = 100, hold_s: int = 9, standby: bool = False) -> Topology:
    return two_sites(
        site=SiteOptions(by=by),
        bgp=BgpOptions(bfd_ms=bfd_ms, hold_s=hold_s),
        sites="standby" if standby else "active",
    )


def bound(topology: Topology, fault: str, place: str) -> OutageBound:
    found = site_failover.outage(topology, fault, place)
    assert isinstance(found, OutageBound)
    return found


@pytest.mark.parametrize("by", ["anycast", "dns"])
def test_what_a_fault_hits(by: str) -> None:
    topology = network(by)
    assert site_failover.first(topology) == "w1"
    assert site_failover.element(topology, "service_pause", "server") == "w1:http"
    assert site_failover.element(topology, "router_crash", "server") == "w1"
    assert site_failover.element(topology, "router_hang", "site") == "a"
    with pytest.raises(SpecError) as caught:
        site_failover.element(topology, "service_crash", "site")
    assert "no fault of the site" in caught.value.message


def test_only_dns_has_a_name_server_to_lose() -> None:
    assert site_failover.element(network("dns"), "service_crash", "names") == "ns:gdnsd"
    assert site_failover.element(network("dns"), "router_crash", "names") == "ns"
    with pytest.raises(SpecError) as caught:
        site_failover.element(network("anycast"), "service_crash", "names")
    assert caught.value.hint == "Type: --set sites_by=dns"
    assert site_failover.first(two_lines()) == ""


@pytest.mark.parametrize(
    ("by", "fault", "low_s", "high_s", "mean_s"),
    [
        ("anycast", "service_crash", 4.0, 6.0, 5.0),  # (3 - 1) 2 to 3 x 2
        ("anycast", "service_pause", 5.0, 7.0, 6.0),  # and the time-out of 1 s
        ("dns", "service_crash", 5.0, 12.0, 8.5),  # and gdnsd's second; to the TTL of 5 s more
        ("dns", "service_pause", 6.0, 13.0, 9.5),
        ("dns", "router_crash", 5.0, 12.0, 8.5),  # the router before it says so, by ICMP
        ("dns", "router_hang", 6.0, 13.0, 9.5),
    ],
)
def test_a_server_that_fails(by: str, fault: str, low_s: float, high_s: float, mean_s: float) -> None:
    found = bound(network(by), fault, "server")
    assert (found.low_s, found.bound_s) == (low_s, high_s)
    assert found.expected_s == pytest.approx(mean_s)


@pytest.mark.parametrize("fault", ["router_crash", "router_hang"])
@pytest.mark.parametrize("place", ["server", "site"])
def test_a_machine_that_fails_is_the_matter_of_bgp_with_anycast(fault: str, place: str) -> None:
    topology = network("anycast")
    assert site_failover.outage(topology, fault, place) == sites.outage(topology, fault, place)


def test_checks_of_a_site_that_is_silent_fail_at_once_when_bgp_has_left_it() -> None:
    quick, slow = bound(network("dns"), "router_hang", "site"), bound(network("dns", 0), "router_hang", "site")
    assert (quick.low_s, quick.bound_s) == (5.0, 12.0) and quick.law is not None
    assert (slow.low_s, slow.bound_s) == (5.0, 13.0) and slow.law is None  # silent or not, as the hold time falls


def test_kept_answers_serve_without_their_name_server() -> None:
    found = bound(network("dns"), "service_crash", "names")
    assert (found.low_s, found.bound_s, found.expected_s) == (0.0, 5.0, pytest.approx(2.5))


def test_a_standby_site_is_nobodys_first() -> None:
    assert site_failover.first(network("dns", standby=True)) == "w1"
    (group,) = network("dns", standby=True).sites
    assert group.order("10.1.0.2") == ("w1", "w2")


def test_a_server_is_back_when_its_successes_are_counted_and_answers_have_ended() -> None:
    assert site_failover.reinstated_s(network("anycast").sites[0]) == 6.0  # two, after one that just failed
    assert site_failover.reinstated_s(network("dns").sites[0]) == 12.0


def second_name_server() -> Topology:
    return two_sites(site=SiteOptions(by="dns", name_servers=2))


@pytest.mark.parametrize(
    ("fault", "waits_s"),
    [("service_crash", 0.0), ("router_crash", 0.0), ("service_pause", 1.0), ("router_hang", 1.0)],
)
def test_a_second_name_server_costs_the_time_out_of_the_first(fault: str, waits_s: float) -> None:
    """resolv.conf(5), timeout:1; what is refused is left at once."""
    found = bound(second_name_server(), fault, "names")
    assert (found.low_s, found.bound_s) == (waits_s, waits_s)
    assert site_failover.element(second_name_server(), fault, "names").partition(":")[0] == "ns"


@pytest.mark.parametrize("fault", ["service_crash", "service_pause", "router_crash", "router_hang"])
def test_by_hand_no_check_counts(fault: str) -> None:
    options = {"sites": "by_hand", "bgp": BgpOptions(bfd_ms=100)}
    anycast = two_sites(site=SiteOptions(switchover_s=20.0), **options)  # type: ignore[arg-type]
    dns = two_sites(site=SiteOptions(by="dns", switchover_s=20.0), **options)  # type: ignore[arg-type]
    found = bound(anycast, fault, "server"), bound(dns, fault, "server")
    assert [(each.low_s, each.bound_s) for each in found] == [(20.0, 20.0), (20.0, 25.0)]
    assert found[1].expected_s == pytest.approx(22.5)
    assert site_failover.reinstated_s(dns.sites[0]) == 5.0


@pytest.mark.parametrize("by", ["anycast", "dns"])
def test_the_loss_of_a_site_is_that_of_its_router(by: str) -> None:
    lost, crashed = (bound(network(by), fault, "site") for fault in ("site_loss", "router_crash"))
    assert (lost.low_s, lost.bound_s) == (crashed.low_s, crashed.bound_s)
    assert site_failover.element(network(by), "site_loss", "site") == "a+w1"
    for place in ("server", "names"):
        with pytest.raises(SpecError) as caught:
            site_failover.element(network("dns"), "site_loss", place)
        assert caught.value.hint == "Type: --set place=site"
