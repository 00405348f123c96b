"""Schedules of faults, as values: written, read, refused, drawn at random."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.errors import SpecError
from testbed.faults import catalogue, schedule
from testbed.faults.schedule import Injection, Schedule, drawn, parsed
from topologies.back_to_back import back_to_back
from topologies.gateway_pair import gateway_pair
from topologies.mlag import mlag
from topologies.single_switch import single_switch

LINE = "carrier_loss s1-eth1 0.5 for 2; flapping s1-eth3 1 for 1.5 period_ms=200 duty=0.3"


def test_a_schedule_is_a_line_or_a_file(tmp_path: Path) -> None:
    found = parsed(LINE)
    assert found.injections[1] == Injection(1.0, 1.5, "flapping", "s1-eth3", {"period_ms": 200.0, "duty": 0.3})
    assert parsed(found.to_json()) == parsed(str(found)) == found
    (tmp_path / "schedule.json").write_text(found.to_json())
    assert schedule.read(str(tmp_path / "schedule.json")) == str(found) == schedule.read(LINE)
    assert found.length_s == 2.5
    one, other = found.checked(single_switch())
    assert (one.fault.name, one.element, one.parameters) == ("carrier_loss", "s1-eth1", {"side": "switch"})
    assert other.parameters == {"period_ms": 200.0, "duty": 0.3, "count": 0}


def test_the_text_and_the_file_have_the_documented_form() -> None:
    """docs/faults.md, Schedules; results/README.md, schedule.json."""
    found = parsed(LINE)
    assert str(found) == LINE.replace("period_ms=200 ", "period_ms=200.0 ")
    assert json.loads(found.to_json())[1] == {
        "at_s": 1.0,
        "for_s": 1.5,
        "fault": "flapping",
        "element": "s1-eth3",
        "parameters": {"period_ms": 200.0, "duty": 0.3},
    }


def test_instants_are_in_order_and_ends_come_first() -> None:
    found = parsed("silent_loss s1-eth1 0 for 1; carrier_loss s1-eth1 1 for 1; slow s1-eth1 0.5 for 3")
    assert found.instants() == [
        (0.0, 0, True),
        (0.5, 1, True),
        (1.0, 0, False),
        (1.0, 2, True),
        (2.0, 2, False),
        (3.5, 1, False),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the schedule has no injection"),
        ("carrier_loss s1-eth1 0.5", "is not an injection of a schedule"),
        ("carrier_loss s1-eth1 x for 1", "'x' or '1' is not a number of seconds"),
        ("carrier_los s1-eth1 0 for 1", "unknown fault 'carrier_los'"),
        ("carrier_loss s1-eth1 -1 for 1", "begins at -1 s; wanted 0 or more"),
        ("carrier_loss s1-eth1 0 for 0", "lasts 0 s; wanted more than 0"),
        ("slow s1-eth1 0 for 1 delay_ms=much", "'much' is not a number for delay_ms of slow"),
        ("slow s1-eth1 0 for 2; slow s1-eth1 1 for 2", "begins at 1 s, but one that began at 0 s lasts until 2 s"),
        ("miscabling s1-eth1 0 for 2; switch_crash s1 1 for 2", "overlap, but cables can be moved only one pair"),
        (
            "router_crash r1 0.5 for 2; router_hang r1 1 for 2",
            "router_crash of r1 and router_hang of r1 overlap, but both end, kill or halt daemons of r1: ",
        ),
        (
            "service_stop r1:keepalived 0 for 2; router_crash r1 1 for 2",
            "overlap, but both end, kill or halt daemons of r1",
        ),
        ("site_loss a+w1 0 for 2; router_crash w1 1 for 2", "overlap, but both end, kill or halt daemons of w1"),
        ("announcement_loss r1 0 for 2; router_hang r1 1 for 2", "overlap, but both end, kill or halt daemons of r1"),
        ("[1, 2]", "this is not a schedule"),
    ],
)
def test_impossible_schedules_are_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parsed(text)


def test_a_schedule_for_another_network_is_refused() -> None:
    with pytest.raises(SpecError, match="carrier_loss takes an interface or a link, not 's3-eth1'"):
        parsed("carrier_loss s3-eth1 0 for 1").checked(single_switch())
    with pytest.raises(SpecError, match=r"there is no schedule in nothing\.json: no such file"):
        schedule.read("nothing.json")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63), count=st.integers(1, 12))
def test_drawn_schedules_can_be_played_and_written(seed: int, count: int) -> None:
    topology = mlag()
    found = drawn(topology, seed, count, horizon_s=20.0)
    found.checked(topology)
    assert len(found.injections) == count
    assert found == drawn(topology, seed, count, horizon_s=20.0) == parsed(str(found)) == parsed(found.to_json())
    assert all(0 <= s.at_s <= 20 and 0.1 <= s.for_s <= 3 for s in found.injections)
    active: list[int] = []
    for _, place, begins in found.instants():  # every fault ends, and each that ends has begun
        active = [*active, place] if begins else [p for p in active if p != place]
    assert active == []


def test_of_the_faults_of_one_daemon_one_lasts_at_a_time() -> None:
    """A router that loses power kills its daemons, and starts them when it boots: nothing else may do so meanwhile."""
    topology = gateway_pair()
    many = [drawn(topology, seed, 8, horizon_s=20.0, controller=False) for seed in range(40)]
    kinds = {injection.fault for each in many for injection in each.injections}
    assert {name for name in catalogue.FAULTS if name.startswith(("router_", "service_"))} <= kinds
    for each in many:
        own = [one for one in each.injections if one.fault.startswith(("router_", "service_"))]
        for one, other in itertools.combinations(own, 2):
            if one.element[:2] == other.element[:2]:
                assert one.at_s + one.for_s <= other.at_s or other.at_s + other.for_s <= one.at_s


def test_the_seed_decides_and_all_kinds_occur() -> None:
    topology = mlag()
    many = [drawn(topology, seed, 8, horizon_s=20.0) for seed in range(40)]
    assert len({str(each) for each in many}) == 40
    kinds = {injection.fault for each in many for injection in each.injections}
    assert kinds == set(catalogue.OF_LINKS) - {"none", "uplink_loss"}  # mlag has no uplinks
    without = itertools.chain.from_iterable(
        drawn(topology, s, 8, horizon_s=20.0, controller=False).injections for s in range(20)
    )
    assert not any("controller" in injection.fault for injection in without)


def test_a_schedule_needs_something_that_can_fail() -> None:
    with pytest.raises(SpecError, match="none of the faults uplink_loss can hit topology 'mlag'"):
        drawn(mlag(), 1, 1, horizon_s=1.0, faults=["uplink_loss"])
    with pytest.raises(SpecError, match="30 injections do not fit into 1 s"):
        drawn(mlag(), 1, 30, horizon_s=1.0, shortest_s=2.0, faults=["controller_crash"])
    assert isinstance(drawn(back_to_back(), 3, 4, horizon_s=9.0), Schedule)
