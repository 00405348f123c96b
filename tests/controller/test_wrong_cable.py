"""A cable in a port of another host's LAG: the right ones carry traffic, and the wrong one is reported."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from testbed.controller.text import tables
from testbed.measure.raw import controller_trouble
from testbed.spec import Topology
from testbed.spec.wiring import Wiring
from tests.controller.rig import Rig


def wrong_cable(first: int | None = None) -> Topology:
    """h1 and h2 with three cables each; h1's third is in a port of h2's LAG. ``first``: the priority of that port."""
    net = Wiring()
    (switch,) = net.switches(1)
    net.bonded("h1", [switch] * 3)
    net.bonded("h2", [switch] * 3)
    topology = net.topology("wrong_cable")
    one, other = topology.lags
    priorities = () if first is None else (first, 100, 100, 100)
    lags = (
        dataclasses.replace(one, ports=one.ports[:2]),
        dataclasses.replace(other, ports=(one.ports[2], *other.ports), port_priorities=priorities),
    )
    return dataclasses.replace(topology, lags=lags)


@pytest.mark.parametrize("order", [*itertools.permutations((1, 3, 4)), (3, 2, 1, 6, 5, 4)])
def test_the_right_cables_carry_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    rig = Rig(wrong_cable())
    for port in range(1, 7):
        rig.set_link(f"s1-eth{port}", False)
    rig.answer()
    for port in (*order, *(port for port in range(1, 7) if port not in order)):
        rig.set_link(f"s1-eth{port}", True)
        rig.run(3.0)
    rig.run(12.0)
    assert rig.distributing("lag-h1") == {(1, 1), (1, 2)}
    assert rig.distributing("lag-h2") == {(1, 4), (1, 5), (1, 6)}


def test_the_wrong_cable_is_in_the_log_the_state_and_the_warnings() -> None:
    rig = Rig(wrong_cable())
    rig.answer()
    rig.run(10.0)
    (event,) = [line for line in rig.log if line["event"] == "wrong_cable"]
    assert (event["lag"], event["port"], event["partner"]) == ("lag-h2", "1:3", rig.topology.host_mac("h1"))
    (machines,) = [table for table in tables(rig.state()) if table.title == "Machines"]
    shown = {row[0]: dict(zip(machines.header, row, strict=True))["cabling"] for row in machines.rows}
    assert {port for port, state in shown.items() if state == "WRONG"} == {"1:3"}
    assert controller_trouble(rig.log) == [
        "port 1:3 of LAG lag-h2 leads to another partner than the LAG's other ports: is the cable in a wrong port?"
    ]
    rig.set_link("s1-eth3", False)
    rig.run(1.0)
    assert controller_trouble(rig.log) == [], "it was unplugged"


def test_the_warning_is_absent_where_all_cables_are_right() -> None:
    rig = Rig(dataclasses.replace(wrong_cable(), lags=()))
    rig.answer()
    rig.run(10.0)
    assert controller_trouble(rig.log) == []


def test_a_port_priority_outweighs_the_number_of_cables() -> None:
    rig = Rig(wrong_cable(first=50))
    rig.answer()
    rig.run(15.0)
    assert rig.distributing("lag-h2") == {(1, 3)}
    rig.set_link("s1-eth3", False)
    rig.run(15.0)
    assert rig.distributing("lag-h2") == {(1, 4), (1, 5), (1, 6)}
