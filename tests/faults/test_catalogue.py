"""The catalogue of faults and their schedules, as values: what each takes, what is refused, what is cut."""

from __future__ import annotations

import inspect
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.failover import element_of, not_applicable
from testbed.errors import SpecError
from testbed.faults import catalogue, schedule
from testbed.faults.schedule import Schedule, Strike, drawn, parsed
from testbed.inject import FAULTS as CONTEXTS
from testbed.inject import OPTIONS, controllers, links, nodes, tc
from testbed.inject.tc import Impairment, Queue
from testbed.spec import BondOptions, Link
from topologies.back_to_back import back_to_back
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.single_switch import single_switch

STATIC = BondOptions(mode="active-backup")


def test_each_fault_is_named_documented_and_drawn() -> None:
    assert list(catalogue.FAULTS) == list(CONTEXTS)
    drawings = "".join(str(module.__doc__) for module in (links, controllers, nodes))
    impaired = {"lossy", "slow", "none"}  # nothing that a drawing would show
    for name, context in CONTEXTS.items():
        assert (context.__doc__ or "").strip()
        assert catalogue.FAULTS[name].summary.endswith(".")
        assert name in impaired or name in drawings, name


def test_the_contexts_take_what_the_catalogue_says() -> None:
    for name, context in CONTEXTS.items():
        taken = [n for n, p in inspect.signature(context).parameters.items() if p.kind is p.KEYWORD_ONLY]
        assert taken == [p.name for p in catalogue.FAULTS[name].parameters], name


def test_factors_of_parameters_are_unique_and_in_the_document() -> None:
    names = [option.name for option in OPTIONS]
    assert len(set(names)) == len(names) == sum(len(f.parameters) for f in catalogue.FAULTS.values())
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    for name in (*catalogue.FAULTS, *names):
        assert f"`{name}`" in text, name


