"""The downtime of networks, against formulas written by hand from their drawings."""

from __future__ import annotations

import dataclasses
import math

import pytest

from testbed.spec import BondOptions, SwitchSide, Topology
from testbed.spec.wiring import Wiring
from testbed.theory import availability, failure_rates
from testbed.theory.availability import YEAR_S, Availability, Event, Range
from testbed.theory.failure_rates import Rate
from testbed.theory.redundancy import Observed, Redundancy
from topologies.dual_switch import dual_switch
from topologies.gateway_pair import gateway_pair
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.single_switch import single_switch
from topologies.unprotected import unprotected

RATES = failure_rates.defaults()
LINK, MEMBER, CARD, SWITCH, ROUTER = (
    RATES[kind].unavailability for kind in ("link", "member", "interface", "switch", "router")
)
#: Switches that nobody controls: so the formulas by hand have no controller in them.
ALONE = SwitchSide(controller=False)


def of(topology: Topology, side: SwitchSide = ALONE, **more: object) -> Redundancy:
    return Redundancy(topology, side, RATES, **more)  # type: ignore[arg-type]


def computed(redundancy: Redundancy, at_once: int = 2) -> Availability:
    found = availability.events(redundancy.elements, dict(redundancy.rates))
    return availability.downtime(found, redundancy.up, redundancy.outage, at_once=at_once)


def apart_s(found: Availability) -> Range:
    """The time until repairs alone, with what was not enumerated."""
    return sum((each.apart_s for each in found.contributions), Range(0.0, found.rest_s))


def agrees(found: Availability, share: float) -> None:
    """The share of time is within what was computed, and this is not wider than a millionth of it."""
    span = apart_s(found)
    assert span.low <= share * YEAR_S * (1 + 1e-9) and share * YEAR_S <= span.high * (1 + 1e-9)
    assert span.high - span.low < 1e-5 * span.high


def test_unprotected_is_a_series() -> None:
    agrees(computed(of(unprotected())), 1 - (1 - LINK) ** 3 * (1 - CARD) ** 2 * (1 - SWITCH) ** 2)


def test_single_switch_is_a_switch_in_series_with_two_pairs() -> None:
    way = 1 - (1 - MEMBER) * (1 - CARD)
    agrees(computed(of(single_switch())), 1 - (1 - SWITCH) * (1 - way**2) ** 2)


def test_gateway_pair_is_its_switches_in_series_with_two_routers() -> None:
    """r1 is master as long as it and both its sides are up; then r2 needs the same."""
    ends = (1 - LINK) ** 2 * (1 - CARD) ** 2 * (1 - SWITCH) ** 2
    router = 1 - (1 - ROUTER) * (1 - LINK) ** 2 * (1 - CARD) ** 2
    agrees(computed(of(gateway_pair())), 1 - ends * (1 - router**2))


def test_dual_switch_is_lost_by_pairs() -> None:
    """Active-backup with the same primary: way 1 by s1, way 2 by s2, and the peer link if the hosts use two switches.

    Pairs that part them, x a member or card: both ways of one host (x1 and x2 of it, or s2 and x1, or s1 and x2); s1
    and s2; and the peer link with one way of one host, which then is alone on the other switch.
    """
    x = MEMBER + CARD
    pairs = 2 * (x * x + 2 * SWITCH * x) + SWITCH**2
    found = apart_s(computed(of(dual_switch())))
    assert (pairs + 2 * LINK * x) * YEAR_S == pytest.approx(found.low, rel=1e-3)


def test_mlag_is_lost_by_pairs() -> None:
    """As `tests/theory/test_reachability.py` has it of single pairs: both ways of a host, both switches, and the peer
    link with a way to s1, where all hosts are kept then."""
    x = MEMBER + CARD
    found = apart_s(computed(of(mlag())))
    assert (2 * (x * x + 2 * SWITCH * x) + SWITCH**2 + 2 * LINK * x) * YEAR_S == pytest.approx(found.low, rel=1e-3)
    assert found.high == pytest.approx(found.low, rel=1e-2)


def test_three_at_once_narrow_the_range() -> None:
    two, three = (apart_s(computed(of(single_switch()), at_once)) for at_once in (2, 3))
    assert two.low <= three.low <= three.high <= two.high
    assert three.high - three.low < two.high - two.low


# Outages ------------------------------------------------------------------------------------------------------------


def event(redundancy: Redundancy, name: str) -> Event:
    return next(e for e in availability.events(redundancy.elements, dict(redundancy.rates)) if e.name == name)


