"""Our controller's LACP against Linux bonding and against Open vSwitch, however either end is set up.

         s1 (ours)                 carrier                                    far end (theirs)
   active | passive, fast | slow     |<-- at most 3 s -->| both in use    active | passive, fast | slow

The state of an end is what its own tool shows (/proc/net/bonding, ovs-appctl lacp/show), and what crossed its
interfaces. The expected state is what IEEE 802.1AX-2014 says of such a setup.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, NamedTuple

import pytest

from testbed.lacp import State
from testbed.results.result import Run
from tests.emulation.pairing import octets
from tests.emulation.partners import MEMBERS, PAIRS, Setup
from tests.emulation.support import HERE, side_by_side

KINDS = ("linux", "ovs")
CASES = [(kind, number) for kind in KINDS for number in range(len(PAIRS))]
NAMES = [f"{kind}-{'-'.join(PAIRS[number][0])}-{'-'.join(PAIRS[number][1])}" for kind, number in CASES]
#: 6.4.4, and how far a timer may be off (6.4.10).
_PERIOD_S, _TOLERANCE_S = {"fast": 1.0, "slow": 30.0}, 0.25
_WITHIN_S = 3.0


class Seen(NamedTuple):
    """One run: its record's metrics and its raw files."""

    took_s: list[float]
    pairs: dict[str, Any]
    state: dict[str, Any]
    lacpdus: list[dict[str, Any]]
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """One guest for each kind of far end."""
    base = tmp_path_factory.mktemp("pairings")
    words = (str(HERE / "pairing.py"), "--topology", str(HERE / "partners.py"), "--jobs", "1")
    runs = side_by_side(*((base / kind, *words, "--set", f"partner={kind}") for kind in KINDS))
    return {kind: _load(run) for kind, run in zip(KINDS, runs, strict=True)}


def _load(run: Run) -> Seen:
    (record,) = run.records
    raw = run.path / record.raw
    names = ("pairs.json", "controller_state.json", "lacpdus.json")
    pairs, state, lacpdus = (json.loads((raw / name).read_text()) for name in names)
    events = [json.loads(line) for line in (raw / "timeline.jsonl").read_text().splitlines()]
    return Seen(record.metrics["took_s"], pairs, state, lacpdus, events)


def wanted(setup: Setup) -> State:
    """The state octet of an end with that setup, once it is in use (6.4.2.3 m)."""
    state = State.AGGREGATION | State.SYNCHRONIZATION | State.COLLECTING | State.DISTRIBUTING
    if setup.activity == "active":
        state |= State.LACP_ACTIVITY
    if setup.rate == "fast":
        state |= State.LACP_TIMEOUT
    return state


def ports(state: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """What our controller shows of the ports of a pair."""
    found: list[dict[str, Any]] = state["systems"]["core"]["lags"][f"lag{number}"]["ports"]
    assert len(found) == MEMBERS
    return found


@pytest.mark.parametrize(("kind", "number"), CASES, ids=NAMES)
def test_the_far_end_shows_both_octets_as_expected(seen: dict[str, Seen], kind: str, number: int) -> None:
    ours, theirs = PAIRS[number]
    found = octets(kind, seen[kind].pairs["shown"][number])
    assert sorted(found) == [f"p{number}-eth{i}" for i in range(MEMBERS)]
    for actor, partner in found.values():
        assert State(actor) == wanted(theirs)
        assert State(partner) == wanted(ours)


@pytest.mark.parametrize(("kind", "number"), CASES, ids=NAMES)
def test_our_end_shows_the_same(seen: dict[str, Seen], kind: str, number: int) -> None:
    ours, theirs = PAIRS[number]
    for port in ports(seen[kind].state, number):
        assert (State(port["actor"]["state"]), State(port["partner"]["state"])) == (
            wanted(ours),
            wanted(theirs),
        )


@pytest.mark.parametrize(("kind", "number"), CASES, ids=NAMES)
def test_the_last_lacpdus_of_every_link_are_as_expected(seen: dict[str, Seen], kind: str, number: int) -> None:
    for way, (actor, partner) in ((False, PAIRS[number]), (True, PAIRS[number][::-1])):
        for i in range(MEMBERS):
            last = _between(seen[kind], f"p{number}-eth{i}", theirs=way)[-1]
            assert (State(last["actor"]), State(last["partner"])) == (wanted(actor), wanted(partner))


@pytest.mark.parametrize(("kind", "number"), CASES, ids=NAMES)
def test_both_ends_are_in_use_within_3_s_of_carrier(seen: dict[str, Seen], kind: str, number: int) -> None:
    assert 0 < seen[kind].took_s[number] <= _WITHIN_S


@pytest.mark.parametrize(("kind", "number"), CASES, ids=NAMES)
def test_each_end_sends_as_often_as_the_other_asks_for(seen: dict[str, Seen], kind: str, number: int) -> None:
    """6.4.13: the partner chooses the period; once all is settled there is no other reason to send."""
    ours, theirs = PAIRS[number]
    for way, receiver in ((False, theirs), (True, ours)):
        period_s = _PERIOD_S[receiver.rate]
        # Linux counts rounds of 100 ms that each begin a few milliseconds late: its periods are up to 5 % long.
        allowed_s = max(_TOLERANCE_S, 0.05 * period_s) if way and kind == "linux" else _TOLERANCE_S
        for i in range(MEMBERS):
            times = [row["t_s"] for row in _between(seen[kind], f"p{number}-eth{i}", theirs=way)]
            settled = [at_s for at_s in times if at_s > seen[kind].pairs["settled_s"] + 1.0]
            assert len(settled) >= 2
            for before, after in itertools.pairwise(settled):
                assert abs(after - before - period_s) <= allowed_s


@pytest.mark.parametrize(("kind", "number"), CASES, ids=NAMES)
def test_nothing_churns(seen: dict[str, Seen], kind: str, number: int) -> None:
    """Both ends were observed for longer than Churn_Detection_Time, 60 s (6.4.4)."""
    if kind == "linux":
        text = seen[kind].pairs["shown"][number]
        assert re.findall(r"^(?:Actor|Partner) Churn State: (\w+)$", text, re.MULTILINE) == ["none"] * 2 * MEMBERS
        assert re.findall(r"^(?:Actor|Partner) Churned Count: (\d+)$", text, re.MULTILINE) == ["0"] * 2 * MEMBERS
    for port in ports(seen[kind].state, number):
        machines = port["machines"]
        assert (machines["actor_churn"], machines["partner_churn"]) == ("NO_ACTOR_CHURN", "NO_PARTNER_CHURN")
        assert (port["counters"]["actor_churns"], port["counters"]["partner_churns"]) == (0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_once_settled_nothing_changes(seen: dict[str, Seen], kind: str) -> None:
    settled_s = seen[kind].pairs["settled_s"]
    later = [event for event in seen[kind].events if event["t_s"] > settled_s and event["event"] == "transition"]
    assert [event for event in later if event["machine"] in ("selected", "mux", "lag_id", "links")] == []
    assert [event for event in later if event["machine"] == "receive" and event["new"] != "CURRENT"] == []


def _between(seen: Seen, member: str, *, theirs: bool) -> list[dict[str, Any]]:
    return [row for row in seen.lacpdus if (row["member"], row["theirs"]) == (member, theirs)]
