"""The catalogue of faults, as values: what each takes, what is refused, what is cut."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from experiments.failover import element_of, not_applicable
from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.faults import cabling, catalogue
from testbed.spec import BondOptions
from topologies.back_to_back import back_to_back
from topologies.leaf_spine import leaf_spine
from topologies.mlag import mlag
from topologies.single_switch import single_switch

STATIC = BondOptions(mode="active-backup")


def test_factors_of_parameters_are_unique_and_in_the_document() -> None:
    names = [option.name for option in catalogue.OPTIONS]
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
        ("lossy", "s1-eth1", {"loss_percent": 0}, "lossy of s1-eth1: no frame is lost by 0 percent"),
        ("slow", "s1-eth1", {"delay_ms": 0}, "delay and rate are as they were; wanted a delay, or a rate below"),
        ("slow", "s1-eth1", {"rate_mbps": 1000}, "1000 Mbit/s is not below that of the link, 1000 Mbit/s"),
        ("slow", "s1-eth1", {"rate_mbps": -1}, "rate_mbps of fault slow is -1; wanted 0 or more"),
        ("miscabling", "s1-eth1", {"other": "s1-eth2"}, "s1-eth1 and s1-eth2 are both in 'lag-h1'"),
        ("uplink_loss", "s1", {}, "uplink_loss: switch 's1' of topology 'single_switch' has no uplink"),
        ("peer_link_loss", "s1", {}, "peer_link_loss: switch 's1' of topology 'single_switch' has no peer link"),
    ],
)
def test_an_impossible_fault_is_refused(name: str, element: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        catalogue.checked(single_switch(), name, element, parameters)
    assert re.search(message, str(caught.value).replace("\n", " ")), str(caught.value)


def test_an_experiment_offers_the_parameters_of_its_faults_alone() -> None:
    for name in discovery.names("experiments"):
        experiment = discovery.experiment(name)
        fault = experiment.factor("fault")
        if fault is None or fault.known is None:
            continue
        taken = {each.factor for known in fault.known for each in catalogue.FAULTS[str(known)].parameters}
        offered = {each.name for each in experiment.options} & {each.name for each in catalogue.OPTIONS}
        assert offered <= taken, name


def test_a_factor_has_the_range_of_its_parameter() -> None:
    (percent,) = (each for each in catalogue.OPTIONS if each.name == "loss_percent")
    assert percent.parse("100") == 100
    with pytest.raises(SpecError, match="level 101 of factor 'loss_percent' is too large; wanted 0 to 100"):
        percent.parse("101")
    assert [each.most[0] if each.most else None for each in catalogue.OPTIONS] == [
        parameter.most for fault in catalogue.FAULTS.values() for parameter in fault.parameters
    ]


def test_a_checked_fault_has_all_its_parameters_in_their_types() -> None:
    found = catalogue.checked(single_switch(), "flapping", "s1-eth1", {"count": 3.0, "period_ms": 200})
    assert (found.fault, found.element) == (catalogue.FAULTS["flapping"], "s1-eth1")
    assert found.parameters == {"period_ms": 200.0, "duty": 0.5, "count": 3}
    assert [type(value) for value in found.parameters.values()] == [float, float, int]


def test_miscabling_needs_two_lags() -> None:
    with pytest.raises(SpecError, match="miscabling takes cables of LAGs; h1-eth0--s1-eth1 is in none"):
        catalogue.checked(single_switch(bonding=STATIC), "miscabling", "s1-eth1", {})


def test_a_cable_is_named_by_either_end_or_as_a_link() -> None:
    topology = single_switch()
    for element in ("h1-eth0", "s1-eth1", "h1-eth0--s1-eth1"):
        link, host_end, switch_end = cabling.link_named(topology, element)
        assert (link.name, host_end, switch_end) == ("h1-eth0--s1-eth1", "h1-eth0", "s1-eth1")


def test_between_nodes_of_one_kind_the_named_end_counts_as_the_host_end() -> None:
    assert cabling.link_named(mlag(), "s2-eth3")[1:] == ("s2-eth3", "s1-eth3")
    assert cabling.link_named(mlag(), "s1-eth3--s2-eth3")[1:] == ("s1-eth3", "s2-eth3")
    assert cabling.link_named(back_to_back(), "h2-eth1")[1:] == ("h2-eth1", "h1-eth1")


def test_miscabling_takes_the_next_lag_at_the_same_place() -> None:
    topology = single_switch()
    assert cabling.other_cable(topology, "h1-eth1") == ("s1-eth2", "s1-eth4")
    assert cabling.other_cable(topology, "s1-eth4") == ("s1-eth4", "s1-eth2")
    assert cabling.other_cable(topology, "s1-eth1", "h2-eth1") == ("s1-eth1", "s1-eth4")


def test_peer_links_and_uplinks_are_distinguished() -> None:
    topology = mlag()
    assert [link.name for link in catalogue.cut_links(topology, "peer_link_loss", "s1")] == ["s1-eth3--s2-eth3"]
    with pytest.raises(SpecError, match="has no uplink"):
        catalogue.cut_links(topology, "uplink_loss", "s1")
    fabric = leaf_spine()
    leaf = next(s.name for s in fabric.switches if cabling.peers(fabric, s.name))
    spines = {s.name for s in fabric.switches if not cabling.peers(fabric, s.name)}
    up = catalogue.cut_links(fabric, "uplink_loss", leaf)
    assert up and all({link.a, link.b} & spines for link in up)


def test_what_is_out_of_service_is_known_to_theory() -> None:
    topology = mlag()
    assert catalogue.failed(topology, "switch_crash", "s1", {}) == catalogue.Failed(frozenset({"s1"}))
    link = frozenset({"h1-eth0--s1-eth1"})
    assert catalogue.failed(topology, "carrier_loss", "h1-eth0", {}) == catalogue.Failed(link)
    assert catalogue.failed(topology, "silent_loss", "h1-eth0", {}) == catalogue.Failed(silent=link)
    assert catalogue.failed(topology, "silent_loss", "h1-eth0", {"direction": "to_host"}) is None
    assert catalogue.failed(topology, "lossy", "h1-eth0", {}) is None
    assert catalogue.failed(topology, "controller_cut", "s1", {}) == catalogue.Failed(frozenset({"c0-s1"}))
    assert catalogue.failed(single_switch(), "controller_cut", "s1", {}) == catalogue.Failed(frozenset({"c0"}))


def test_failover_leaves_out_what_does_not_apply() -> None:
    common = {"mode": "802.3ad", "controller": "testbed"}
    assert not_applicable({**common, "fault": "carrier_loss"}, single_switch()) is None
    alone = {**common, "controller": "none", "fault": "controller_crash"}
    assert not_applicable(alone, single_switch()) == (
        "controller_crash: with controller=none no controller controls the switches"
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
