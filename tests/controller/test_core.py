"""The order of the controller's actions: switches that connect, disconnect or do not answer; new source addresses."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.spec import BondOptions
from tests.controller.rig import Rig
from topologies.dual_switch import dual_switch
from topologies.mlag import mlag
from topologies.single_switch import single_switch
from topologies.trunk import trunk

H1, H2 = {(1, 1), (2, 1)}, {(1, 2), (2, 2)}


def converged() -> Rig:
    """The mlag topology, all members carrying traffic."""
    rig = Rig(mlag())
    rig.answer()
    rig.run(4.0)
    assert (rig.distributing("lag-h1"), rig.distributing("lag-h2")) == (H1, H2)
    return rig


def frame(source: str) -> bytes:
    """A broadcast of some protocol."""
    return bytes.fromhex("ff" * 6 + source.replace(":", "") + "88b5") + bytes(46)


def test_one_lacp_system_spans_both_switches() -> None:
    rig = converged()
    partners = {
        (port["partner"]["system"], port["partner"]["key"])
        for port in rig.hosts["h1"].snapshot()["lags"]["bond0"]["ports"]  # type: ignore[index,call-overload]
    }
    assert partners == {("02:01:00:00:00:01", 1)}


def test_both_ends_of_a_lag_between_switches_speak_lacp() -> None:
    rig = Rig(trunk())
    rig.answer()
    rig.run(4.0)
    assert rig.distributing("trunk-s1") == {(1, 3), (1, 4)}
    assert rig.distributing("trunk-s2") == {(2, 3), (2, 4)}
    rig.set_link("s1-eth3", False)
    assert rig.distributing("trunk-s2") == {(2, 4)}
    assert rig.state()["links"] == [{"a": "trunk-s1", "b": "trunk-s2", "live": True, "tree": True}]


def test_a_static_lag_with_fewer_than_min_links_carries_nothing() -> None:
    topology = single_switch(bonding=BondOptions(mode="balance-xor"))
    lags = tuple(dataclasses.replace(lag, min_links=2) for lag in topology.lags)
    rig = Rig(dataclasses.replace(topology, lags=lags))
    rig.answer()
    assert rig.distributing("lag-h1") == {(1, 1), (1, 2)}
    rig.set_link("s1-eth1", False)
    assert rig.distributing("lag-h1") == set()
    rig.set_link("s1-eth1", True)
    assert rig.distributing("lag-h1") == {(1, 1), (1, 2)}


def test_members_of_a_switch_wait_until_it_has_confirmed_its_groups_and_flows() -> None:
    rig = Rig(single_switch())
    rig.deliver()
    for step in range(60):
        rig.now = 0.1 * step
        rig.core.handle_timer(rig.now)
        rig.deliver()
    assert rig.core.held == {(1, 1), (1, 2), (1, 3), (1, 4)}
    rig.answer()
    rig.run(4.0)
    assert rig.distributing("lag-h1") == {(1, 1), (1, 2)}


def test_the_members_of_a_switch_that_returns_are_held_until_it_has_confirmed() -> None:
    rig = converged()
    for each in rig.ports_of(2):
        rig.set_link(each, False)
    rig.disconnect(2)
    rig.run(5.0)
    assert rig.distributing("lag-h1") == {(1, 1)}
    rig.unresponsive = {2}
    rig.connect(2)
    rig.set_link("s1-eth3", True)
    rig.run(0.5)
    assert {(2, 1), (2, 2)} <= rig.core.held
    rig.unresponsive = set()
    rig.answer()
    assert rig.core.held == set()
    rig.run(4.0)
    assert rig.distributing("lag-h1") == H1


def test_a_switch_that_reconnects_within_the_timeout_loses_no_member() -> None:
    rig = converged()
    rig.disconnect(1)
    rig.run(0.5)
    rig.connect(1)
    rig.deliver()
    assert rig.core.held == set()
    rig.answer()
    rig.run(4.0)
    assert not [line for line in rig.log if line["event"] == "distribute" and line["t_s"] > 4.1]


def test_a_switch_without_controller_keeps_its_members_until_lacp_times_out() -> None:
    rig = converged()
    lost = rig.now
    rig.disconnect(1)
    rig.run(1.9)
    assert rig.distributing("lag-h1") == H1
    rig.run(2.0)
    assert rig.distributing("lag-h1") == {(2, 1)}
    (gone,) = [line["t_s"] for line in rig.log if line.get("ports") == ["2:1"] and line["event"] == "distribute"]
    # Short_Timeout_Time after the last LACPDU, of which one came each second (IEEE 802.1AX-2014, 6.4.4).
    assert 2.0 < gone - lost <= 3.1


def test_without_the_peer_link_all_hosts_use_the_switch_that_has_more_of_them() -> None:
    rig = converged()
    rig.set_link("s1-eth3", False)
    rig.answer()
    assert rig.core.isolated == {(2, 1), (2, 2)}
    rig.run(1.0)
    assert rig.distributing("lag-h1") == {(1, 1)}
    rig.set_link("s1-eth3", True)
    rig.answer()
    assert rig.core.held == set()
    rig.run(4.0)
    assert rig.distributing("lag-h1") == H1


def test_no_switch_is_isolated_if_the_configuration_says_so() -> None:
    rig = Rig(mlag(isolate=False))
    rig.answer()
    rig.run(4.0)
    rig.set_link("s1-eth3", False)
    rig.run(2.0)
    assert rig.distributing("lag-h1") == H1


def test_a_switch_that_does_not_answer_does_not_isolate_another() -> None:
    """s1 has lost power: its neighbour reports the link, and nothing else is reported to the controller."""
    rig = converged()
    rig.unresponsive = {1}
    rig.core.set_port((2, 3), False, "02:00:00:00:00:00", rig.now)
    rig.answer()
    rig.run(2.0)
    assert rig.core.isolated == {(1, 1), (1, 2)}
    assert {(2, 1)} <= rig.distributing("lag-h1")
    assert [line["dpid"] for line in rig.log if line["event"] == "switch_silent"] == [1]
    rig.unresponsive = set()
    rig.answer()
    assert [line["dpid"] for line in rig.log if line["event"] == "switch_answers"] == [1]


def test_a_switch_that_returns_before_its_peer_link_takes_no_traffic_away() -> None:
    rig = converged()
    for each in rig.ports_of(1):
        rig.set_link(each, False)
    rig.run(3.0)
    for each in ("s1-eth1", "s1-eth2", "s1-eth4"):
        rig.set_link(each, True)
        rig.answer()
    rig.run(3.0)
    assert rig.core.isolated == {(1, 1), (1, 2)}
    assert (rig.distributing("lag-h1"), rig.distributing("lag-h2")) == ({(2, 1)}, {(2, 2)})
    rig.set_link("s1-eth3", True)
    rig.run(4.0)
    assert rig.distributing("lag-h1") == H1


def test_a_frame_with_an_unknown_source_is_forwarded_once_every_switch_knows_the_source() -> None:
    rig = converged()
    sent = [frame("02:00:00:00:01:01"), frame("02:00:00:00:01:01")[:-1]]
    for each in sent:
        rig.core.learn((2, 1), each, rig.now)
    rig.unresponsive = {1}
    rig.answer()
    assert rig.switches[2].returned == []
    rig.unresponsive = set()
    rig.answer()
    assert rig.switches[2].returned == [(1, each) for each in sent]
    assert rig.switches[1].returned == []


def test_a_source_on_another_member_has_not_moved() -> None:
    rig = converged()
    for port in ((2, 1), (1, 1)):
        rig.core.learn(port, frame("02:00:00:00:01:01"), rig.now)
        rig.answer()
    assert [line["port"] for line in rig.log if line["event"] == "learned"] == ["2:1"]


def test_group_addresses_and_short_frames_are_not_learned() -> None:
    rig = converged()
    rig.core.learn((1, 1), frame("03:00:00:00:01:01"), rig.now)
    rig.core.learn((1, 1), b"short", rig.now)
    rig.core.receive((1, 1), b"short", rig.now)
    assert rig.core.fabric.addresses == {}
    assert rig.log[-1]["event"] == "bad_frame"


def test_a_single_switch_forwards_the_frame_itself() -> None:
    rig = Rig(single_switch())
    rig.run(4.0)
    rig.core.learn((1, 1), frame("02:00:00:00:01:01"), rig.now)
    rig.answer()
    assert rig.switches[1].returned == []


def test_a_host_that_fails_over_between_ports_is_learned_again() -> None:
    rig = Rig(dual_switch())
    rig.answer()
    rig.core.learn((1, 1), frame("02:00:00:00:01:01"), rig.now)
    rig.answer()
    rig.set_link("s1-eth1", False)
    assert rig.core.fabric.addresses == {}
    rig.core.learn((2, 1), frame("02:00:00:00:01:01"), rig.now)
    rig.answer()
    assert rig.core.fabric.addresses == {"02:00:00:00:01:01": (2, 1)}


@pytest.mark.slow
@given(st.binary(max_size=140), st.sampled_from([(1, 1), (2, 3), (1, 4), (9, 9)]))
def test_arbitrary_octets_raise_nothing(octets: bytes, port: tuple[int, int]) -> None:
    rig = Rig(mlag())
    for frame_ in (octets, bytes.fromhex("0180c2000002020000000101" + "8809") + octets):
        rig.core.receive(port, frame_, rig.now)
        rig.core.learn(port, frame_, rig.now)
    rig.answer()
    rig.run(0.1)
