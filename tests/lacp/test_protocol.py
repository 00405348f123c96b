"""Two ends of a LAG on simulated cables, and one end alone, against IEEE 802.1AX-2014 clause 6.4."""

from __future__ import annotations

import doctest
from itertools import product

import pytest

import testbed.lacp
from testbed.lacp import Collect, Distribute, Lacpdu, Marker, PortConfig, PortInfo, State, System, Transmit, decode
from testbed.lacp.config import LagConfig, Mode, MuxControl, Rate
from tests.lacp.wire import DELAY_S, MACS, Lab, config, distributes, pair

CONVERGED = 0x3D  # active, aggregatable, in sync, collecting, distributing


def test_the_example_in_the_documentation() -> None:
    assert doctest.testmod(testbed.lacp).failed == 0


@pytest.mark.parametrize(("mode", "rate"), [*product(("active", "passive"), ("fast", "slow"))])
def test_converges_within_3_s_of_carrier(mode: Mode, rate: Rate) -> None:
    lab = pair(config(rate="fast"), config(mode=mode, rate=rate))
    lab.all_up()
    assert lab.run_until(3.0, lambda: distributes(lab, 1, 2))
    lab.run(200.0)
    assert distributes(lab, 1, 2)
    assert len(lab.times("A", "mux", "COLLECTING_DISTRIBUTING", 1)) == 1, "once converged nothing changes"
    assert not lab.times("A", "actor_churn", "ACTOR_CHURN") + lab.times("A", "partner_churn", "PARTNER_CHURN")
    fast = {True: 0x02, False: 0}
    of_a, of_b = CONVERGED | fast[True], CONVERGED - (mode == "passive") | fast[rate == "fast"]
    for port in (1, 2):
        assert (lab.port("A", port)["actor"]["state"], lab.port("A", port)["partner"]["state"]) == (of_a, of_b)
        assert (lab.port("B", port)["actor"]["state"], lab.port("B", port)["partner"]["state"]) == (of_b, of_a)


def test_no_faster_than_the_aggregate_wait() -> None:
    lab = pair(config(), config())
    lab.all_up()
    lab.run(1.999)
    assert distributes(lab)


def test_two_passive_ends_send_no_lacpdus() -> None:
    lab = pair(config(mode="passive"), config(mode="passive"))
    lab.all_up()
    lab.run(300.0)
    assert not lab.sent
    assert distributes(lab)
    assert lab.port("A", 1)["machines"]["receive"] == "DEFAULTED"


def test_the_partner_sets_our_period() -> None:
    """Clause 6.4.13: B requests the long timeout from A, A requests the short one from B."""
    lab = pair(config(rate="fast"), config(rate="slow"), links=1)
    lab.all_up()
    lab.run(100.0)
    counted = {end: sum(100.0 < at <= 400.0 for at in lab.sent[end, 1]) for end in "AB"}
    assert counted == {"A": 0, "B": 0}
    lab.run(300.0)
    counted = {end: sum(100.0 < at <= 400.0 for at in lab.sent[end, 1]) for end in "AB"}
    assert counted == {"A": 10, "B": 300}


def test_short_timeout_expires_after_3_s_and_defaults_after_3_more() -> None:
    lab = pair(config(), config())
    lab.all_up()
    lab.run(10.0)
    lab.cables[0].loses = {"B"}
    last = lab.sent["B", 1][-1] + DELAY_S
    lab.run(10.0)
    assert lab.times("A", "receive", "EXPIRED", 1)[-1] == pytest.approx(last + 3.0)
    assert lab.times("A", "receive", "DEFAULTED", 1)[-1] == pytest.approx(last + 6.0)
    gone = [at for at, end, effect in lab.forwarding if end == "A" and effect == Distribute("lag", (2,))]
    assert gone[-1] == pytest.approx(last + 3.0), "EXPIRED clears the partner's synchronization"
    assert lab.port("A", 1)["reason"] == "partner is silent"
    assert distributes(lab, 2), "B is notified that its LACPDUs do not arrive, and stops as well"


def test_long_timeout_expires_after_90_s() -> None:
    lab = pair(config(rate="slow"), config(rate="slow"), links=1)
    lab.all_up()
    lab.run(100.0)
    lab.cables[0].loses = {"A", "B"}
    last = lab.sent["B", 1][-1] + DELAY_S
    lab.run(120.0)
    assert lab.times("A", "receive", "EXPIRED", 1)[-1] == pytest.approx(last + 90.0)
    assert lab.times("A", "receive", "DEFAULTED", 1)[-1] == pytest.approx(last + 93.0)


