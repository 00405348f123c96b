"""A chain of layers, judged by arithmetic of its own: each layer needs one part that the next one reaches."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.faults.elements import elements
from testbed.schemes import chosen
from testbed.spec import BalancerOptions, FirewallOptions, Topology
from testbed.theory import OutageBound, chain
from testbed.theory.reachability import Expectation
from topologies.service import service

SIDE = chosen({"controller": "testbed"}).side
PAIRS = service()


def said(topology: Topology, *failed: str, controller_down_s: float = 1.5) -> Expectation:
    (found,) = chain.expected(topology, failed, side=SIDE, controller_down_s=controller_down_s).values()
    return found


def weak(topology: Topology) -> set[str]:
    """The elements whose failure the service does not survive."""
    return {each.name for each in elements(topology, SIDE) if said(topology, each.name).connected is not True}


def test_with_every_layer_paired_nothing_is_a_single_point_of_failure() -> None:
    assert len(elements(PAIRS, SIDE)) > 40 and weak(PAIRS) == set()


@pytest.mark.parametrize(
    ("layer", "points"),
    [
        ({"firewall": "single"}, {"f1"}),
        ({"balancer": "single"}, {"b1"}),
        ({"switch": "single"}, {"s1"}),
        ({"servers": 1}, {"w1"}),
        (
            {"line": "single"},
            {"ia", "c-eth0", "c-eth0--ia-eth0", "ia-eth0", "ia-eth1", "ia-eth1--s1-eth1", "s1"},  # s1 has the line
        ),
    ],
)
def test_a_layer_of_one_is_a_single_point_of_failure(layer: dict[str, str | int], points: set[str]) -> None:
    assert weak(service(**layer)) == points  # type: ignore[arg-type]


@pytest.mark.parametrize("filtering", [FirewallOptions(), FirewallOptions(nat=False)], ids=["nat", "no_nat"])
@pytest.mark.parametrize("balancing", [BalancerOptions(), BalancerOptions(layer=7)], ids=["layer4", "layer7"])
def test_a_balancer_alone_is_a_single_point_of_failure_whatever_it_does(
    filtering: FirewallOptions, balancing: BalancerOptions
) -> None:
    assert weak(service(filtering=filtering, balancing=balancing, balancer="single")) == {"b1"}


def test_without_its_balancers_the_service_is_away_though_servers_and_firewalls_are_there() -> None:
    for nat in (True, False):
        found = said(service(filtering=FirewallOptions(nat=nat)), "b1", "b2")
        assert (found.connected, found.why) == (False, "nothing that f1 reaches has 10.1.0.200")


def test_balancers_and_their_servers_are_elements_and_other_web_servers_are_not() -> None:
    def kinds(topology: Topology) -> dict[str, str]:
        return {each.name: each.kind for each in elements(topology, SIDE) if each.kind in ("balancer", "server")}

    assert kinds(PAIRS) == {"b1": "balancer", "b2": "balancer", "w1": "server", "w2": "server"}
    assert kinds(dataclasses.replace(PAIRS, balancers=(), firewalls=())) == {}


def test_an_address_that_nobody_announces_is_not_reached() -> None:
    (group,) = PAIRS.bgp
    speakers = tuple(dataclasses.replace(each, announces=()) if each.asn == 65001 else each for each in group.speakers)
    silent = dataclasses.replace(PAIRS, bgp=(dataclasses.replace(group, speakers=speakers),))
    assert chain.unreached(PAIRS, SIDE) is None
    assert chain.unreached(silent, SIDE) == "c does not reach the web service: c has no route to 10.63.0.254"


@pytest.mark.parametrize(
    ("element", "limit_s"),
    [
        ("f1", 0.3 + 156 / 256 * 0.1),  # RFC 5798: 3 A + skew
        ("b1", 0.3 + 156 / 256 * 0.1),
        ("ia", 0.3),  # RFC 5880: Detect Mult x interval
        ("w1", 2 * 1.0 + 3 * 0.5 + 1.0),  # 3 checks, 1 s apart, each with a time-out of 0.5 s
        ("b2", 0.0),
    ],
)
def test_each_layer_has_the_bound_of_its_own_mechanism(element: str, limit_s: float) -> None:
    bound = said(PAIRS, element).bound
    assert isinstance(bound, OutageBound) and bound.bound_s == pytest.approx(limit_s)


def test_a_switch_that_is_away_from_the_controller_is_left_by_the_bonds_as_one_that_fails() -> None:
    """By LACP's timeout of 3 s; each bond leaves it by its own clock, up to a period and a step of the driver apart."""
    for control in ("c0-s1", "c0-s2"):
        bound = said(PAIRS, control, controller_down_s=10.0).bound
        assert isinstance(bound, OutageBound) and bound.bound_s == pytest.approx(0.3 + 1.0 + (1.0 + 0.104))
        assert said(PAIRS, control).bound == said(PAIRS, "b2").bound  # before that nothing is lost
    assert said(PAIRS, "c0-s1", "ib", controller_down_s=10.0).connected is False
    assert said(PAIRS, "c0-s1", controller_down_s=2.5).connected is None  # some bonds have left it
    for other in ("c0-s2", "s2"):  # all members of each bond
        assert said(PAIRS, "c0-s1", other, controller_down_s=10.0).connected is None


@pytest.mark.parametrize(
    "failed", [("w1-eth0", "w1-eth1"), ("w1-eth0--s1-eth8", "w1-eth1"), ("s1", "w1-eth1--s2-eth8")]
)
def test_a_server_without_a_link_costs_what_a_server_without_power_does(failed: tuple[str, ...]) -> None:
    alone, bound = said(PAIRS, "w1").bound, said(PAIRS, *failed).bound
    assert alone is not None and bound is not None and bound.bound_s >= alone.bound_s
    assert said(PAIRS, failed[0]).bound != bound, "one member alone costs no request"


def up(failed: frozenset[str]) -> bool:
    """By layers alone: which machines still have a link to a switch that lives; the switches are joined."""
    switches = [name for name in ("s1", "s2") if name not in failed]

    def joined(machine: str) -> bool:
        links = [link for link in PAIRS.links if machine in (link.a, link.b)]
        alive = [link for link in links if failed.isdisjoint(link.elements)]
        return machine not in failed and any(link.beyond(machine) in switches for link in alive)

    def line(provider: str) -> bool:
        link = next(link for link in PAIRS.links if {link.a, link.b} == {"c", provider})
        return joined(provider) and failed.isdisjoint(link.elements)

    layers = (map(line, ("ia", "ib")), *(map(joined, pair) for pair in (("f1", "f2"), ("b1", "b2"), ("w1", "w2"))))
    return all(any(layer) for layer in layers)


#: What joins the switches stays: without it they are two networks, and which of them keeps a LAG is LACP's matter.
_TRUNK = {name for link in PAIRS.links if {link.a, link.b} == {"s1", "s2"} for name in (link.name, *link.elements)}
_NAMES = sorted(each.name for each in elements(PAIRS, SIDE) if each.kind not in ("controller", "control"))
_CANDIDATES = [name for name in _NAMES if name in ("s1", "s2") or name not in _TRUNK]


@settings(max_examples=150)
@given(st.frozensets(st.sampled_from(_CANDIDATES), max_size=4))
def test_it_is_up_while_each_layer_has_a_part_left(failed: frozenset[str]) -> None:
    assert said(PAIRS, *failed).connected is up(failed)
