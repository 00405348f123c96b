"""State machines as tables: what a rule is, how a table is run, how it is drawn.

A rule means: from these states, while this guard holds, go to that state. Guards test levels, never events, so the
order of events does not matter. `Machine.run` applies rules until none holds. The diagrams in the documentation are
drawn from the same tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from testbed.lacp.port import Port

MAX_STEPS = 16
"""The maximum of steps of one machine at one time; more means that rules alternate without end."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on a port, with its text for diagrams and for the event log."""

    text: str
    holds: Callable[[Port], bool]


@dataclass(frozen=True, slots=True)
class Action:
    """What happens on entering a state; `do` gets the port and the time."""

    text: str
    do: Callable[[Port, float], None]


UCT = Guard("UCT", lambda _port: True)
"""Unconditional transition, the standard's term."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Go to `target` from any of `sources` while `guard` holds.

    Empty `sources` mean any state: the machine goes to `target` and stays there as long as the guard holds.
    """

    sources: tuple[StrEnum, ...]
    guard: Guard
    target: StrEnum


@dataclass(frozen=True, slots=True)
class Step:
    """One transition that was made, with the guard that caused it."""

    old: str
    new: str
    cause: str


@dataclass(frozen=True)
class Machine:
    """A state machine of every port. Rules are tried in order, so an earlier one wins.

    name      the key of its state in `Port.state`
    clause    the standard's clause, or that the machine is ours
    states    the enumeration of its states; `initial` is entered on BEGIN
    entry     the actions on entering a state
    logged    whether each step is an event; if not, only the first and the last state of a run of steps are
    """

    name: str
    clause: str
    states: type[StrEnum]
    initial: StrEnum
    entry: Mapping[str, tuple[Action, ...]]
    rules: tuple[Rule, ...]
    logged: bool = True
    _rules_of: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        def leaves(rule: Rule, state: StrEnum) -> bool:
            return state in rule.sources or not rule.sources

        rules_of = {str(state): tuple(r for r in self.rules if leaves(r, state)) for state in self.states}
        object.__setattr__(self, "_rules_of", rules_of)

    def begin(self, port: Port, now: float) -> None:
        """Enter the initial state (BEGIN)."""
        self._enter(port, self.initial, now)

    def run(self, port: Port, now: float) -> tuple[list[Step], int]:
        """Apply rules until none holds; return the steps to log and the number of guards tested."""
        start, asked = port.state[self.name], 0
        steps: list[Step] = []
        while True:
            rule, more = self._first(port)
            asked += more
            if rule is None or (not rule.sources and rule.target == port.state[self.name]):
                break
            steps.append(Step(port.state[self.name], rule.target, rule.guard.text))
            if len(steps) > MAX_STEPS:
                raise AssertionError(f"the {self.name} machine does not settle: {steps[-4:]}")
            self._enter(port, rule.target, now)
        if not self.logged and steps:
            steps = [Step(start, steps[-1].new, steps[-1].cause)]
        return [step for step in steps if step.old != step.new], asked

    def _first(self, port: Port) -> tuple[Rule | None, int]:
        """The first rule that holds, and how many guards were tested to find it."""
        rules = self._rules_of[port.state[self.name]]
        for asked, rule in enumerate(rules, start=1):
            if rule.guard.holds(port):
                return rule, asked
        return None, len(rules)

    def _enter(self, port: Port, state: StrEnum, now: float) -> None:
        port.state[self.name] = state
        for action in self.entry.get(state, ()):
            action.do(port, now)


def diagram(machine: Machine) -> str:
    """The machine as a Mermaid state diagram, drawn from its rule table.

    A rule from any state is an arrow from the point for "any state"; entry actions are listed in their state.
    """
    lines = ["stateDiagram-v2", f"    %% {machine.name} machine, {machine.clause}"]
    lines.append(f"    [*] --> {machine.initial}: BEGIN")
    shown = {str(machine.initial)}
    for rule in machine.rules:
        shown.update(map(str, (*rule.sources, rule.target)))
        if not rule.sources:
            lines.append(f"    [*] --> {rule.target}: any state, {rule.guard.text}")
        lines.extend(f"    {source} --> {rule.target}: {rule.guard.text}" for source in rule.sources)
    for state in machine.states:
        actions = machine.entry.get(state, ()) if str(state) in shown else ()
        # If a state has several descriptions, Mermaid shows the first as its title.
        lines.extend(f"    {state}: {text}" for text in ([state, *(a.text for a in actions)] if actions else ()))
    return "\n".join(lines) + "\n"