def test_silent_loss_recovers_after_the_repair() -> None:
    lab = pair(config(), config())
    lab.all_up()
    lab.run(10.0)
    lab.cables[0].loses = {"A", "B"}
    lab.run(60.0)
    assert distributes(lab, 2)
    lab.cables[0].loses = set()
    assert lab.run_until(lab.now + 4.0, lambda: distributes(lab, 1, 2)), "a period, and the aggregate wait"


def test_carrier_loss_removes_a_port_in_the_same_call() -> None:
    lab = pair(config(), config())
    lab.all_up()
    lab.run(5.0)
    effects = lab.systems["A"].set_carrier(1, False, lab.now)
    assert [e for e in effects if isinstance(e, Distribute | Collect)] == [
        Distribute("lag", (2,)),
        Collect("lag", (2,)),
    ]
    assert not [e for e in effects if isinstance(e, Transmit) and e.port == 1]


def test_carrier_comes_back() -> None:
    lab = pair(config(), config())
    lab.all_up()
    lab.run(5.0)
    lab.carrier(lab.cables[0], False)
    lab.run(5.0)
    assert distributes(lab, 2)
    lab.carrier(lab.cables[0], True)
    assert lab.run_until(lab.now + 3.0, lambda: distributes(lab, 1, 2))


def test_a_flapping_port_leaves_the_other_alone() -> None:
    lab = pair(config(), config())
    lab.all_up()
    lab.run(5.0)
    before = len(lab.forwarding)
    for _ in range(20):
        lab.carrier(lab.cables[0], False)
        lab.run(0.3)
        lab.carrier(lab.cables[0], True)
        lab.run(0.7)
    for _at, _end, effect in lab.forwarding[before:]:
        assert isinstance(effect, Collect | Distribute)
        assert 2 in effect.ports


def test_a_partner_that_leaves_sync_takes_effect_at_once() -> None:
    lab = pair(config(), config())
    lab.all_up()
    lab.run(5.0)
    received = lab.systems["A"]._ports[1].last_received
    assert received is not None
    out = PortInfo(*received.actor.identity[:5], state=received.actor.state & ~State.SYNCHRONIZATION)
    effects = lab.systems["A"].receive(1, Lacpdu(out, received.partner), lab.now)
    assert Distribute("lag", (2,)) in effects
    assert lab.port("A", 1)["machines"]["mux"] == "ATTACHED"


def test_collecting_before_distributing_and_lacpdus_last() -> None:
    """Order of effects: events, collecting and distributing, then LACPDUs."""
    lab = pair(config(), config(), links=1)
    lab.all_up()
    lab.run(5.0)
    assert [type(e) for _at, end, e in lab.forwarding if end == "A"] == [Collect, Distribute]
    effects = lab.systems["A"].set_held(1, True, lab.now)
    order = [type(e).__name__ for e in effects]
    assert order == ["Event"] * order.count("Event") + ["Distribute", "Collect", "Transmit"]


def test_at_most_3_lacpdus_a_second_and_the_last_state_is_sent() -> None:
    """Clause 6.4.16, while a partner sends wrong partner information every 10 ms."""
    lab = pair(config(), config(), links=1)
    lab.all_up()
    lab.run(5.0)
    wrong = Lacpdu(PortInfo(0x8000, MACS["B"], 1, 0x8000, 1, State(0x3F)), PortInfo())
    for _ in range(300):
        lab.deliver("A", 1, wrong.encode())
        lab.run(0.01)
    times = lab.sent["A", 1]
    assert all(fourth >= first + 1.0 for first, fourth in zip(times, times[3:], strict=False))
    assert sum(5.0 <= at < 8.0 for at in times) == 9, "and not fewer"
    lab.run(3.0)
    assert distributes(lab, 1)


def test_a_late_call_with_a_lacpdu_does_not_expire_the_partner() -> None:
    lab = pair(config(), config(), links=1)
    lab.all_up()
    lab.run(5.0)
    a = lab.systems["A"]
    received = a._ports[1].last_received
    assert received is not None
    effects = a.receive(1, received, lab.now + 60.0)
    assert not [e for e in effects if isinstance(e, Distribute)]
    assert lab.port("A", 1)["machines"]["receive"] == "CURRENT"


