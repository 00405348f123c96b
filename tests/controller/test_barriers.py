"""Barriers: the controller waits for switches that have something to confirm, and not beyond the timeout."""

from __future__ import annotations

from testbed.controller.barriers import TIMEOUT_S, Barriers
from tests.controller.rig import Rig
from topologies.mlag import mlag
from topologies.ring import ring


def test_a_round_ends_with_its_last_answer() -> None:
    done: list[str] = []
    rounds = Barriers()
    rounds.begin({1: 7, 2: 8}, lambda: done.append("both"), 0.0)
    rounds.begin({1: 7}, lambda: done.append("one"), 0.0)
    rounds.begin({}, lambda: done.append("none"), 0.0)
    assert done == ["none"]
    rounds.reply(1, 6)
    assert done == ["none"]
    rounds.reply(1, 7)
    assert done == ["none", "one"]
    rounds.reply(2, 8)
    assert done == ["none", "one", "both"]


def test_after_a_stall_a_switch_has_its_whole_time_again() -> None:
    rounds = Barriers()
    rounds.begin({1: 7}, lambda: None, 0.0)
    assert rounds.late(TIMEOUT_S) == {1}
    rounds.restart(5.0)
    assert rounds.late(5.0) == set()
    assert (rounds.next_deadline(), rounds.late(5.0 + TIMEOUT_S)) == (5.0 + TIMEOUT_S, {1})


def test_a_controller_that_was_stopped_does_not_time_out_the_switches() -> None:
    rig = Rig(mlag())  # connected, no barrier is answered yet
    rig.now += 10.0
    rig.core.handle_timer(rig.now)
    logged = [line["event"] for line in rig.log]
    assert "stalled" in logged
    assert "switch_silent" not in logged
    rig.now += TIMEOUT_S
    rig.core.handle_timer(rig.now)
    assert [line["dpid"] for line in rig.log if line["event"] == "switch_silent"] == [1, 2]


def test_only_switches_with_new_messages_get_a_barrier() -> None:
    """Otherwise each switch that connects would cost a barrier to every switch: the square of their number."""
    rig = Rig(ring())
    rig.answer()
    rig.run(4.0)
    before = {dpid: len(switch.barriers) for dpid, switch in rig.switches.items()}
    assert set(before.values()) == {0}
    rig.connect(1)
    asked = {dpid for dpid, switch in rig.switches.items() if switch.barriers}
    assert asked == {1}, "the tables of the others do not change"
