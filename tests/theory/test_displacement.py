"""What a failure displaces: the shares of RFC 2991 and RFC 2992, and any rule against flows that are placed by it."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import SpecError
from testbed.spec import Bond
from testbed.theory.displacement import BUCKETS, RULES, TEAM_HASHES, displacement, host_rule, resilient_entries

MEMBERS = st.integers(2, 16)
FLOWS = 4000

Rule = Callable[[int, Sequence[str]], str]


@given(MEMBERS, st.data())
def test_a_modulo_moves_all_but_one_of_n_and_brings_them_back(members: int, data: st.DataObject) -> None:
    """RFC 2992, section 3: with the modulo N - 1 of N flows change their path."""
    found = displacement("modulo", members, data.draw(st.integers(0, members - 1)))
    assert math.isclose(found.moved, (members - 1) / members)
    assert math.isclose(found.back, found.moved)
    assert found.astray == 0
    assert math.isclose(found.lost, 1 / members)


@given(MEMBERS, st.data())
def test_thresholds_move_what_the_rfc_says(members: int, data: st.DataObject) -> None:
    """RFC 2992, section 2.2: the regions before the one that goes, and those behind it, give up a growing part each."""
    failed = data.draw(st.integers(0, members - 1))
    one, n = failed + 1, members
    found = displacement("threshold", members, failed)
    wanted = 1 / n + ((one - 1) * (one - 2) + (n - one) * (n - one - 1)) / (2 * n * (n - 1))
    assert math.isclose(found.moved, wanted)
    assert 1 / 4 + 1 / (4 * n) - 1e-12 <= found.moved <= 1 / 2 + 1e-12
    assert found.astray == 0


@pytest.mark.parametrize("members", [3, 5, 7, 9, 15])
def test_thresholds_move_least_if_the_middle_fails_and_most_at_the_ends(members: int) -> None:
    """RFC 2992, section 2.2: 1/4 + 1/(4 N) for the middle of an odd number, 1/2 for the first and the last."""
    assert math.isclose(displacement("threshold", members, members // 2).moved, 1 / 4 + 1 / (4 * members))
    assert math.isclose(displacement("threshold", members, 0).moved, 1 / 2)
    assert math.isclose(displacement("threshold", members, members - 1).moved, 1 / 2)


@given(MEMBERS, st.sampled_from(("scores", "buckets")), st.data())
def test_others_move_only_what_has_to(members: int, rule: str, data: st.DataObject) -> None:
    found = displacement(rule, members, data.draw(st.integers(0, members - 1)))
    assert found.in_vain == 0
    assert math.isclose(found.moved, 1 / members)


def by_modulo(flow: int, order: Sequence[str]) -> str:
    return order[flow % len(order)]


def by_eight_bits(flow: int, order: Sequence[str]) -> str:
    return order[flow % TEAM_HASHES % len(order)]


def by_threshold(flow: int, order: Sequence[str]) -> str:
    return order[flow * len(order) >> 32]


def by_scores(flow: int, order: Sequence[str]) -> str:
    return max(order, key=lambda name: hashlib.sha256(f"{name} {flow}".encode()).digest())


def moved(one: Sequence[str], other: Sequence[str]) -> float:
    return sum(a != b for a, b in zip(one, other, strict=True)) / len(one)


@given(MEMBERS, st.integers(0, 1 << 32), st.data())
@pytest.mark.parametrize(
    ("name", "rule", "returns_last"),
    [
        ("modulo", by_modulo, False),
        ("team-modulo", by_eight_bits, True),
        ("threshold", by_threshold, False),
        ("scores", by_scores, False),
    ],
)
def test_flows_placed_by_the_rule_show_the_shares(
    name: str, rule: Rule, returns_last: bool, members: int, seed: int, data: st.DataObject
) -> None:
    """Another way to the same: real flows, one after the other, and what of them differs."""
    failed = data.draw(st.integers(0, members - 1))
    chance = random.Random(seed)
    flows = [chance.getrandbits(32) for _ in range(FLOWS // 10 if name == "scores" else FLOWS)]
    names = [f"eth{place}" for place in range(members)]
    left = [each for each in names if each != names[failed]]
    again = [*left, names[failed]] if returns_last else names
    before, during, after = ([rule(flow, order) for flow in flows] for order in (names, left, again))
    found = displacement(name, members, failed)
    measured = {
        "lost": before.count(names[failed]) / len(flows),
        "moved": moved(before, during),
        "back": moved(during, after),
        "astray": moved(before, after),
    }
    for what, share in measured.items():
        expected = found.shares()[what]
        # Hypothesis looks for the worst of many samples: one more deviation than the margin of a single trial.
        assert abs(share - expected) <= 1.5 * found.margin(expected, len(flows)) + 1e-12, what


def test_a_table_shows_what_its_entries_say() -> None:
    """ofproto/bond.c: 256 entries; those of a member that is away are filled anew, no other one, and none goes back."""
    chance = random.Random(1)
    for members in range(2, 17):
        failed = chance.randrange(members)
        # Weights that are far from equal, as those of hmap_random_node are.
        before = chance.choices(range(members), [chance.randrange(1, 5) for _ in range(members)], k=256)
        left = [place for place in range(members) if place != failed]
        during = [chance.choice(left) if place == failed else place for place in before]
        flows = [chance.randrange(256) for _ in range(FLOWS)]
        share = sum(before[flow] != during[flow] for flow in flows) / FLOWS
        found = displacement(BUCKETS, members, failed, [before.count(place) for place in range(members)])
        assert abs(share - found.moved) <= found.margin(found.moved, FLOWS)
        assert (found.in_vain, found.back) == (0, 0)
        assert found.astray == found.moved


def test_a_resilient_group_gives_each_next_hop_its_buckets() -> None:
    """nexthop-group-resilient.rst: "wants_buckets", by weight; the bounds are rounded to the closest."""
    assert resilient_entries(4, 64) == [16, 16, 16, 16]
    assert resilient_entries(3, 64) == [21, 22, 21]  # 21.33 and 42.67 are nearest to 21 and 43
    assert sum(resilient_entries(7, 64)) == 64


def test_a_table_without_entries_is_refused() -> None:
    with pytest.raises(SpecError, match="a table without entries"):
        displacement(BUCKETS, 2, 0, [0, 0])


def test_a_share_of_nothing_or_all_has_no_margin() -> None:
    found = displacement("scores", 4, 0)
    assert found.margin(0.0, 100) == 0
    assert found.margin(1.0, 100) == 0


@pytest.mark.parametrize(("members", "failed"), [(1, 0), (0, 0), (4, 4), (4, -1)])
def test_a_member_that_cannot_fail_is_refused(members: int, failed: int) -> None:
    with pytest.raises(SpecError, match=f"member {failed} of {members} cannot fail"):
        displacement("modulo", members, failed)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(SpecError, match="unknown rule of placement 'module'"):
        displacement("module", 2, 0)


@pytest.mark.parametrize("rule", [*RULES, BUCKETS])
def test_of_two_members_just_the_flows_of_one_move(rule: str) -> None:
    """Whatever the rule: all are on the one that is left."""
    assert displacement(rule, 2, 1).moved == displacement(rule, 2, 1).lost == 0.5


def bond(**options: str) -> Bond:
    return Bond(("eth0", "eth1"), **{"mode": "802.3ad", **options})  # type: ignore[arg-type]


def test_the_rule_of_a_bond_is_that_of_its_driver() -> None:
    assert host_rule(bond()) == "modulo"
    assert host_rule(bond(driver="team")) == "team-modulo"
    assert host_rule(bond(mode="ecmp")) == "threshold"
    assert host_rule(bond(mode="ecmp", ecmp_group="resilient")) == BUCKETS


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"mode": "active-backup"}, "mode active-backup does not place flows by a hash"),
        ({"xmit_hash_policy": "layer2"}, "xmit_hash_policy=layer2 takes no ports in"),
        ({"xmit_hash_policy": "vlan+srcmac"}, "xmit_hash_policy=vlan.srcmac takes no ports in"),
    ],
)
def test_a_bond_that_places_no_flows_is_refused(options: dict[str, str], reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        host_rule(bond(**options))