def test_churn_is_detected_after_60_s() -> None:
    """Clause 6.4.17: B is held out of sync, so B has actor churn and A has partner churn."""
    lab = pair(config(), config(), links=1)
    lab.act("B", lab.systems["B"].set_held(1, True, 0.0))
    lab.all_up()
    lab.run(59.9)
    assert not lab.times("B", "actor_churn", "ACTOR_CHURN")
    lab.run(5.0)
    assert lab.times("B", "actor_churn", "ACTOR_CHURN") == [60.0]
    assert len(lab.times("A", "partner_churn", "PARTNER_CHURN")) == 1
    assert lab.port("A", 1)["counters"]["actor_churns"] == 0, "A is attached and waits for B"
    lab.act("B", lab.systems["B"].set_held(1, False, lab.now))
    lab.run(5.0)
    assert lab.port("B", 1)["machines"]["actor_churn"] == "NO_ACTOR_CHURN"
    assert lab.port("A", 1)["machines"]["partner_churn"] == "NO_PARTNER_CHURN"


def test_a_port_without_carrier_does_not_churn() -> None:
    lab = pair(config(), config(), links=1)
    lab.all_up()
    lab.run(30.0)
    lab.carrier(lab.cables[0], False)
    assert lab.systems["A"].next_timer() is None, "no timer runs without carrier"
    lab.run(200.0)
    lab.carrier(lab.cables[0], True)
    lab.run(200.0)
    assert lab.port("A", 1)["counters"]["actor_churns"] == 0


def test_markers_are_answered() -> None:
    lab = pair(config(), config(), links=1)
    marker = Marker(7, MACS["B"], 42)
    a = lab.systems["A"]
    assert a.receive(1, marker, 0.0) == [], "not without carrier"
    lab.all_up()
    (answer,) = a.receive(1, marker.encode(), 0.0)
    assert isinstance(answer, Transmit)
    assert decode(answer.payload) == Marker(7, MACS["B"], 42, response=True)
    assert a.receive(1, decode(answer.payload), 0.0) == [], "a response is not answered"
    assert sum(len(a.receive(1, marker, 0.5)) for _ in range(50)) == 9, "10 a second, no more"


def test_port_moved_resets_the_partner() -> None:
    """Clause 6.4.8: a LACPDU of a disabled port's partner comes in by another port of the system."""
    lab = pair(config(), config())
    lab.all_up()
    lab.run(5.0)
    lab.carrier(lab.cables[0], False)
    assert lab.port("A", 1)["partner"]["system"] == MACS["B"]
    received = lab.systems["A"]._ports[1].last_received
    assert received is not None
    lab.deliver("A", 2, received.encode())
    assert lab.port("A", 1)["partner"]["system"] == "00:00:00:00:00:00"
    assert lab.times("A", "receive", "INITIALIZE", 1)


def test_independent_control_collects_first() -> None:
    """Figure 6-21: A collects as soon as B is in sync, and distributes once B collects."""
    mux: MuxControl = "independent"
    lab = pair(config(mux=mux), config(mux=mux), links=1)
    lab.all_up()
    assert lab.run_until(3.0, lambda: distributes(lab, 1))
    (collecting,) = lab.times("A", "mux", "COLLECTING")
    (distributing,) = lab.times("A", "mux", "DISTRIBUTING")
    assert collecting < distributing
    lab.cables[0].loses = {"A", "B"}
    lab.run(6.0)
    assert distributes(lab)


@pytest.mark.parametrize(("mux", "sends_at_once"), [("coupled", True), ("independent", False)])
def test_a_partner_in_sync_that_does_not_collect_yet_gets_frames_with_coupled_control_only(
    mux: MuxControl, sends_at_once: bool
) -> None:
    """Figures 6-21 and 6-22. Linux bonding is such a partner for up to 100 ms."""
    ours = System(MACS["A"])
    ours.add_lag(LagConfig("lag1", key=1, mux=mux))
    ours.add_port(PortConfig("p1", "lag1", 1), 0.0)
    ours.set_carrier("p1", True, 0.0)

    def receive(bits: State, now: float) -> list[Distribute]:
        in_sync = State.LACP_ACTIVITY | State.LACP_TIMEOUT | State.AGGREGATION | State.SYNCHRONIZATION
        partner = PortInfo(0xFFFF, MACS["B"], 9, 0xFF, 1, in_sync | bits)
        view = ours._ports["p1"].actor
        effects = ours.receive("p1", Lacpdu(partner, view), now)
        return [effect for effect in effects if isinstance(effect, Distribute)]

    receive(State(0), 0.1)
    ours.handle_timer(1.0)
    receive(State(0), 1.5)
    found = [effect for effect in ours.handle_timer(2.2) if isinstance(effect, Distribute)] + receive(State(0), 2.3)
    assert found == ([Distribute("lag1", ("p1",))] if sends_at_once else [])
    found = receive(State.COLLECTING, 2.4)
    assert found == ([] if sends_at_once else [Distribute("lag1", ("p1",))])
    assert receive(State(0), 2.5) == ([] if sends_at_once else [Distribute("lag1", ())])