def test_the_outage_is_theorys_mean_or_its_bound() -> None:
    """dual_switch: the MII monitor's period is 104 ms, so 52 ms on average; gateway_pair: up to 3A + S by RFC 5798, A
    of 1 s, S of 156/256 A."""
    found = of(dual_switch())
    outage = found.outage(event(found, "s1"))
    assert outage.basis == "theory, mean" and outage.seconds.low == pytest.approx(0.052)
    found = of(gateway_pair())
    outage = found.outage(event(found, "r1"))
    assert outage.basis == "theory, bound" and outage.seconds.low == 0.0
    assert 3 + 156 / 256 <= outage.seconds.high < 3 + 156 / 256 + 0.02


def test_what_was_measured_comes_first() -> None:
    seen = {
        frozenset({"s1"}): Observed(True, 0.25, 0.5),
        frozenset({"s2"}): Observed(False),
        frozenset({"h1-eth0", "h2-eth0"}): Observed(False),
    }
    found = of(dual_switch(), observed=seen)
    assert found.outage(event(found, "s1")).seconds == Range(0.75, 0.75)
    assert found.outage(event(found, "s1")).basis == "measured"
    assert [found.up(frozenset(names)) for names in (["s1"], ["s2"], ["h1-eth0"], ["h1-eth0", "h2-eth0"])] == [
        *(True, False, True, False)
    ]
    apart = computed(found)
    assert next(e for e in apart.contributions if e.event.name == "s2").apart_s.low > SWITCH * YEAR_S * 0.99


def test_an_outage_without_a_bound_may_last_until_the_repair() -> None:
    """A bond without a monitor stays with its active member (bonding.rst, miimon): the other one may fail, and theory
    has no bound for it."""
    found = of(dual_switch(bonding=BondOptions(mode="active-backup", miimon_ms=0)))
    failed = event(found, "h1-eth1")
    assert found.up(frozenset({"h1-eth1"})) is True
    outage = found.outage(failed)
    assert (outage.basis, outage.seconds) == ("not known", Range(0.0, 4 * 3600.0))


def test_a_controller_is_away_until_its_repair() -> None:
    """Without it LACP at rate fast times out after 3 s at the latest (IEEE 802.1AX-2014, 6.4.4): then flows are lost
    where a host has several links to the one switch."""

    def up(mttr_s: float, **more: object) -> bool | None:
        rates = RATES | {"controller": Rate(1e4, mttr_s / 3600, "test")}
        return Redundancy(single_switch(), SwitchSide(), rates, **more).up(frozenset({"c0"}))  # type: ignore[arg-type]

    assert up(1.0) is True
    assert up(60.0) is False
    short = {frozenset({"c0"}): Observed(True, 0.0, 0.0, controller_down_s=1.5)}
    assert up(60.0, observed=short) is False  # it was measured for 1.5 s only
    assert up(60.0, observed={frozenset({"c0"}): Observed(True, 0.0, 0.0, controller_down_s=90.0)}) is True


# Ways ---------------------------------------------------------------------------------------------------------------


def test_what_no_way_leads_by_takes_no_switch_over() -> None:
    """mlag: h3 hangs on s1 by one link. leaf_spine: all links and switches are on ways."""
    found = of(mlag(), SwitchSide())
    assert {each.name for each in found.elements} - found.on_ways() == {
        *("h3-eth0--s1-eth4", "h3-eth0", "c0", "c0-s1", "c0-s2"),
    }
    found = of(leaf_spine())
    assert {each.name for each in found.elements} <= found.on_ways()


def test_no_way_leads_through_another_host_or_by_a_node_twice() -> None:
    """h3 has a link to each switch, and passes on no frames; s3 is a switch at the end of a link."""
    net = Wiring()
    s1, s2, s3 = net.switches(3)
    for host in ("h1", "h2", "h3"):
        net.bonded(host, [s1, s2])
    net.join(s1, s2)
    net.link(s1, s3)
    found = of(dataclasses.replace(net.topology("three"), protected=("h1", "h2")))
    off = {each.name for each in found.elements} - found.on_ways()
    assert {name.split("-")[0] for name in off if name.startswith("h")} == {"h3"}
    assert {name for name in off if not name.startswith("h")} == {"s3", "s1-eth5--s3-eth1"}


def test_yearly_numbers_have_the_right_size() -> None:
    """One switch: 8766 h / 171004 h failures a year, 4 h each."""
    found = computed(of(single_switch()))
    s1 = next(each for each in found.contributions if each.event.name == "s1")
    assert s1.event.rate.failures_a_year == pytest.approx(8766 / 171004)
    assert s1.apart_s.low == pytest.approx(8766 / 171004 * 4 * 3600, rel=1e-4)
    assert math.isclose(found.unavailability.low, s1.apart_s.low / YEAR_S, rel_tol=1e-3)
