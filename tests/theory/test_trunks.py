"""A LAG between two switches: which of its faults have a bound, by the timers of IEEE 802.1AX."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.schemes import SCHEMES
from testbed.spec import BondOptions, Topology
from testbed.theory import OutageBound, reachability, trunks, ways
from topologies.mlag import mlag
from topologies.trunk import trunk
from topologies.two_ways import two_ways

LAG = two_ways(ends="lag", length=0)


def said(
    controller: str, fault: str, element: str = "e1-eth2", topology: Topology = LAG, **given: Any
) -> OutageBound | str | None:
    return ways.bound(topology, SCHEMES[controller].side, fault, element, given, ("h1", "h2"))


@pytest.mark.parametrize("controller", ["testbed", "ovs", "static"])
def test_a_lost_carrier_costs_nothing_but_the_switches_pauses(controller: str) -> None:
    found = said(controller, "carrier_loss")
    assert isinstance(found, OutageBound) and found.bound_s == 0 and found.limit_s <= 0.01


@pytest.mark.parametrize("controller", ["testbed", "ovs"])
def test_a_silent_link_is_left_when_lacp_times_out(controller: str) -> None:
    """6.4.4 and 6.4.12: LACPDUs each second, a timeout of three; the last one is up to a second old."""
    found = said(controller, "silent_loss")
    assert isinstance(found, OutageBound) and (found.low_s, found.bound_s) == (2.0, 3.0)


def test_with_slow_lacp_it_takes_as_much_longer() -> None:
    topology = trunk(bonding=BondOptions(lacp_rate="slow"))
    found = said("testbed", "silent_loss", "s1-eth3", topology)
    assert isinstance(found, OutageBound) and (found.low_s, found.bound_s) == (60.0, 90.0)
    assert trunks.period_s(topology, SCHEMES["testbed"].side, "silent_loss", "s1-eth3") == 30.0


def test_a_static_lag_never_leaves_a_silent_link() -> None:
    for direction in ("both", "to_host", "from_host"):
        assert said("static", "silent_loss", direction=direction) == trunks.BY_CARRIER
    side = SCHEMES["static"].side
    assert trunks.period_s(LAG, side, "silent_loss", "e1-eth2") == trunks.back_s(LAG, side) == 0.0


@pytest.mark.parametrize(
    ("fault", "given", "word"),
    [
        ("silent_loss", {"direction": "to_host"}, "Expired"),
        ("lossy", {"loss_percent": 20.0}, "three LACPDUs"),
        ("flapping", {}, "at each return"),
    ],
)
def test_what_has_no_bound_has_a_reason(fault: str, given: dict[str, Any], word: str) -> None:
    found = said("testbed", fault, **given)
    assert isinstance(found, str) and word in found


def test_without_its_software_a_switch_speaks_no_lacp() -> None:
    assert "speaks no LACP" in str(said("ovs", "switch_software_crash", "e2"))
    assert "datapath keeps" in str(said("static", "switch_software_crash", "e2"))
    assert said("static", "switch_software_crash", "s1", mlag()) is None


@pytest.mark.parametrize("element", ["h1-eth0", "e1-eth1"])
def test_a_hosts_own_link_is_none_of_a_lag_between_switches(element: str) -> None:
    assert said("testbed", "silent_loss", element) is None
    assert said("testbed", "silent_loss", "s1-eth3", mlag()) is None  # one peer link has no other beside it


@pytest.mark.parametrize(
    ("topology", "link"),
    [
        (trunk(), "s1-eth3--s2-eth3"),
        (mlag(peer_members=2), "s1-eth3--s2-eth3"),
        (LAG, "e1-eth2--e2-eth2"),
    ],
)
def test_the_hosts_behind_a_silent_link_wait_for_lacp_as_well(topology: Topology, link: str) -> None:
    """Wherever a LAG joins two switches: its traffic is lost until both have left the link, not moved at once."""
    (found,) = reachability.expected(topology, [], silent=[link], pairs=[("h1", "h2")]).values()
    assert found.connected is True and found.bound is not None and found.bound.bound_s == 3.0
