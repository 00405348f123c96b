"""The outcome of the selection logic depends on cables, priorities and losses, not on the order in which they came.

What is expected is computed here from the cables alone: the LAGs of all systems are paired, best pair first.
"""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from testbed.lacp import PortConfig
from testbed.lacp.config import MuxControl
from tests.lacp.wire import MACS, Lab, config

LAGS = (("A", 1), ("A", 2), ("B", 1), ("B", 2), ("C", 1))

#: A cable: the LAGs at its two ends, and a port priority at each.
Plug = tuple[tuple[str, int], tuple[str, int], int, int]

pairs = st.sampled_from([(a, b) for a in LAGS for b in LAGS if a < b and a[0] != b[0]])
priorities = st.sampled_from([100, 100, 100, 50, 200])
plugs = st.builds(lambda ends, a, b: (*ends, a, b), pairs, priorities, priorities)


def expected(cables: list[Plug], up: list[bool]) -> dict[tuple[str, int], tuple[int, ...]]:
    """Each LAG's ports in use: pair by pair, best port priority of the lower system, then more cables, then LAG ID."""
    groups: dict[tuple[tuple[str, int], tuple[str, int]], list[int]] = defaultdict(list)
    for number, (a, b, _, _) in enumerate(cables, start=1):
        if up[number - 1]:
            groups[a, b].append(number)  # a is of the lower system: MACS are in the order of the names

    def merit(pair: tuple[tuple[str, int], tuple[str, int]]) -> tuple[object, ...]:
        ports = groups[pair]
        return min(cables[number - 1][2] for number in ports), -len(ports), pair

    found: dict[tuple[str, int], tuple[int, ...]] = {}
    for pair in sorted(groups, key=merit):
        if not found.keys() & set(pair):
            found |= dict.fromkeys(pair, tuple(groups[pair]))
    return found


def wired(cables: list[Plug], mux: MuxControl) -> Lab:
    lab = Lab()
    for end in MACS:
        lab.add(end, *(config(key, name=str(key), mux=mux) for owner, key in LAGS if owner == end))
    for number, (a, b, ours, theirs) in enumerate(cables, start=1):
        near = PortConfig(number, str(a[1]), number, ours)
        lab.plug(near, a[0], PortConfig(number, str(b[1]), number, theirs), b[0])
    return lab


STARVING: list[Plug] = [
    *((("A", 1), ("B", 1), 100, 100),) * 2,
    (("A", 2), ("B", 1), 100, 100),
    *((("A", 2), ("B", 2), 100, 100),) * 2,
]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.lists(plugs, min_size=1, max_size=7),
    st.sampled_from(["coupled", "independent"]),
    st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.sampled_from([0.0, 0.01, 1.0, 3.0, 8.0])), max_size=14),
)
@example(STARVING, "independent", [(2, True, 3.0), (3, True, 3.0), (4, True, 3.0), (0, True, 3.0), (1, True, 3.0)])
@example(STARVING, "independent", [(4, True, 0.0), (3, True, 0.0), (2, True, 0.0), (1, True, 0.0), (0, True, 0.0)])
def test_the_final_state_depends_on_the_facts_alone(
    cables: list[Plug], mux: MuxControl, events: list[tuple[int, bool, float]]
) -> None:
    """Cables come and go; whatever is connected at last decides what is in use some time later, at both ends alike."""
    lab = wired(cables, mux)
    for index, up, seconds in events:
        lab.carrier(lab.cables[index % len(cables)], up)
        lab.run(seconds)
    lab.run(120.0)
    found = expected(cables, [cable.up for cable in lab.cables])
    for owner, key in LAGS:
        assert lab.distributing[owner, str(key)] == found.get((owner, key), ()), (owner, key)
        assert lab.collecting[owner, str(key)] == found.get((owner, key), ()), (owner, key)
    sent = {end: len(times) for end, times in lab.sent.items()}
    settled = len(lab.forwarding)
    lab.run(60.0)
    assert len(lab.forwarding) == settled, "it stays so"
    assert all(len(lab.sent[end]) - count <= 61 for end, count in sent.items()), "one LACPDU a second"


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(plugs, min_size=2, max_size=7), st.sampled_from(["coupled", "independent"]), st.randoms())
def test_a_silent_loss_counts_as_a_missing_cable(cables: list[Plug], mux: MuxControl, chance: object) -> None:
    lab = wired(cables, mux)
    lab.all_up()
    lab.run(30.0)
    silent = [cable for cable in lab.cables if chance.random() < 0.4]  # type: ignore[attr-defined]
    for cable in silent:
        cable.loses = {end for end, _ in cable.ends}
    lab.run(150.0)
    found = expected(cables, [cable not in silent for cable in lab.cables])
    for owner, key in LAGS:
        assert lab.distributing[owner, str(key)] == found.get((owner, key), ()), (owner, key)
