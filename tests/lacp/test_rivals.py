"""A LAG whose ports lead to different partners: who gets the aggregator; and a cable in a wrong port."""

from __future__ import annotations

import pytest

from testbed.lacp import PortConfig
from testbed.lacp.states import ANSWER_TIME_S
from tests.lacp.wire import GAP_S, MACS, Lab, config, star


def test_two_partners_never_share_an_aggregator() -> None:
    lab = star()
    lab.all_up()
    lab.run(30.0)
    assert lab.distributing["A", "lag"] == (1, 2), "the larger group"
    assert lab.distributing["C", "lag"] == ()
    assert MACS["B"] in lab.port("A", 3)["reason"], "the reason names the partner that has the aggregator"


def test_the_larger_group_has_the_aggregator_also_if_it_comes_later() -> None:
    """The outcome depends on the links, not on their order; who cannot be served gets what is left."""
    lab = star()
    lab.carrier(lab.cables[2], True)
    lab.run(5.0)
    assert lab.distributing["A", "lag"] == (3,)
    lab.all_up()
    lab.run(5.0)
    assert lab.distributing["A", "lag"] == (1, 2)
    for cable in lab.cables[:2]:
        lab.carrier(cable, False)
    lab.run(3.0)
    assert lab.distributing["A", "lag"] == (3,)


def test_port_priorities_decide_which_partner_has_the_aggregator() -> None:
    """6.7.1: the lower value is the better, and the lower system identifier's values count."""
    lab = Lab()
    lab.add("A", config())
    lab.add("B", config())
    lab.add("C", config())
    for number, far, ours, theirs in ((1, "B", 200, 1), (2, "B", 200, 1), (3, "C", 100, 300)):
        lab.plug(PortConfig(number, "lag", number, ours), "A", PortConfig(number, "lag", number, theirs), far)
    lab.all_up()
    lab.run(5.0)
    assert lab.distributing["A", "lag"] == (3,), "one link of the better priority before two of the worse"


def test_a_better_group_that_refuses_keeps_nobody_out() -> None:
    """C hears A and answers, but is never in sync: it uses its link for something else."""
    lab = Lab()
    lab.add("A", config())
    lab.add("B", config())
    lab.add("C", config())
    for number, far, priority in ((1, "B", 200), (2, "B", 200), (3, "C", 100)):
        lab.plug(PortConfig(number, "lag", number, priority), "A", PortConfig(number, "lag", number), far)
    lab.act("C", lab.systems["C"].set_held(3, True, 0.0))
    lab.all_up()
    # Aggregate_Wait_Time to ask C, Answer_Time for its answer, Aggregate_Wait_Time to join B
    assert lab.run_until(2.0 + ANSWER_TIME_S + 2.0 + GAP_S, lambda: lab.distributing["A", "lag"] == (1, 2))
    lab.run(60.0)
    assert lab.distributing["A", "lag"] == (1, 2)
    lab.act("C", lab.systems["C"].set_held(3, False, lab.now))
    assert lab.run_until(lab.now + 2.0 + 2.0 + GAP_S, lambda: lab.distributing["A", "lag"] == (3,)), "C wants it now"


def test_a_group_that_works_is_not_left_for_one_that_is_not_offered() -> None:
    """C, whose aggregator another partner has, gets a second cable to B: B, the higher system, does not try it out."""
    lab = Lab()
    lab.add("A", config())
    lab.add("B", config(name="lag"))
    lab.add("C", config())
    for number, far in ((1, "B"), (2, "C"), (3, "C"), (4, "C")):
        lab.plug(PortConfig(number, "lag", number), "A", PortConfig(number, "lag", number), far)
    for number in (5, 6):
        lab.plug(PortConfig(number, "lag", number), "B", PortConfig(number, "lag", number), "C")
    lab.carrier(lab.cables[0], True)
    lab.run(5.0)
    assert lab.distributing["B", "lag"] == (1,)
    lab.all_up()
    lab.run(20.0)
    assert lab.distributing["A", "lag"] == lab.distributing["C", "lag"] == (2, 3, 4), "three links before two"
    assert lab.distributing["B", "lag"] == (), "both others have better partners"
    states = {port: lab.port("B", port)["machines"]["answer"] for port in (1, 5, 6)}
    assert states[5] == states[6] == "REFUSED"


def test_a_cable_in_a_wrong_lag_is_reported_after_a_while() -> None:
    lab = star()
    lab.all_up()
    lab.run(4.0)
    assert lab.port("A", 3)["machines"]["cabling"] == "DOUBTED"
    lab.run(2.0)
    assert lab.port("A", 3)["machines"]["cabling"] == "INSISTED", "wrong, and C is in sync there"
    assert len(lab.times("A", "cabling", "WRONG", 3)) == 1
    assert {lab.port("A", port)["machines"]["cabling"] for port in (1, 2)} == {"RIGHT"}
    lab.carrier(lab.cables[2], False)
    assert lab.port("A", 3)["machines"]["cabling"] == "RIGHT"


class Stubborn:
    """A partner that has chosen its port 3 and keeps it as long as it hears a partner there, like Linux's bond does."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.gave_up: float | None = None
        for port in (1, 2):
            lab.act("B", lab.systems["B"].set_held(port, True, lab.now))

    def look(self) -> None:
        if self.gave_up is None and self.lab.port("B", 3, "three")["machines"]["receive"] == "DEFAULTED":
            self.gave_up = self.lab.now
            for port in (1, 2):
                self.lab.act("B", self.lab.systems["B"].set_held(port, False, self.lab.now))


def test_a_partner_that_keeps_a_refused_link_is_made_to_time_it_out_once() -> None:
    """bonding.rst, "ad_select": stable keeps the active aggregator while it has a partner; B's port 3 is in sync."""
    lab = Lab()
    lab.add("A", config(1, name="lag"), config(2, name="other"))
    lab.add("B", config(1, name="lag"), config(2, name="three"))
    lab.add("C", config())
    for number, lag in ((1, "lag"), (2, "lag")):
        lab.plug(PortConfig(number, lag, number), "A", PortConfig(number, "lag", number), "B")
    lab.plug(PortConfig(3, "other", 3), "A", PortConfig(3, "three", 3), "B")
    for number in (4, 5):
        lab.plug(PortConfig(number, "other", number), "A", PortConfig(number, "lag", number), "C")
    stubborn = Stubborn(lab)
    lab.all_up()
    lab.run(15.0)
    assert lab.port("A", 3, "other")["machines"]["cabling"] == "INSISTED"
    assert lab.port("B", 3, "three")["machines"]["mux"] == "ATTACHED"
    # Doubt_Time, Insist_Time, the partner's Short_Timeout_Time twice; then it joins after Aggregate_Wait_Time.
    lab.run_until(30.0, lambda: (stubborn.look(), stubborn.gave_up is not None)[1])
    assert stubborn.gave_up is not None
    lab.run(3.0)
    assert lab.distributing["A", "lag"] == lab.distributing["B", "lag"] == (1, 2)
    assert lab.distributing["A", "other"] == (4, 5)
    lab.run(60.0)
    assert lab.times("A", "cabling", "SILENT", 3) == [pytest.approx(15.0, abs=0.1)], "once"
    assert lab.port("A", 3, "other")["machines"]["cabling"] == "TOLD"
    assert lab.port("B", 3, "three")["machines"]["receive"] == "CURRENT", "it hears us again"
