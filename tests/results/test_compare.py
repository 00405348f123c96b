"""Two runs compared, or the levels of a factor: what changed, what differs, and where too few trials decide nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import synthetic

from testbed.errors import SpecError
from testbed.results.compare import Comparison, Contrast, changes, compare, compare_levels
from testbed.results.result import Record, Run
from testbed.results.significance import Judgement

CASE = {"mode": "802.3ad", "miimon_ms": 100}


def run(path: Path, records: list[Record], **more: Any) -> Run:
    levels = {name: list(dict.fromkeys(record.case[name] for record in records)) for name in records[0].case}
    return synthetic.write(path, synthetic.manifest("failover", levels, [], **more), records)


def outages(values: list[float], case: dict[str, Any] | None = None, first: int = 1, **metrics: Any) -> list[Record]:
    return [
        synthetic.record(n, "failover", case or CASE, {"outage_s": value, **metrics})
        for n, value in enumerate(values, first)
    ]


def spread(middle: float, seed: int, n: int = 20) -> list[float]:
    chance = random.Random(seed)
    return [middle * chance.uniform(0.8, 1.2) for _ in range(n)]


def one(found: Comparison | Contrast, metric: str = "outage_s") -> Judgement:
    (judgement,) = [each for each in found.judgements if each.metric == metric]
    return judgement


def test_a_run_compared_with_itself_is_the_same(tmp_path: Path) -> None:
    whole = synthetic.failover(tmp_path / "run")
    found = compare(whole, whole)
    assert not found.matters and not found.changes
    assert {judgement.word for judgement in found.judgements} == {"same"}
    assert {judgement.case for judgement in found.judgements} == {"mode active-backup", "mode 802.3ad"}


def test_another_sample_of_the_same_makes_no_difference(tmp_path: Path) -> None:
    found = compare(run(tmp_path / "a", outages(spread(0.05, 1))), run(tmp_path / "b", outages(spread(0.05, 2))))
    assert one(found).word == "no difference"
    assert not found.matters


def test_a_longer_outage_matters(tmp_path: Path) -> None:
    found = compare(run(tmp_path / "a", outages(spread(0.05, 1))), run(tmp_path / "b", outages(spread(0.07, 2))))
    judgement = one(found)
    assert (judgement.word, judgement.matters, found.matters) == ("differs", True, True)
    assert judgement.interval is not None and judgement.interval[0] < 0.02 < judgement.interval[1]
    assert judgement.p is not None and judgement.p < 1e-4
    assert judgement.case == "all trials"


def test_a_difference_below_the_margin_is_negligible(tmp_path: Path) -> None:
    before = [0.1 + n / 1e5 for n in range(20)]
    runs = run(tmp_path / "a", outages(before)), run(tmp_path / "b", outages([value * 1.02 for value in before]))
    assert one(compare(*runs)).word == "negligible"
    assert one(compare(*runs, margin=0.01)).word == "differs"


def test_an_outlier_in_some_trials_is_found_although_the_median_stays(tmp_path: Path) -> None:
    before, after = [0.0] * 40, [0.0] * 28 + [0.105] * 12
    judgement = one(compare(run(tmp_path / "a", outages(before)), run(tmp_path / "b", outages(after))))
    assert (judgement.before, judgement.after, judgement.word) == (0.0, 0.0, "differs")


def test_many_tests_are_corrected_for(tmp_path: Path) -> None:
    # 60 cases without any difference: about 3 would be taken for one without correction.
    runs = []
    for side in (0, 1):
        records: list[Record] = []
        for case in range(60):
            values = spread(0.05, 100 * side + case, 8)
            records += outages(values, {"mode": "802.3ad", "members": case}, len(records) + 1)
        runs.append(run(tmp_path / str(side), records))
    found = compare(runs[0], runs[1])
    assert len([judgement for judgement in found.judgements if judgement.metric == "outage_s"]) == 60
    assert not found.matters


def test_few_trials_that_overlap_decide_nothing_and_few_that_do_not_overlap_differ(tmp_path: Path) -> None:
    base = run(tmp_path / "a", outages([0.010, 0.030]))
    assert one(compare(base, run(tmp_path / "b", outages([0.020, 0.040])))).word == "too few trials"
    found = compare(base, run(tmp_path / "c", outages([0.1, 0.2])))
    assert (one(found).word, one(found).p) == ("differs", None)


def test_a_bound_that_held_always_and_no_longer_does_matters(tmp_path: Path) -> None:
    values = spread(0.05, 1)
    kept = outages(values, within_bound=True)
    broken = [*kept[:-1], synthetic.record(20, "failover", CASE, {"outage_s": values[-1], "within_bound": False})]
    before, after = run(tmp_path / "a", kept), run(tmp_path / "b", broken)
    judgement = one(compare(before, after), "within_bound")
    assert (judgement.before, judgement.after, judgement.matters) == (1.0, 0.95, True)
    assert not compare(after, before).matters  # one of 20 that is corrected may be chance


@pytest.mark.parametrize(
    ("before", "after", "word", "p"),
    [
        # With 3 trials each even all against none has p = 2/C(6,3) = 0.1; with 3 and 4 it has 1/C(7,3) = 1/35.
        ([False, True, False], [True, True, False], "too few trials", None),
        ([False] * 3, [True] * 3, "differs", None),
        ([True] * 3, [False] * 3, "differs", None),
        ([False] * 3, [True] * 4, "differs", 1 / 35),
        ([False] * 3, [True] * 2 + [False] * 2, "no difference", 3 / 7),  # C(4,2)/C(7,2), and 1/7 the other way
    ],
)
def test_few_trials_of_a_statement_decide_nothing_unless_it_is_all_against_none(
    tmp_path: Path, before: list[bool], after: list[bool], word: str, p: float | None
) -> None:
    sides = []
    for name, held in (("a", before), ("b", after)):
        records = [synthetic.record(n, "audit", CASE, {"survived": each}) for n, each in enumerate(held, 1)]
        sides.append(run(tmp_path / name, records))
    judgement = one(compare(*sides), "survived")
    assert judgement.word == word
    assert judgement.p == (None if p is None else pytest.approx(p))


def test_trials_that_fail_now_matter(tmp_path: Path) -> None:
    good = outages(spread(0.05, 1))
    bad = [*good[:-1], synthetic.record(20, "failover", CASE, {}, status="failed", reason="no link")]
    found = compare(run(tmp_path / "a", good), run(tmp_path / "b", bad))
    assert one(found, "failed").matters and found.matters


def test_traffic_that_never_comes_back_is_longer_than_any_outage(tmp_path: Path) -> None:
    before = outages(spread(0.05, 1))
    after = [
        synthetic.record(n, "failover", CASE, {"outage_s": 3.0}, status="censored", reason="no") for n in range(1, 21)
    ]
    found = compare(run(tmp_path / "a", before), run(tmp_path / "b", after))
    assert one(found).matters
    assert one(found).after == float("inf")
    text = json.dumps(found.as_json())
    assert '"inf"' in text and "Infinity" not in text


def test_a_factor_of_one_level_each_is_what_is_compared(tmp_path: Path) -> None:
    ours = run(tmp_path / "a", outages(spread(0.05, 1), {**CASE, "controller": "testbed"}))
    theirs = run(tmp_path / "b", outages(spread(0.09, 2), {**CASE, "controller": "ryu-example"}))
    found = compare(ours, theirs)
    assert [(change.key, change.before, change.after) for change in found.changes] == [
        ("factors.controller", ["testbed"], ["ryu-example"])
    ]
    assert one(found).matters


def test_cases_of_one_run_only_are_named(tmp_path: Path) -> None:
    def modes(*names: str) -> list[Record]:
        records: list[Record] = []
        for name in names:
            records += outages(spread(0.05, 1, 8), {"mode": name}, len(records) + 1)
        return records

    found = compare(
        run(tmp_path / "a", modes("802.3ad", "balance-rr")), run(tmp_path / "b", modes("802.3ad", "broadcast"))
    )
    assert (found.only_before, found.only_after) == (("mode balance-rr",), ("mode broadcast",))
    assert {judgement.case for judgement in found.judgements} == {"mode 802.3ad"}


def test_runs_without_a_case_in_common_are_refused(tmp_path: Path) -> None:
    def members(*numbers: int) -> list[Record]:
        return [r for n in numbers for r in outages([0.1], {"mode": "802.3ad", "members": n}, n)]

    with pytest.raises(SpecError, match=r"share no case: nothing can be compared"):
        compare(run(tmp_path / "a", members(1, 2)), run(tmp_path / "b", members(4, 8)))


def test_what_changed_is_reported_key_by_key() -> None:
    before = {"seed": 1, "commit": "a", "tools": {"python": "3.11.7", "ovs": "3.1"}, "factors": {"mode": ["x", "y"]}}
    after = {"seed": 2, "commit": "a", "tools": {"python": "3.12.1", "ovs": "3.1"}, "factors": {"mode": ["y", "x"]}}
    assert [(c.key, c.before, c.after) for c in changes(before, after)] == [
        ("seed", 1, 2),
        ("tools.python", "3.11.7", "3.12.1"),
    ]


# The levels of a factor ----------------------------------------------------------------------------------------------

LOW = [1.0, 2.0, 3.0, 4.0, 5.0]


def levels(path: Path, *parts: tuple[dict[str, Any], list[float]], **metrics: Any) -> Run:
    """A run of cases, each with the outages of its repetitions."""
    records: list[Record] = []
    for case, values in parts:
        records += outages(values, case, len(records) + 1, **metrics)
    return run(path, records)


def three_modes(path: Path) -> Run:
    """Of the six samples three are far from that of mode ``a`` and the same fault; pairs can be counted by hand."""
    return levels(
        path,
        ({"mode": "a", "fault": "x"}, LOW),
        ({"mode": "a", "fault": "y"}, LOW),
        ({"mode": "b", "fault": "x"}, [6.0, 7.0, 8.0, 9.0, 10.0]),
        ({"mode": "b", "fault": "y"}, [*reversed(LOW)]),
        ({"mode": "c", "fault": "x"}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"mode": "c", "fault": "y"}, [4.5, 6.0, 7.0, 8.0, 9.0]),
    )


def test_each_level_is_compared_with_the_first_in_every_case(tmp_path: Path) -> None:
    found = compare_levels(three_modes(tmp_path / "run"), "mode")
    assert [contrast.names for contrast in found.contrasts] == [("a", "b"), ("a", "c")]
    seen = {
        (contrast.after, judgement.case): (judgement.before, judgement.after, judgement.delta, judgement.word)
        for contrast in found.contrasts
        for judgement in contrast.judgements
        if judgement.metric == "outage_s"
    }
    assert seen == {
        ("b", "fault x"): (3.0, 8.0, 1.0, "differs"),
        ("b", "fault y"): (3.0, 3.0, 0.0, "same"),
        ("c", "fault x"): (3.0, 0.3, -1.0, "differs"),
        ("c", "fault y"): (3.0, 7.0, (24 - 1) / 25, "differs"),  # of 25 pairs only 5 and 4.5 go the other way
    }
    assert found.matters


def test_the_tests_of_all_levels_are_corrected_for_together(tmp_path: Path) -> None:
    # Of 252 ways to divide ten values 1 leaves no pair the other way and 2 at most one: two-sided 2/252 and 4/252.
    # Three tests were made (what is the same needs none), so Holm takes the smallest times three, the others no less.
    found = compare_levels(three_modes(tmp_path / "run"), "mode")
    ps = [judgement.p for judgement in found.judgements if judgement.p is not None]
    assert ps == [pytest.approx(3 * 2 / 252)] * 3


def test_the_first_level_named_is_the_baseline_and_the_others_are_left_out(tmp_path: Path) -> None:
    found = compare_levels(three_modes(tmp_path / "run"), "mode", ["c", "a"])
    (contrast,) = found.contrasts
    assert contrast.names == ("c", "a")
    one_case = [judgement for judgement in contrast.judgements if judgement.case == "fault x"]
    assert [(judgement.before, judgement.after) for judgement in one_case if judgement.metric == "outage_s"] == [
        (0.3, 3.0)
    ]


def test_two_levels_are_judged_as_two_runs_are(tmp_path: Path) -> None:
    parts = [({"mode": mode}, spread(middle, seed)) for mode, middle, seed in (("a", 0.05, 1), ("b", 0.07, 2))]
    (contrast,) = compare_levels(levels(tmp_path / "both", *parts), "mode").contrasts
    apart = [levels(tmp_path / case["mode"], (case, values)) for case, values in parts]
    assert contrast.judgements == compare(*apart).judgements
    assert one(contrast).word == "differs" and one(contrast).interval is not None


def test_no_level_differs_without_a_test(tmp_path: Path) -> None:
    # Neither level came first, so that a bound held 20 times there and 19 here is no regression: Fisher's p is 1.
    kept = outages(spread(0.05, 1), {"mode": "a"}, within_bound=True)
    less = outages(spread(0.05, 1), {"mode": "b"}, 21, within_bound=True)
    less[0].metrics["within_bound"] = False
    (contrast,) = compare_levels(run(tmp_path / "bound", kept + less), "mode").contrasts
    assert (one(contrast, "within_bound").word, one(contrast, "within_bound").p) == ("no difference", 1.0)

    few = levels(tmp_path / "few", ({"mode": "a"}, [0.01, 0.02]), ({"mode": "b"}, [0.1, 0.2]), survived=True)
    (contrast,) = compare_levels(few, "mode").contrasts
    assert (one(contrast).word, one(contrast).p, one(contrast).delta) == ("too few trials", None, 1.0)


def test_cases_that_one_level_lacks_are_named(tmp_path: Path) -> None:
    found = compare_levels(
        levels(
            tmp_path / "run",
            ({"mode": "a", "fault": "x"}, LOW),
            ({"mode": "a", "fault": "y"}, LOW),
            ({"mode": "b", "fault": "y"}, LOW),
            ({"mode": "b", "fault": "z"}, LOW),
        ),
        "mode",
    )
    (contrast,) = found.contrasts
    assert (contrast.only_before, contrast.only_after) == (("fault x",), ("fault z",))
    assert {judgement.case for judgement in contrast.judgements} == {"fault y"}


def test_levels_without_a_case_in_common_are_refused(tmp_path: Path) -> None:
    apart = levels(tmp_path / "run", ({"mode": "a", "fault": "x"}, LOW), ({"mode": "b", "fault": "y"}, LOW))
    with pytest.raises(SpecError, match=r"no level of 'mode' shares a case with a in .*: nothing can be compared"):
        compare_levels(apart, "mode")


def test_levels_are_named_as_they_are_typed(tmp_path: Path) -> None:
    cases = [{"cut": cut, "wait_s": wait_s} for cut in (False, True) for wait_s in (1.0, 2.5)]
    path = levels(tmp_path / "run", *((case, LOW) for case in cases))
    assert compare_levels(path, "cut", ["true", "false"]).contrasts[0].names == ("true", "false")
    assert compare_levels(path, "wait_s", ["2.5", "1"]).contrasts[0].names == ("2.5", "1.0")


@pytest.mark.parametrize(
    ("factor", "named", "message", "hint"),
    [
        ("mod", [], "unknown factor 'mod'; the known ones are: fault, mode, size", "Did you mean 'mode'?"),
        ("size", [], "factor 'size' has one level in {run}, 4; wanted two or more", "testbed compare {run} --by mode"),
        ("mode", ["a", "cc"], "unknown level of factor 'mode': 'cc'; the known ones are: a, b, c", "Did you mean 'c'?"),
        ("mode", ["b"], "--by mode=b does not name two or more different levels", "--by mode=b,a,c, or some of these"),
        ("mode", ["a", "a"], "--by mode=a,a does not name two or more different levels", "--by mode=a,b,c, or some"),
    ],
)
def test_what_the_run_does_not_have_is_refused(
    tmp_path: Path, factor: str, named: list[str], message: str, hint: str
) -> None:
    cases = [{"mode": mode, "fault": fault, "size": 4} for mode in "abc" for fault in "xy"]
    path = levels(tmp_path / "run", *((case, LOW) for case in cases))
    with pytest.raises(SpecError) as caught:
        compare_levels(path, factor, named)
    assert caught.value.message == message.format(run=path.path)
    assert hint.format(run=path.path) in caught.value.hint


def test_a_run_without_levels_asks_for_another_run(tmp_path: Path) -> None:
    single = run(tmp_path / "run", outages(LOW))
    with pytest.raises(SpecError) as caught:
        compare_levels(single, "mode")
    assert caught.value.hint == f"Type: testbed compare {single.path} RUN"


def _once(place: Path, outage_s: float, **more: Any) -> Run:
    case = {"mode": "802.3ad"}
    record = synthetic.record(1, "failover", case, {"outage_s": outage_s, "within_bound": outage_s < 1})
    return synthetic.write(place, {**synthetic.manifest("failover", {"mode": ["802.3ad"]}, []), **more}, [record])


def test_one_trial_has_no_verdict(tmp_path: Path) -> None:
    """Of one observation there is no variance (n - 1 = 0 degrees of freedom)."""
    found = compare(_once(tmp_path / "one", 0.01), _once(tmp_path / "other", 3.0))
    assert {each.word for each in found.judgements if each.word != "same"} == {"too few trials"}
    assert not found.matters


def test_runs_of_two_topologies_are_marked_and_of_two_experiments_refused(tmp_path: Path) -> None:
    one, ring = _once(tmp_path / "one", 0.01), _once(tmp_path / "ring", 0.01, topology="ring")
    assert compare(one, ring).networks == ("single_switch", "ring")
    assert compare(one, one).networks is None
    with pytest.raises(SpecError, match=r"is of experiment failover, .* of flapping"):
        compare(one, _once(tmp_path / "flaps", 0.01, experiment="flapping"))
