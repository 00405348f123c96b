"""Invariants under arbitrary LACPDUs, octets, carrier changes, losses and times at two ends of a LAG."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from testbed.lacp import Lacpdu, LagConfig, PortInfo, State, decode
from testbed.lacp.config import Fallback, Mode, PortId
from testbed.lacp.pdu import PduError
from testbed.lacp.port import Port
from tests.lacp.wire import MACS, Lab, config, pair

LINKS = 3
Act = Callable[[Lab], None]

ends = st.sampled_from("AB")
links = st.integers(1, LINKS)
infos = st.builds(
    PortInfo,
    st.just(0x8000),
    st.sampled_from([*MACS.values()]),
    st.integers(1, 2),
    st.just(0x8000),
    st.integers(1, LINKS),
    st.integers(0, 255).map(State),
)


def steps(seconds: float) -> Act:
    return lambda lab: lab.run(seconds)


def carrier(link: int, up: bool) -> Act:
    return lambda lab: lab.carrier(lab.cables[link - 1], up)


def losing(link: int, loses: set[str]) -> Act:
    return lambda lab: setattr(lab.cables[link - 1], "loses", loses)


def held(end: str, port: PortId, held: bool) -> Act:
    return lambda lab: lab.act(end, lab.systems[end].set_held(port, held, lab.now))


def octets(end: str, port: PortId, payload: bytes) -> Act:
    return lambda lab: lab.deliver(end, port, payload)


def forged(end: str, port: PortId, actor: PortInfo, partner: PortInfo, matches: bool) -> Act:
    """A LACPDU from any actor; with ``matches`` its partner information is our port's, so it counts as in sync."""

    def act(lab: Lab) -> None:
        view = at(lab, end, port).actor if matches else partner
        lab.deliver(end, port, Lacpdu(actor, view).encode())

    return act


acts = st.one_of(
    st.builds(steps, st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 7.0])),
    st.builds(carrier, links, st.booleans()),
    st.builds(losing, links, st.sets(ends)),
    st.builds(held, ends, links, st.booleans()),
    st.builds(octets, ends, links, st.binary(max_size=120)),
    st.builds(forged, ends, links, infos, infos, st.booleans()),
)
plain_configs = st.builds(
    config,
    rate=st.sampled_from(["fast", "fast", "slow"]),
    min_links=st.integers(1, 2),
    max_active=st.sampled_from([None, None, 2]),
    mux=st.sampled_from(["coupled", "independent"]),
)
fallbacks = st.sampled_from(["none", "none", "individual", "static"])


def at(lab: Lab, end: str, port: PortId) -> Port:
    return lab.systems[end]._ports[port]


def check(lab: Lab, end: str) -> None:
    """Safety, from the controller's side: the last effects against the state of the ports."""
    lag = lab.systems[end]._lags["lag"]
    distributing, collecting = lab.distributing[end, "lag"], lab.collecting[end, "lag"]
    assert set(distributing) <= set(collecting)
    ports = [at(lab, end, port) for port in collecting]
    partners = set()
    for port in ports:
        assert port.enabled, "carrier"
        assert port.partner.state & State.SYNCHRONIZATION, "partner in sync"
        if port.defaulted:
            assert lag.config.fallback != "none", "without a responding partner a port carries traffic by fallback only"
        partners.add((port.partner.system_priority, port.partner.system, port.partner.key, port.defaulted))
    assert len(partners) <= 1, "never two partners in one aggregator"
    if not any(port.defaulted for port in ports):
        assert len(collecting) >= (lag.config.min_links if collecting else 0)
    assert len(distributing) <= (lag.config.max_active or LINKS)
    assert [port.config.port for port in lag.ports if port.actor.state & State.DISTRIBUTING] == [*distributing]
    assert [port.config.port for port in lag.ports if port.actor.state & State.COLLECTING] == [*collecting]


def disturb(lab: Lab, what: list[Act]) -> None:
    def check_both() -> None:
        check(lab, "A")
        check(lab, "B")

    lab.after_each = check_both
    lab.all_up()
    lab.run(2.5)
    for act in what:
        act(lab)


@pytest.mark.slow
@settings(max_examples=40)
@given(plain_configs, plain_configs, fallbacks, st.lists(acts, max_size=20))
def test_safety(a: LagConfig, b: LagConfig, fallback: Fallback, what: list[Act]) -> None:
    lab = pair(replace(a, fallback=fallback), b, links=LINKS)
    disturb(lab, what)
    lab.run(5.0)
    for times in lab.sent.values():
        assert all(fourth >= first + 1.0 for first, fourth in zip(times, times[3:], strict=False)), "3 in a second"


