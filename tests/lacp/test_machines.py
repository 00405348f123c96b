"""The tables themselves: every state reachable, and the diagrams complete."""

from __future__ import annotations

from enum import StrEnum

import pytest

from testbed.lacp import MACHINES, Machine, State, diagram
from testbed.lacp.config import LagConfig, PortConfig, SystemId
from testbed.lacp.machines import RECEIVE
from testbed.lacp.mux import COUPLED_MUX, INDEPENDENT_MUX
from testbed.lacp.port import Lag, Port, actor_state
from testbed.lacp.states import Mux, Rx

each_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.clause)


def reachable(machine: Machine) -> set[StrEnum]:
    """The states that a sequence of rules can reach."""
    found = {machine.initial}
    while more := {r.target for r in machine.rules if not r.sources or found & set(r.sources)} - found:
        found |= more
    return found


@each_machine
def test_rules_use_reachable_states_of_the_machine(machine: Machine) -> None:
    states = reachable(machine)
    assert states <= set(machine.states)
    assert set(machine.entry) & set(machine.states) >= set(machine.entry)
    for rule in machine.rules:
        assert set(rule.sources) <= states, rule.guard.text
    if machine.name != "mux":
        assert states == set(machine.states)


def test_each_mux_has_the_states_of_its_figure() -> None:
    shared = {Mux.DETACHED, Mux.WAITING, Mux.ATTACHED}
    assert reachable(COUPLED_MUX) == shared | {Mux.COLLECTING_DISTRIBUTING}
    assert reachable(INDEPENDENT_MUX) == shared | {Mux.COLLECTING, Mux.DISTRIBUTING}


@each_machine
def test_the_diagram_shows_every_state_and_rule(machine: Machine) -> None:
    lines = diagram(machine).splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert f"    [*] --> {machine.initial}: BEGIN" in lines
    for rule in machine.rules:
        for source in rule.sources or ("[*]",):
            arrows = [line for line in lines if line.startswith(f"    {source} --> {rule.target}: ")]
            assert any(line.endswith(rule.guard.text) for line in arrows)
    for state in reachable(machine):
        assert any(str(state) in line for line in lines)


@each_machine
def test_texts_have_no_character_that_ends_a_label(machine: Machine) -> None:
    texts = [rule.guard.text for rule in machine.rules]
    texts += [action.text for actions in machine.entry.values() for action in actions]
    assert all(text and not set(text) & set(":;#%") for text in texts)


def test_diagram_of_the_receive_machine() -> None:
    lines = diagram(RECEIVE).splitlines()
    assert "    CURRENT --> EXPIRED: current_while_timer expired" in lines
    assert "    EXPIRED --> DEFAULTED: current_while_timer expired" in lines
    assert lines.index("    CURRENT: CURRENT") < lines.index("    CURRENT: recordPDU")


@pytest.mark.parametrize(
    ("mux", "bits"),
    [
        (Mux.DETACHED, 0x00),
        (Mux.WAITING, 0x00),
        (Mux.ATTACHED, 0x08),
        (Mux.COLLECTING, 0x18),
        (Mux.DISTRIBUTING, 0x38),
        (Mux.COLLECTING_DISTRIBUTING, 0x38),
    ],
)
@pytest.mark.parametrize(("rx", "expired"), [(Rx.CURRENT, 0), (Rx.EXPIRED, 0x80), (Rx.DEFAULTED, 0)])
@pytest.mark.parametrize("defaulted", [True, False])
def test_the_octet_of_actor_state(mux: Mux, bits: int, rx: Rx, expired: int, defaulted: bool) -> None:
    lag = Lag(LagConfig("lag", 1, mode="active", rate="slow"), SystemId(1, "02:00:00:00:00:01"))
    port = Port(PortConfig("port", "lag", 1), lag, defaulted=defaulted, state={"receive": rx, "mux": mux})
    active_aggregatable = 0x05
    assert actor_state(port) == State(active_aggregatable | bits | expired | (0x40 if defaulted else 0))
