"""Switches are waited for as long as they have something to confirm, and no longer than their time."""

from __future__ import annotations

from testbed.controller.barriers import PATIENCE_S, Confirmations
from tests.controller.rig import Rig
from topologies.mlag import mlag
from topologies.ring import ring


def test_a_round_ends_with_its_last_answer() -> None:
    done: list[str] = []
    rounds = Confirmations()
    rounds.begin({1: 7, 2: 8}, lambda: done.append("both"), 0.0)
    rounds.begin({1: 7}, lambda: done.append("one"), 0.0)
    rounds.begin({}, lambda: done.append("none"), 0.0)
    assert done == ["none"]
    rounds.answer(1, 6)
    assert done == ["none"]
    rounds.answer(1, 7)
    assert done == ["none", "one"]
    rounds.answer(2, 8)
    assert done == ["none", "one", "both"]


def test_after_a_stall_a_switch_has_its_whole_time_again() -> None:
    rounds = Confirmations()
    rounds.begin({1: 7}, lambda: None, 0.0)
    assert rounds.late(PATIENCE_S) == {1}
    rounds.renew(5.0)
    assert rounds.late(5.0) == set()
    assert (rounds.next_deadline(), rounds.late(5.0 + PATIENCE_S)) == (5.0 + PATIENCE_S, {1})


def test_a_controller_that_stood_still_does_not_blame_the_switches() -> None:
    rig = Rig(mlag())  # connected, and nothing is answered yet
    rig.now += 10.0
    rig.core.handle_timer(rig.now)
    told = [line["event"] for line in rig.log]
    assert "stalled" in told
    assert "switch_silent" not in told
    rig.now += PATIENCE_S
    rig.core.handle_timer(rig.now)
    assert [line["dpid"] for line in rig.log if line["event"] == "switch_silent"] == [1, 2]


def test_only_switches_that_were_told_something_are_asked() -> None:
    """Each connecting switch would otherwise ask all that are there: the square of their number."""
    rig = Rig(ring())
    rig.answer()
    rig.run(4.0)
    before = {dpid: len(switch.barriers) for dpid, switch in rig.switches.items()}
    assert set(before.values()) == {0}
    rig.connect(1)
    asked = {dpid for dpid, switch in rig.switches.items() if switch.barriers}
    assert asked == {1}, "it came back to what the others know of already"