@pytest.mark.slow
@settings(max_examples=15)
@given(plain_configs, plain_configs, st.sampled_from(["active", "passive"]), st.lists(acts, max_size=12))
def test_two_ends_converge_after_the_last_disturbance(a: LagConfig, b: LagConfig, mode: Mode, what: list[Act]) -> None:
    """Within a period, the timeouts, and 3 s to join."""
    lab = pair(a, replace(b, mode=mode), links=LINKS)
    disturb(lab, what)
    lab.after_each = lambda: None
    for cable in lab.cables:
        cable.loses = set()
        lab.carrier(cable, True)
        for end, port in cable.ends:
            lab.act(end, lab.systems[end].set_held(port, False, lab.now))
    lab.run(6.0 + 30.0 + 4.0 if a.rate == b.rate == "fast" else 90.0 + 3.0 + 30.0 + 4.0)
    carried = lab.distributing["A", "lag"]
    assert len(carried) == min(LINKS, a.max_active or LINKS, b.max_active or LINKS)
    assert carried == lab.distributing["B", "lag"] == lab.collecting["A", "lag"] == lab.collecting["B", "lag"]


@given(st.binary(max_size=130), st.sampled_from([b"", b"\x01\x01\x01\x14", b"\x02\x01"]), st.floats(0.0, 100.0))
def test_octets_that_cannot_be_decoded_change_only_their_counter(junk: bytes, start: bytes, later: float) -> None:
    lab = pair(config(), config(), links=1)
    lab.all_up()
    lab.run(2.5)
    payload = start + junk
    try:
        decode(payload)
    except PduError:
        pass
    else:
        return
    a = lab.systems["A"]
    before, timer = copy.deepcopy(lab.port("A", 1)), a.next_timer()
    assert a.receive(1, payload, lab.now + later) == []
    before["counters"]["bad_pdus_received"] += 1
    assert lab.port("A", 1) == before
    assert a.next_timer() == timer


@pytest.mark.slow
@settings(max_examples=40)
@given(plain_configs, plain_configs, fallbacks, st.lists(acts, max_size=8), st.lists(acts, min_size=1, max_size=8))
@example(  # ports that are due at one instant are handled in one order
    config(rate="fast", mux="coupled"),
    config(rate="fast", mux="coupled", max_active=2),
    "none",
    [losing(1, {"A"}), steps(7.0)],
    [losing(1, set())],
)
def test_a_restored_system_behaves_as_one_that_never_stopped(
    a: LagConfig, b: LagConfig, fallback: Fallback, before: list[Act], after: list[Act]
) -> None:
    """A is replaced by a copy restored from JSON text; from then on both copies of the network behave the same."""
    lab = pair(replace(a, fallback=fallback), b, links=LINKS)
    lab.all_up()
    lab.run(2.5)
    for act in before:
        act(lab)
    twin = copy.deepcopy(lab)
    text = json.dumps(lab.systems["A"].saved())
    fresh = pair(replace(a, fallback=fallback), b, links=LINKS).systems["A"]
    fresh.restore(json.loads(text))
    assert json.dumps(fresh.saved()) == text
    twin.systems["A"] = fresh
    for each in (lab, twin):
        each.events.clear()
        each.sent.clear()
        each.forwarding.clear()
        for act in after:
            act(each)
        each.run(4.0)
    assert twin.systems["A"].snapshot() == lab.systems["A"].snapshot()
    assert twin.sent == lab.sent
    assert sorted(map(str, twin.events)) == sorted(map(str, lab.events))
    assert sorted(map(str, twin.forwarding)) == sorted(map(str, lab.forwarding))


@settings(max_examples=40)
@given(plain_configs, plain_configs, st.lists(acts, max_size=20))
def test_independent_control_distributes_only_where_the_partner_collects(
    a: LagConfig, b: LagConfig, what: list[Act]
) -> None:
    """Figure 6-21: Partner_Oper_Port_State.Collecting, from the last LACPDU."""
    lab = pair(replace(a, mux="independent"), b, links=LINKS)

    def check_a() -> None:
        for port in lab.distributing["A", "lag"]:
            received = at(lab, "A", port).last_received
            assert received is not None
            assert received.actor.state & State.COLLECTING
            assert received.actor.state & State.SYNCHRONIZATION

    lab.after_each = check_a
    lab.all_up()
    lab.run(2.5)
    for act in what:
        act(lab)
    lab.run(5.0)
