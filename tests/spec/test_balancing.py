"""Balancers and servers as values: what does not fit together is refused, and says what to type."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from testbed.errors import SpecError
from testbed.spec import (
    Addressing,
    Balancer,
    BalancerOptions,
    FirewallOptions,
    Published,
    Server,
    Topology,
    VrrpOptions,
)
from topologies.balancer_pair import balancer_pair
from topologies.firewall_pair import firewall_pair
from topologies.service import service

PAIR = balancer_pair()
NAT = balancer_pair(balancer=BalancerOptions(kind="nat"))
CHAIN = service()
(GROUP,) = PAIR.balancers


def changed(topology: Topology, **fields: object) -> Callable[[], Topology]:
    (group,) = topology.balancers
    return lambda: dataclasses.replace(topology, balancers=(dataclasses.replace(group, **fields),))  # type: ignore[arg-type]


def publishing(*services: Published) -> Callable[[], Topology]:
    (group,) = CHAIN.firewalls
    return lambda: dataclasses.replace(CHAIN, firewalls=(dataclasses.replace(group, publishes=services),))


@pytest.mark.parametrize(
    ("made", "wrong"),
    [
        (lambda: BalancerOptions(layer=5), "balancer_layer is 5; wanted 4 or 7"),
        (lambda: BalancerOptions(kind="tunnel"), "balancer_kind"),
        (lambda: BalancerOptions(scheduler="fifo"), "balancer_scheduler"),
        (lambda: BalancerOptions(check_ms=100), "balancer_timeout_ms is 500, and balancer_check_ms 100"),
        (lambda: BalancerOptions(check_ms=1, timeout_ms=1), "balancer_check_ms is 1; wanted 10 or more"),
        (lambda: BalancerOptions(fall=0), "balancer_fall is 0; wanted 1 or more"),
        (lambda: BalancerOptions(layer=7, kind="nat"), "balancer_kind has no effect at layer 7"),
        (lambda: BalancerOptions(layer=7, sync=False), "balancer_sync has no effect at layer 7"),
        (lambda: BalancerOptions(redispatch=False), "balancer_redispatch has no effect at layer 4"),
        (lambda: BalancerOptions(rise=2), "balancer_rise is 2; wanted 1 at layer 4"),
        (lambda: BalancerOptions(layer=7, scheduler="mh"), "HAProxy has no Maglev hashing"),
        (lambda: BalancerOptions(fastinter_ms=100), "balancer_fastinter_ms has no effect at layer 4"),
        (lambda: BalancerOptions(layer=7, fastinter_ms=1000), "and balancer_check_ms 1000; wanted less"),
        (lambda: BalancerOptions(layer=7, fastinter_ms=100, fall=1), "where one check takes a server out"),
        (lambda: BalancerOptions(stick=True), "balancer_stick has no effect at layer 4"),
        (lambda: BalancerOptions(layer=7, peers=True), "balancer_peers has no effect without balancer_stick"),
        (lambda: BalancerOptions(layer=7, stick=True, scheduler="sh"), "balancer_stick has no effect with"),
        (lambda: VrrpOptions(bfd_ms=5), "vrrp_bfd_ms is 5; wanted 0 .no BFD., or 10 to"),
        (lambda: VrrpOptions(bfd_ms=100, bfd_mult=0), "vrrp_bfd_mult is 0; wanted 1 or more"),
        (lambda: VrrpOptions(bfd_mult=5), "vrrp_bfd_mult has no effect without vrrp_bfd_ms"),
        (lambda: VrrpOptions(bfd_ms=100, preempt=False), "vrrp_preempt is false with vrrp_bfd_ms; wanted true"),
        (lambda: VrrpOptions(bfd_ms=100, startup_delay_s=5.0), "vrrp_startup_delay_s is 5.0 with vrrp_bfd_ms"),
        (lambda: VrrpOptions(bfd_ms=100, follow="none"), "vrrp_follow is none with vrrp_bfd_ms; wanted track"),
        (lambda: firewall_pair(vrrp=VrrpOptions(bfd_ms=100)), "vrrp_bfd_ms on the firewalls f1 and f2"),
        (
            lambda: balancer_pair(vrrp=VrrpOptions(bfd_ms=100), balancer=BalancerOptions(layer=7)),
            "BFD does not notice that HAProxy has failed",
        ),
        (lambda: VrrpOptions(refresh_s=-1), "vrrp_refresh_s is -1; wanted 0 or more"),
        (lambda: VrrpOptions(startup_delay_s=1001), "vrrp_startup_delay_s is 1001; wanted 1000 or less"),
        (lambda: Server("w1", 0), "port of the server on 'w1' is 0"),
        (lambda: balancer_pair(addressing=Addressing(ip=6)), "wanted an IPv4 address"),
        (lambda: balancer_pair(servers=0), "servers is 0; wanted 1 or more"),
        (changed(PAIR, address="10.0.0.77"), "no virtual address of a VRRP group of theirs"),
        (changed(PAIR, machines=("b1", "w1")), "no virtual address of a VRRP group of theirs"),
        (changed(PAIR, servers=("w1", "w9")), "no 'w9'|w9"),
        (changed(PAIR, port=8080), "wanted one port, with balancer_kind=dr"),
        (changed(PAIR, kind="nat"), "wanted another virtual address"),
        (changed(NAT, kind="dr"), "wanted one subnet, with balancer_kind=dr"),
        (lambda: dataclasses.replace(PAIR, servers=(*PAIR.servers, Server("w1"))), "found twice: w1"),
        (lambda: dataclasses.replace(PAIR, servers=(Server("x1"),)), "x1"),
        (lambda: dataclasses.replace(PAIR, balancers=(GROUP, GROUP)), "found twice: b1, b2"),
        (changed(PAIR, port=0), "port of the balanced service 10.0.0.254 is 0; wanted 1 or more"),
        (changed(PAIR, port=65536), "wanted 65535 or less"),
        (changed(PAIR, check_ms=1), "balancer_check_ms is 1; wanted 10 or more"),
        (changed(PAIR, layer=7, kind="", scheduler="mh"), "HAProxy has no Maglev hashing"),
        (lambda: Published("10.9.0.1", 0, "10.1.0.1"), "port of what is published at 10.9.0.1 is 0"),
        (lambda: Published("10.9.0.1/32", 80, "10.1.0.1"), "'10.9.0.1/32' is no IPv4 address without a prefix"),
        (lambda: Published("10.9.0.1", 80, "w1"), "'w1' is no IPv4 address without a prefix"),
        (publishing(Published("10.63.0.254", 80, "10.0.0.1")), "publish 10.0.0.1, which is not in their subnet inside"),
        (publishing(Published("10.63.0.254", 443, "10.1.0.200")), "publish 10.1.0.200:443, at which nothing listens"),
        (publishing(*CHAIN.firewalls[0].publishes * 2), "found twice: 10.63.0.254:80"),
        (
            lambda: dataclasses.replace(CHAIN.firewalls[0], outside=CHAIN.firewalls[0].inside),
            "found twice: 10.1.0.0/24",
        ),
    ],
)
def test_what_does_not_fit_is_refused(made: Callable[[], object], wrong: str) -> None:
    with pytest.raises(SpecError, match=wrong):
        made()


def test_options_of_the_other_layer_are_not_in_the_value() -> None:
    four, seven = BalancerOptions().over(("b1",), "10.0.0.254", 80, ("w1",)), GROUP
    assert isinstance(four, Balancer) and (four.redispatch, four.sync, four.kind) == (False, True, "dr")
    (seven,) = balancer_pair(balancer=BalancerOptions(layer=7)).balancers
    assert (seven.redispatch, seven.sync, seven.kind) == (True, False, "")


def test_clients_ask_where_the_first_balanced_service_is_published() -> None:
    assert (PAIR.entry, CHAIN.entry) == (("10.0.0.254", 80), ("10.63.0.254", 80))
    assert service(filtering=FirewallOptions(nat=False)).entry == ("10.1.0.200", 80)
    server = Published("10.63.0.9", 80, CHAIN.host("w1").ip)
    assert publishing(server, *CHAIN.firewalls[0].publishes)().entry == CHAIN.entry
    assert publishing(server)().entry == ("10.1.0.200", 80)
    assert dataclasses.replace(CHAIN, balancers=(), firewalls=()).entry is None


@pytest.mark.parametrize("topology", [PAIR, NAT, CHAIN], ids=["dr", "nat", "chain"])
def test_they_survive_being_written(topology: Topology) -> None:
    assert Topology.from_json(topology.to_json()) == topology