@pytest.mark.parametrize(
    ("name", "element", "parameters", "message"),
    [
        (
            "carrier_los",
            "s1-eth1",
            {},
            "unknown fault 'carrier_los'; the known ones are: .*Did you mean 'carrier_loss'",
        ),
        ("carrier_loss", "s9-eth1", {}, "carrier_loss takes an interface or a link, not 's9-eth1'.*s1-eth1"),
        (
            "carrier_loss",
            "s1-eth1",
            {"side": "left"},
            "unknown side of fault carrier_loss 'left'; .*both, host, switch",
        ),
        ("carrier_loss", "s1-eth1", {"duty": 1}, "unknown parameter of fault carrier_loss: 'duty'; .*: side"),
        ("switch_crash", "h1", {}, "switch_crash takes a switch, not 'h1'.*Here: s1."),
        ("switch_crash", "s1", {"x": 1}, "fault switch_crash takes no parameters, but 'x' was given"),
        ("host_reboot", "s1", {}, "host_reboot takes a host, not 's1'.*Here: h1, h2."),
        ("controller_crash", "s1", {}, "controller_crash takes a controller, not 's1'.*Here: c0."),
        ("flapping", "s1-eth1", {"duty": 1.0}, "duty of fault flapping is 1; wanted 0.01 to 0.99"),
        ("flapping", "s1-eth1", {"count": 1.5}, "count of fault flapping is 1.5; wanted a whole number"),
        ("flapping", "s1-eth1", {"period_ms": "x"}, "period_ms of fault flapping is 'x'; wanted a number"),
        ("lossy", "s1-eth1", {"loss_percent": 101}, "loss_percent of fault lossy is 101; wanted 0 to 100"),
        ("slow", "s1-eth1", {"delay_ms": float("nan")}, "delay_ms of fault slow is nan; wanted a number"),
        ("slow", "s1-eth1", {"rate_mbps": -1}, "rate_mbps of fault slow is -1; wanted 0 or more"),
        ("miscabling", "s1-eth1", {"other": "s1-eth2"}, "s1-eth1 and s1-eth2 are both in 'lag-h1'"),
        ("uplink_loss", "s1", {}, "uplink_loss: switch 's1' of topology 'single_switch' has no uplink"),
        ("peer_link_loss", "s1", {}, "peer_link_loss: switch 's1' of topology 'single_switch' has no peer link"),
    ],
)
def test_what_cannot_be_is_refused(name: str, element: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        catalogue.checked(single_switch(), name, element, parameters)
    assert re.search(message, str(caught.value).replace("\n", " ")), str(caught.value)


def test_miscabling_needs_two_lags() -> None:
    with pytest.raises(SpecError, match="miscabling takes cables of LAGs; h1-eth0--s1-eth1 is in none"):
        catalogue.checked(single_switch(bonding=STATIC), "miscabling", "s1-eth1", {})


def test_a_cable_is_named_by_either_end_or_as_a_link() -> None:
    topology = single_switch()
    for element in ("h1-eth0", "s1-eth1", "h1-eth0--s1-eth1"):
        link, host_end, switch_end = catalogue.link_named(topology, element)
        assert (link.name, host_end, switch_end) == ("h1-eth0--s1-eth1", "h1-eth0", "s1-eth1")


def test_between_two_of_a_kind_the_named_end_counts_as_the_hosts() -> None:
    assert catalogue.link_named(mlag(), "s2-eth3")[1:] == ("s2-eth3", "s1-eth3")
    assert catalogue.link_named(mlag(), "s1-eth3--s2-eth3")[1:] == ("s1-eth3", "s2-eth3")
    assert catalogue.link_named(back_to_back(), "h2-eth1")[1:] == ("h2-eth1", "h1-eth1")


def test_miscabling_takes_the_next_lag_at_the_same_place() -> None:
    topology = single_switch()
    assert catalogue.other_cable(topology, "h1-eth1") == ("s1-eth2", "s1-eth4")
    assert catalogue.other_cable(topology, "s1-eth4") == ("s1-eth4", "s1-eth2")
    assert catalogue.other_cable(topology, "s1-eth1", "h2-eth1") == ("s1-eth1", "s1-eth4")


def test_peer_links_and_uplinks_are_told_apart() -> None:
    topology = mlag()
    assert [link.name for link in catalogue.cut_links(topology, "peer_link_loss", "s1")] == ["s1-eth3--s2-eth3"]
    with pytest.raises(SpecError, match="has no uplink"):
        catalogue.cut_links(topology, "uplink_loss", "s1")
    fabric = leaf_spine()
    leaf = next(s.name for s in fabric.switches if catalogue.peers(fabric, s.name))
    spines = {s.name for s in fabric.switches if not catalogue.peers(fabric, s.name)}
    up = catalogue.cut_links(fabric, "uplink_loss", leaf)
    assert up and all({link.a, link.b} & spines for link in up)


def test_what_the_oracle_is_told() -> None:
    topology = mlag()
    assert catalogue.failed(topology, "switch_crash", "s1", {}) == catalogue.Failed(frozenset({"s1"}))
    link = frozenset({"h1-eth0--s1-eth1"})
    assert catalogue.failed(topology, "carrier_loss", "h1-eth0", {}) == catalogue.Failed(link)
    assert catalogue.failed(topology, "silent_loss", "h1-eth0", {}) == catalogue.Failed(silent=link)
    assert catalogue.failed(topology, "silent_loss", "h1-eth0", {"direction": "to_host"}) is None
    assert catalogue.failed(topology, "lossy", "h1-eth0", {}) is None
    assert catalogue.failed(topology, "controller_cut", "s1", {}) is None


def test_failover_leaves_out_what_cannot_be() -> None:
    common = {"mode": "802.3ad", "controller": "testbed"}
    assert not_applicable({**common, "fault": "carrier_loss"}, single_switch()) is None
    alone = {**common, "controller": "none", "fault": "controller_crash"}
    assert not_applicable(alone, single_switch()) == (
        "controller_crash: with controller=none no controller steers the switches"
    )
    backup = {**common, "mode": "active-backup", "fault": "lacp_loss"}
    assert not_applicable(backup, single_switch(bonding=STATIC)) == "lacp_loss: mode active-backup speaks no LACP"
    with pytest.raises(SpecError, match="duty of fault flapping is 2"):
        not_applicable({**common, "fault": "flapping", "flap_duty": 2.0}, single_switch())


def test_what_fails_follows_from_the_member_in_use() -> None:
    topology = mlag()
    found = {name: element_of(topology, name, "h1-eth1") for name in catalogue.FAULTS}
    assert (found["carrier_loss"], found["switch_crash"]) == ("s2-eth1", "s2")
    assert (found["host_reboot"], found["controller_cut"], found["none"]) == ("h1", "c0", "s2-eth1")


# --- queues -------------------------------------------------------------------------------------------------


def options(text: bytes) -> tuple[tuple[int, ...], dict[int, bytes]]:
    from testbed.inject.rtnetlink import attributes

    return tc._NETEM.unpack_from(text), attributes(text, tc._NETEM.size)


def test_impairments_add_up_to_what_was_there() -> None:
    """tc-netem(8), linux/pkt_sched.h: struct tc_netem_qopt, TCA_NETEM_LATENCY64 and TCA_NETEM_PRNG_SEED."""
    link = Link("h1", "h1-eth0", "s1", "s1-eth1", rate_mbps=1000.0, delay_ms=1.0)
    before = tc.netem(Queue("", 0, tc.ROOT), link, [Impairment(delay_ms=1.0)])
    found = Queue("netem", 0x20000, 0x10001, before)
    settings_, told = options(tc.netem(found, link, [Impairment(loss=0.5, seed=7), Impairment(loss=0.5, delay_ms=2.0)]))
    assert int.from_bytes(told[10], "little") == 3_000_000  # ns: 1 ms was there, 2 came
    assert settings_[2] / 0xFFFF_FFFF == pytest.approx(0.75)
    assert int.from_bytes(told[14], "little") == 7
    assert 6 not in told  # no rate asked for: none set


# --- schedules ----------------------------------------------------------------------------------------------

LINE = "carrier_loss s1-eth1 0.5 for 2; flapping s1-eth3 1 for 1.5 period_ms=200 duty=0.3"


def test_a_schedule_is_a_line_or_a_file(tmp_path: Path) -> None:
    found = parsed(LINE)
    assert found.strikes[1] == Strike(1.0, 1.5, "flapping", "s1-eth3", {"period_ms": 200.0, "duty": 0.3})
    assert parsed(found.to_json()) == parsed(str(found)) == found
    (tmp_path / "schedule.json").write_text(found.to_json())
    assert schedule.read(str(tmp_path / "schedule.json")) == str(found) == schedule.read(LINE)
    assert found.length_s == 2.5
    found.check(single_switch())


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
        ("", "the schedule has no strike"),
        ("carrier_loss s1-eth1 0.5", "is no strike of a schedule"),
        ("carrier_loss s1-eth1 x for 1", "'x' or '1' is no number of seconds"),
        ("carrier_los s1-eth1 0 for 1", "unknown fault 'carrier_los'"),
        ("carrier_loss s1-eth1 -1 for 1", "begins at -1 s; wanted 0 or more"),
        ("carrier_loss s1-eth1 0 for 0", "lasts 0 s; wanted more than 0"),
        ("slow s1-eth1 0 for 1 delay_ms=much", "'much' is no number for delay_ms of slow"),
        ("slow s1-eth1 0 for 2; slow s1-eth1 1 for 2", "begins at 1 s, but one that began at 0 s lasts until 2 s"),
        ("miscabling s1-eth1 0 for 2; switch_crash s1 1 for 2", "overlap, but cables can be moved only one pair"),
        ("[1, 2]", "this is no schedule"),
    ],
)
def test_schedules_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parsed(text)


