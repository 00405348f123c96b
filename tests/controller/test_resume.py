"""A controller that is restarted: it resumes where the previous one was, and no switch is affected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.controller.checkpoint import restore, save
from testbed.controller.store import Store, Unusable
from testbed.spec import Topology
from tests.controller.rig import Rig
from topologies.mlag import mlag
from topologies.single_switch import single_switch
from topologies.trunk import trunk

TOPOLOGIES = {"single_switch": single_switch, "mlag": mlag, "trunk": trunk}


def converged(topology: Topology | None = None) -> Rig:
    """All members carry traffic, two addresses are known."""
    rig = Rig(topology or mlag())
    rig.answer()
    rig.run(4.0)
    for port, address in (((1, 1), "02:00:00:00:01:01"), ((1, 2), "02:00:00:00:02:01")):
        rig.core.learn(port, bytes.fromhex("ff" * 6 + address.replace(":", "") + "88b5") + bytes(46), rig.now)
        rig.answer()
    return rig


def tables(rig: Rig) -> dict[int, Any]:
    """The groups and flows of each switch."""
    return {dpid: (switch.groups, switch.table) for dpid, switch in rig.switches.items()}


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_switch_gets_the_tables_that_it_already_has(topology: str) -> None:
    rig = converged(TOPOLOGIES[topology]())
    before = tables(rig)
    rig.restart(away_s=1.5)
    assert tables(rig) == before
    rig.answer()
    rig.run(3.0)
    assert tables(rig) == before


@pytest.mark.parametrize(("rate", "away_s"), [("fast", 1.9), ("slow", 55.0)])
def test_within_the_partner_s_timeout_no_member_is_lost(rate: str, away_s: float) -> None:
    """The last LACPDU is one period old at most: 1 of 3 s, or 30 of 90 s (IEEE 802.1AX-2014, 6.4.4)."""
    from testbed.spec import BondOptions

    rig = converged(mlag(bonding=BondOptions(lacp_rate=rate)))
    start = rig.now
    members = rig.distributing("lag-h1")
    assert len(members) == 2
    rig.restart(away_s=away_s)
    rig.answer()
    rig.run(10.0)
    assert rig.distributing("lag-h1") == members
    assert not [line for line in rig.log if line["event"] == "distribute" and line["t_s"] > start]
    assert not [line for line in rig.log if line.get("machine") == "mux" and line["t_s"] > start]


def test_beyond_the_timeout_the_partner_has_expired() -> None:
    rig = converged()
    rig.restart(away_s=5.0)
    assert rig.distributing("lag-h1") == set()
    rig.answer()
    rig.run(4.0)
    assert len(rig.distributing("lag-h1")) == 2


def test_a_member_that_failed_in_between_is_out_when_its_switch_connects() -> None:
    rig = converged()
    rig.restart(away_s=1.0, cut=("s1-eth1",))
    assert rig.distributing("lag-h1") == {(2, 1)}
    rig.answer()
    rig.run(4.0)
    assert rig.distributing("lag-h1") == {(2, 1)}


def test_a_switch_that_does_not_reconnect_is_removed() -> None:
    rig = converged()
    rig.restart(away_s=1.0, without=(2,))
    rig.answer()
    rig.run(4.0)
    assert [line["dpid"] for line in rig.log if line["event"] == "switch_silent"] == [2]
    assert rig.distributing("lag-h1") == {(1, 1)}


def test_after_a_stall_the_partner_has_its_whole_timeout_again() -> None:
    """What the partner sent during the stall may not have been read yet."""
    rig = converged()
    members = rig.distributing("lag-h1")
    rig.now += 1.9
    rig.core.handle_timer(rig.now)
    assert [line["event"] for line in rig.log if line["event"] == "stalled"] == ["stalled"]
    lag: Any = rig.core.systems["core"].snapshot()["lags"]
    assert {port["timers"]["current_while_timer"] for port in lag["lag-h1"]["ports"]} == {rig.now + 3.0}
    rig.run(2.9)
    assert rig.distributing("lag-h1") == members


def disturb(rig: Rig, steps: list[tuple[int, bool, float]]) -> None:
    """Set links up or down, and wait after each."""
    ports = [port for switch in rig.topology.switches for port in rig.topology.interfaces(switch.name)]
    for index, up, seconds in steps:
        rig.set_link(ports[index % len(ports)], up)
        rig.run(seconds)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(TOPOLOGIES)),
    st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.sampled_from([0.0, 0.3, 1.1, 4.0])), max_size=6),
    st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.sampled_from([0.0, 0.3, 1.1, 4.0])), max_size=4),
)
def test_a_resumed_controller_ends_where_one_that_never_stopped_does(
    name: str, before: list[tuple[int, bool, float]], after: list[tuple[int, bool, float]]
) -> None:
    """Links fail and return; one of two controllers is replaced in between. Given time, the switches do the same."""
    found = []
    for restarted in (False, True):
        rig = converged(TOPOLOGIES[name]())
        disturb(rig, before)
        if restarted:
            rig.restart(away_s=0.5)
            rig.answer()
        else:
            rig.run(0.5)
        disturb(rig, after)
        rig.run(12.0)
        found.append((tables(rig), rig.core.fabric.addresses, rig.core.held))
    assert found[0] == found[1]


def test_a_saved_state_is_json_and_restores_to_itself() -> None:
    rig = converged()
    text = json.dumps(save(rig.core))
    rig.restart(away_s=0.0, connect=False)
    assert json.loads(json.dumps(save(rig.core)))["fabric"] == json.loads(text)["fabric"]


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    configuration = converged().core.fabric.configuration
    store = Store(tmp_path / "state", configuration)
    store.write({"a": [1]}, 10.0)
    assert store.read(12.5) == ({"a": [1]}, 2.5)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "there is none"),
        ("{", "cannot be read"),
        ("[]", "holds no state"),
        ('{"state": {}, "format": 0}', "is of another format"),
    ],
)
def test_an_unusable_file_is_refused_with_the_reason(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "state"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Unusable, match=reason):
        Store(path, converged().core.fabric.configuration).read(1.0)


def test_another_configuration_another_boot_and_the_future_are_refused(tmp_path: Path) -> None:
    path, configuration = tmp_path / "state", converged().core.fabric.configuration
    Store(path, configuration).write({}, 10.0)
    with pytest.raises(Unusable, match="is of another configuration"):
        Store(path, converged(single_switch()).core.fabric.configuration).read(11.0)
    with pytest.raises(Unusable, match="is from the future"):
        Store(path, configuration).read(9.0)
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot_id": "another"}))
    with pytest.raises(Unusable, match="is of another boot id"):
        Store(path, configuration).read(11.0)


def test_a_damaged_state_is_refused() -> None:
    rig = converged()
    state = save(rig.core)
    for damaged in ({}, {**state, "systems": {}}, {**state, "fabric": {**state["fabric"], "tree": [[1]]}}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            restore(rig.fresh_core(), damaged)


def test_no_switch_is_isolated_before_the_switches_are_back() -> None:
    """The network was partitioned just before the crash: h1 and h2 can use s2 only, as 1:1 is down."""
    rig = converged()
    for each in ("s1-eth1", "s1-eth3", "s1-eth4"):
        rig.set_link(each, False)
    rig.restart(away_s=0.5)
    rig.answer()
    rig.run(4.0)
    assert (rig.distributing("lag-h1"), rig.distributing("lag-h2")) == ({(2, 1)}, {(2, 2)})
