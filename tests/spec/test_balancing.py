"""Balancers and servers as values: what does not fit together is refused, and says what to type."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from testbed.errors import SpecError
from testbed.spec import Addressing, Balancer, BalancerOptions, Server, Topology, VrrpOptions
from topologies.balancer_pair import balancer_pair

PAIR = balancer_pair()
NAT = balancer_pair(balancer=BalancerOptions(kind="nat"))
(GROUP,) = PAIR.balancers


def changed(topology: Topology, **fields: object) -> Callable[[], Topology]:
    (group,) = topology.balancers
    return lambda: dataclasses.replace(topology, balancers=(dataclasses.replace(group, **fields),))  # type: ignore[arg-type]


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
        (lambda: VrrpOptions(refresh_s=-1), "vrrp_refresh_s is -1; wanted 0 or more"),
        (lambda: VrrpOptions(startup_delay_s=61), "vrrp_startup_delay_s is 61; wanted 60 or less"),
        (lambda: Server("w1", 0), "port of the server on 'w1' is 0"),
        (lambda: balancer_pair(addressing=Addressing(ip=6)), "wanted an IPv4 address"),
        (lambda: balancer_pair(servers=0), "has no servers; wanted one or more"),
        (changed(PAIR, address="10.0.0.77"), "no virtual address of a VRRP group of theirs"),
        (changed(PAIR, machines=("b1", "w1")), "no virtual address of a VRRP group of theirs"),
        (changed(PAIR, servers=("w1", "w9")), "no 'w9'|w9"),
        (changed(PAIR, port=8080), "wanted one port, with balancer_kind=dr"),
        (changed(PAIR, kind="nat"), "wanted another virtual address"),
        (changed(NAT, kind="dr"), "wanted one subnet, with balancer_kind=dr"),
        (lambda: dataclasses.replace(PAIR, servers=(*PAIR.servers, Server("w1"))), "found twice: w1"),
        (lambda: dataclasses.replace(PAIR, servers=(Server("x1"),)), "x1"),
        (lambda: dataclasses.replace(PAIR, balancers=(GROUP, GROUP)), "found twice: b1, b2"),
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


@pytest.mark.parametrize("topology", [PAIR, NAT], ids=["dr", "nat"])
def test_they_survive_being_written(topology: Topology) -> None:
    assert Topology.from_json(topology.to_json()) == topology