def test_a_schedule_for_another_network_is_refused() -> None:
    with pytest.raises(SpecError, match="carrier_loss takes an interface or a link, not 's3-eth1'"):
        parsed("carrier_loss s3-eth1 0 for 1").check(single_switch())
    with pytest.raises(SpecError, match=r"there is no schedule in nothing\.json: no such file"):
        schedule.read("nothing.json")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63), count=st.integers(1, 12))
def test_drawn_schedules_can_be_played_and_written(seed: int, count: int) -> None:
    topology = mlag()
    found = drawn(topology, seed, count, horizon_s=20.0)
    found.check(topology)
    assert len(found.strikes) == count
    assert found == drawn(topology, seed, count, horizon_s=20.0) == parsed(str(found)) == parsed(found.to_json())
    assert all(0 <= s.at_s <= 20 and 0.1 <= s.for_s <= 3 for s in found.strikes)
    active: list[int] = []
    for _, place, begins in found.instants():  # every fault ends, and each that ends has begun
        active = [*active, place] if begins else [p for p in active if p != place]
    assert active == []


def test_the_seed_decides_and_all_kinds_come_up() -> None:
    topology = mlag()
    many = [drawn(topology, seed, 8, horizon_s=20.0) for seed in range(40)]
    assert len({str(each) for each in many}) == 40
    kinds = {strike.fault for each in many for strike in each.strikes}
    assert kinds == set(catalogue.FAULTS) - {"none", "uplink_loss"}  # mlag has no uplinks
    without = itertools.chain.from_iterable(
        drawn(topology, s, 8, horizon_s=20.0, controller=False).strikes for s in range(20)
    )
    assert not any("controller" in strike.fault for strike in without)


def test_a_schedule_needs_something_that_can_fail() -> None:
    with pytest.raises(SpecError, match="none of the faults uplink_loss can befall topology 'mlag'"):
        drawn(mlag(), 1, 1, horizon_s=1.0, faults=["uplink_loss"])
    with pytest.raises(SpecError, match="30 strikes do not fit into 1 s"):
        drawn(mlag(), 1, 30, horizon_s=1.0, shortest_s=2.0, faults=["controller_crash"])
    assert isinstance(drawn(back_to_back(), 3, 4, horizon_s=9.0), Schedule)
