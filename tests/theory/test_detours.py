"""Where fast-failover groups send a frame: every single failure has a detour, and no frame circulates."""

from __future__ import annotations

import itertools

import pytest

from testbed.schemes import SCHEMES
from testbed.spec import FastFailover, SwitchSide, Topology
from testbed.theory import OutageBound, Rest, mean_s, quantiles_s, reachability, ways
from testbed.theory.detours import Detours
from topologies.ring import ring
from topologies.trunk import trunk
from topologies.two_ways import two_ways

WAYS = two_ways(ends="switches")
SIDE = SCHEMES["fast-failover"].side


def between(topology: Topology) -> list[str]:
    """The links between switches."""
    hosts = {host.name for host in topology.hosts}
    return [link.name for link in topology.links if hosts.isdisjoint((link.a, link.b))]


def joined(topology: Topology, dead: tuple[str, ...]) -> dict[str, str]:
    """For each switch one that stands for all that it is still joined to."""
    part = {switch.name: switch.name for switch in topology.switches}
    for link in topology.links:
        if link.a in part and link.b in part and link.name not in dead:
            here, there = part[link.a], part[link.b]
            part = {name: there if found == here else found for name, found in part.items()}
    return part


NETWORKS = [
    (WAYS, 2),
    (two_ways(ends="switches", length=0, ways=3), 2),
    (ring(dual_homed=False), 2),
    (ring(dual_homed=False, switches=7), 2),
    (two_ways(ends="switches", length=2, ways=3), 1),
]


@pytest.mark.parametrize(
    ("topology", "most"), NETWORKS, ids=[f"{each.name}{place}" for place, (each, _) in enumerate(NETWORKS)]
)
def test_whatever_fails_a_frame_arrives_if_a_way_is_left(topology: Topology, most: int) -> None:
    """All sets of so many links that fail, and fewer: the graph says whether a way is left."""
    detours = Detours(topology)
    hosts = [host.name for host in topology.hosts]
    for count in range(most + 1):
        for dead in itertools.combinations(between(topology), count):
            part = joined(topology, dead)
            for one, other in itertools.permutations(hosts, 2):
                left = part[detours.home(one)[0]] == part[detours.home(other)[0]]
                assert (detours.way(one, other, dead) is not None) == left, (dead, one, other)


@pytest.mark.parametrize("topology", [topology for topology, _ in NETWORKS], ids=lambda topology: "")
def test_no_frame_circulates_whatever_fails(topology: Topology) -> None:
    """A frame makes as many detours as there are switches at most, and between two of them it only comes nearer."""
    detours, links = Detours(topology), between(topology)
    longest = len(detours.switches) * (len(detours.switches) + 1)
    for dead in itertools.islice(itertools.combinations(links, len(links) // 2), 200):
        for one, other in itertools.permutations([host.name for host in topology.hosts][:3], 2):
            assert len(detours.way(one, other, dead) or []) <= longest


def test_the_switch_beside_the_failure_sends_back_what_has_no_other_way() -> None:
    """e1 - s1 - e2 fails behind s1: to s1, back to e1, and over s2."""
    way = Detours(WAYS).way("h1", "h2", ["s1-eth2--e2-eth2"])
    assert way == ["e1-eth2--s1-eth1", "e1-eth2--s1-eth1", "e1-eth3--s2-eth1", "s2-eth2--e2-eth3"]
    assert Detours(WAYS).way("h1", "h2") == ["e1-eth2--s1-eth1", "s1-eth2--e2-eth2"]


def bound(fault: str, element: str, side: SwitchSide = SIDE, **parameters: str) -> OutageBound | str | None:
    return ways.bound(WAYS, side, fault, element, parameters, ("h1", "h2"))


def test_a_lost_carrier_moves_the_flow_at_once() -> None:
    for fault, element in (("carrier_loss", "s1-eth2"), ("switch_crash", "s1"), ("flapping", "e1-eth2")):
        found = bound(fault, element)
        assert isinstance(found, OutageBound) and (found.low_s, found.bound_s) == (0.0, 0.0)


def test_bfd_notices_after_its_multiplier_less_the_age_of_the_last_packet() -> None:
    """RFC 5880, 6.8.4: m intervals after the last packet, which is at most one interval old: from 0.2 to 0.3 s."""
    found = bound("silent_loss", "s1-eth2")
    assert isinstance(found, OutageBound)
    assert (found.low_s, found.bound_s) == (pytest.approx(0.2), pytest.approx(0.3))
    other = bound("silent_loss", "s1-eth2", SwitchSide(detour=FastFailover(bfd_ms=50, bfd_mult=5)))
    assert isinstance(other, OutageBound)
    assert (other.low_s, other.bound_s) == (pytest.approx(0.2), pytest.approx(0.25))


def test_the_end_that_still_hears_is_told_by_the_other() -> None:
    found = bound("silent_loss", "s1-eth2", direction="to_host")
    assert isinstance(found, OutageBound) and found.bound_s == pytest.approx(0.4)


def test_without_bfd_silence_is_not_noticed() -> None:
    side = SwitchSide(detour=FastFailover(bfd_ms=0))
    assert isinstance(bound("silent_loss", "s1-eth2", side), str)
    found = reachability.expected(WAYS, (), side=side, silent=["s1-eth2--e2-eth2"])["h1", "h2"]
    assert found.connected is False and "bfd_ms=0" in found.why
    assert reachability.expected(WAYS, (), side=SIDE, silent=["s1-eth2--e2-eth2"])["h1", "h2"].connected is True


def test_the_rest_of_an_interval_is_what_renewal_theory_says() -> None:
    """The mean age is E[X^2] / (2 E[X]); X is uniform from 0.75 to 1, so E[X^2] = (1 - 0.75^3) / (3 x 0.25)."""
    rest = Rest(3.0, 0.75, 1.0)
    square = (1 - 0.75**3) / 0.75
    assert mean_s(rest) == pytest.approx(3.0 - square / (2 * 0.875))
    assert (rest.cdf(2.0), rest.cdf(3.0)) == (pytest.approx(0.0), pytest.approx(1.0))
    assert rest.cdf(2.25) == pytest.approx(1 - 0.75 / 0.875)
    assert quantiles_s(rest)[0] == 2.0


def test_a_slow_link_may_take_a_session_down() -> None:
    found = bound("slow", "s1-eth2", delay_ms="50")
    assert isinstance(found, OutageBound) and found.bound_s == pytest.approx(0.05)
    assert isinstance(bound("slow", "s1-eth2", delay_ms="250"), str)


def test_a_host_is_cut_off_with_its_switch_or_its_cable() -> None:
    for element in ("e1", "h1-eth0--e1-eth1", "h1-eth0", "h1"):
        assert reachability.expected(WAYS, [element], side=SIDE)["h1", "h2"].connected is False
    for element in ("s1", "s1-eth2--e2-eth2"):
        assert reachability.expected(WAYS, [element], side=SIDE)["h1", "h2"].connected is True
    assert Detours(trunk()).choices("s1", "s2", "s1-eth1", 0)[0].detour is False