def test_independent_with_coupled_control() -> None:
    lab = pair(config(mux="independent"), config(mux="coupled"))
    lab.all_up()
    assert lab.run_until(3.0, lambda: distributes(lab, 1, 2))


def test_a_version_2_lacpdu_is_accepted() -> None:
    lab = pair(config(), config(), links=1)
    lab.all_up()
    octets = bytearray(Lacpdu(PortInfo(1, MACS["B"], 1, 1, 1, State(0x07)), PortInfo()).encode())
    octets[1] = 2
    lab.deliver("A", 1, bytes(octets))
    assert lab.port("A", 1)["machines"]["receive"] == "CURRENT"


def test_the_first_lacpdu_holds_the_configuration() -> None:
    system = System("02:00:00:00:00:01", priority=0x1000)
    system.add_lag(config(key=17))
    system.add_port(PortConfig((5, 1), "lag", number=0x0501, priority=0x20), now=0.0)
    (sent,) = [e for e in system.set_carrier((5, 1), True, now=1.5) if isinstance(e, Transmit)]
    active_fast_defaulted_expired = State(0x01 | 0x02 | 0x04 | 0x40 | 0x80)
    actor = PortInfo(0x1000, "02:00:00:00:00:01", 17, 0x20, 0x0501, active_fast_defaulted_expired)
    assert isinstance(sent.pdu, Lacpdu)
    assert sent.pdu.actor == actor
    assert len(sent.frame("02:00:00:00:00:99")) == 124
    assert system.next_timer() == 2.5, "Fast_Periodic_Time after carrier"


def test_lacp_disabled() -> None:
    """LACP_Enabled FALSE: no LACPDU is sent or processed; with the static fallback it is a static LAG."""
    lab = Lab()
    for end in "AB":
        lab.add(end, config(fallback="static"))
    for number in (1, 2):
        port = PortConfig(number, "lag", number, lacp_enabled=False)
        lab.plug(port, "A", port, "B")
    lab.all_up()
    assert lab.run_until(2.0, lambda: distributes(lab, 1, 2))
    lab.run(10.0)
    assert not lab.sent
    lab.carrier(lab.cables[1], False)
    assert distributes(lab, 1)


def test_early_collecting_accepts_frames_from_a_port_once_it_is_in_sync() -> None:
    """After a LACPDU with Synchronization a partner may send at once (6.4.15), before its own LACPDU arrives."""
    for early in (False, True):
        ours = System("02:00:00:00:00:01")
        ours.add_lag(LagConfig("lag1", key=1, early_collecting=early))
        ours.add_port(PortConfig("p", lag="lag1", number=1), now=0.0)
        ours.set_carrier("p", up=True, now=0.0)
        mine = PortInfo(0x8000, "02:00:00:00:00:01", 1, 0x8000, 1, State.LACP_ACTIVITY | State.AGGREGATION)
        theirs = PortInfo(0x8000, "02:00:00:00:00:02", 1, 0x8000, 1, State.LACP_ACTIVITY | State.AGGREGATION)
        ours.receive("p", Lacpdu(actor=theirs, partner=mine), now=0.1)
        effects = ours.handle_timer(now=2.2)  # Aggregate_Wait_Time has passed: attached, and sent
        sent = [effect.pdu for effect in effects if isinstance(effect, Transmit)]
        assert State.SYNCHRONIZATION in sent[-1].actor.state
        assert State.COLLECTING not in sent[-1].actor.state
        assert [effect.ports for effect in effects if isinstance(effect, Collect)] == ([("p",)] if early else [])
        assert not [effect for effect in effects if isinstance(effect, Distribute)]
