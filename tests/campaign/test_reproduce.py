"""Comparing a run with its reference: what must agree, and how each injected difference is reported."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from testbed.campaign.reproduce import compare, compare_with_reference, expected_s, keep
from testbed.campaign.steps import CAMPAIGN, RYU, Step
from testbed.cli.reproduce import reproduce
from testbed.errors import SpecError, TestbedError
from testbed.experiment import discovery
from testbed.experiment.plan import factor_levels
from testbed.results import result
from testbed.results.result import Record, Run

MANIFEST: dict[str, Any] = {
    "experiment": "failover",
    "factors": {"mode": ["active-backup", "802.3ad"], "fault": ["carrier_loss"]},
    "code": "abc",
    "kernel": {"version": "7.3"},
    "tools": {"python": "3.11.2"},
    "clock": "virtual",
    "backend": "guest",
    "runtime": "a digest",
}


def record(number: int, mode: str, repetition: int, **metrics: Any) -> Record:
    case = {"mode": mode, "fault": "carrier_loss"}
    return Record("failover", case, repetition, number, "ok", "", metrics, 10.0, 5.0, [], f"raw/{number:03d}")


def outages(*values_s: float) -> list[Record]:
    known = {"bound_s": 0.1, "expected_s": 0.05, "within_bound": True}
    return [record(n, "active-backup", n - 1, outage_s=value, **known) for n, value in enumerate(values_s, 1)]


def run(records: list[Record], **manifest: Any) -> Run:
    return Run(Path("run"), {**MANIFEST, **manifest}, tuple(records))


REFERENCE = run(outages(0.02, 0.05, 0.09))


def changed(records: list[Record], place: int, **values: Any) -> list[Record]:
    one = records[place]
    fields = {name: values.pop(name) for name in ("status", "reason", "case") if name in values}
    records[place] = dataclasses.replace(one, metrics={**one.metrics, **values}, **fields)
    return records


def test_a_run_agrees_with_itself_to_the_last_digit() -> None:
    found = compare(REFERENCE, REFERENCE)
    assert (found.trials, found.identical, found.differences) == (3, 3, ())


def test_a_part_of_the_reference_agrees_with_it() -> None:
    found = compare(REFERENCE, run(outages(0.02)))
    assert (found.trials, found.identical, found.differences) == (1, 1, ())


def test_other_tools_may_shift_times_by_what_chance_does() -> None:
    # Of 3 values that are uniform over 100 ms, the median has a standard error of 100 / (2 sqrt 5) = 22 ms; the
    # difference of two has 32 ms, and three of those are 95 ms; with the tolerance of a bound 105 ms.
    tools = {"python": "3.13.1"}
    assert compare(REFERENCE, run(outages(0.05, 0.09, 0.099), tools=tools)).differences == ()
    assert compare(run(outages(0, 0, 0)), run(outages(0.10, 0.106, 0.2), tools=tools)).differences == (
        "mode=active-backup: median outage_s is 0.106; the reference has 0, and what is 0 to 0.1049 agrees with it",
    )


@pytest.mark.parametrize("key", ["kernel", "tools", "code", "runtime"])
def test_the_same_bytes_are_required_only_of_the_same_parts(key: str) -> None:
    other = outages(0.02, 0.05, 0.0901)
    assert compare(REFERENCE, run(other)).differences == (
        "mode=active-backup: the same code and tools, but other metrics in trial 3",
    )
    found = compare(REFERENCE, run(other, **{key: "other"}))
    assert (found.trials, found.identical, found.differences) == (3, 2, ())


def test_a_run_without_a_code_digest_need_not_be_identical() -> None:
    both = {"code": None}
    assert compare(run(outages(0.02), **both), run(outages(0.021), **both)).differences == ()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"status": "failed", "reason": "no link"}, "trial 2 is failed (no link); the reference is ok"),
        ({"within_bound": False}, "trial 2: within_bound is False; the reference has True"),
        ({"outage_s": None}, "outage_s is known of 2 trials; in the reference of 3"),
    ],
)
def test_an_injected_difference_is_reported(change: Mapping[str, Any], text: str) -> None:
    found = compare(REFERENCE, run(changed(outages(0.02, 0.05, 0.09), 1, **change), code="other"))
    assert f"mode=active-backup: {text}" in found.differences


def test_flows_on_other_members_are_reported() -> None:
    predicted = {"predicted_member_flows": [3, 1]}
    before = run([record(1, "802.3ad", 0, measured_member_flows=[3, 1], **predicted)])
    after = run([record(1, "802.3ad", 0, measured_member_flows=[2, 2], **predicted)], code="other")
    assert compare(before, after).differences == (
        "mode=802.3ad: trial 1: measured_member_flows is [2, 2]; the reference has [3, 1]",
    )


@pytest.mark.parametrize(("mbps", "agrees"), [(1873.0, True), (1860.0, False)])
def test_goodput_may_differ_by_one_per_cent_of_the_ideal(mbps: float, *, agrees: bool) -> None:
    before = run([record(1, "802.3ad", 0, goodput_mbps=1882.0, ideal_mbps=1883.0)])
    after = run([record(1, "802.3ad", 0, goodput_mbps=mbps, ideal_mbps=1883.0)], code="other")
    assert (compare(before, after).differences == ()) is agrees


def test_where_flows_cannot_be_predicted_their_members_are_chance() -> None:
    chance = {"predicted_member_flows": None}
    before = run([record(1, "802.3ad", 0, measured_member_flows=[3, 1], **chance)])
    after = run([record(1, "802.3ad", 0, measured_member_flows=[2, 2], **chance)], code="other")
    assert compare(before, after).differences == ()


@pytest.mark.parametrize(("mbps", "agrees"), [(50.0, True), (200.0, False)])
def test_goodput_that_tcp_limits_may_differ_more(mbps: float, *, agrees: bool) -> None:
    before = run([record(1, "balance-rr", 0, goodput_mbps=103.0, ideal_mbps=1883.0)])
    after = run([record(1, "balance-rr", 0, goodput_mbps=mbps, ideal_mbps=1883.0)], code="other")
    assert (compare(before, after).differences == ()) is agrees


@pytest.mark.parametrize(("back_s", "agrees"), [(0.002, True), (0.38, True), (0.40, False)])
def test_where_no_theory_is_the_range_of_all_trials_counts(back_s: float, *, agrees: bool) -> None:
    trials = [record(n, "802.3ad", n - 1, reversion_outage_s=at) for n, at in enumerate((0.351, 0.0, 0.351), 1)]
    after = run([record(1, "802.3ad", 0, reversion_outage_s=back_s)], code="other")
    assert (compare(run(trials), after).differences == ()) is agrees


@pytest.mark.parametrize(("outage_s", "agrees"), [(3.012, True), (0.0, True), (3.5, False)])
def test_where_the_reference_itself_missed_the_bound_its_trials_count(outage_s: float, *, agrees: bool) -> None:
    trials = [
        record(n, "802.3ad", n - 1, outage_s=at, bound_s=0.1, within_bound=at < 0.1)
        for n, at in enumerate((3.013, 0.0, 3.012), 1)
    ]
    after = run([record(3, "802.3ad", 2, outage_s=outage_s, bound_s=0.1, within_bound=False)], code="other")
    assert compare(run(trials), run(trials)).differences == ()
    assert (compare(run(trials), after).differences == ()) is agrees


def test_what_the_reference_does_not_have_is_reported() -> None:
    other = run([record(1, "802.3ad", 0, outage_s=0.0)])
    assert compare(REFERENCE, other).differences == ("mode=802.3ad: the reference has no such case",)
    later = run([record(1, "active-backup", 7, outage_s=0.02)])
    assert compare(REFERENCE, later).differences == ("mode=active-backup: the reference has none of its repetitions",)
    assert compare(REFERENCE, run([])).differences == ("no trial to compare",)


def test_a_damaged_run_does_not_agree() -> None:
    damaged = dataclasses.replace(REFERENCE, damaged=("trials.jsonl line 4: cut off",))
    assert compare(REFERENCE, damaged).differences == ("damaged: trials.jsonl line 4: cut off",)


def test_a_reference_is_kept_and_found(tmp_path: Path) -> None:
    step = Step("one", "failover", {}, 1)
    place, reference = tmp_path / "run", tmp_path / "reference"
    result.create(place, MANIFEST)
    for each in REFERENCE.records:
        result.append_trial(place, each)
    (place / "figures").mkdir()
    (place / "figures" / "outage.csv").write_text("a,b\n")
    (place / "figures" / "outage.png").write_text("large")
    with pytest.raises(TestbedError, match="there is no reference of one"):
        compare_with_reference(step, place, reference)
    keep(step, place, reference)
    assert sorted(path.name for path in reference.rglob("*.*")) == ["outage.csv", "run.json", "trials.jsonl"]
    found = compare_with_reference(step, place, reference)
    assert (found.trials, found.identical) == (3, 3)


def _levels(step: Step, *, quick: bool) -> dict[str, tuple[Any, ...]]:
    settings = step.settings(quick=quick)
    experiment = discovery.experiment(step.experiment)
    return factor_levels(experiment, discovery.topology(step.topology or experiment.topology), settings, quick=False)


@pytest.mark.parametrize("step", CAMPAIGN, ids=lambda step: step.name)
def test_the_short_form_is_a_part_of_the_long_one(step: Step) -> None:
    long, short = _levels(step, quick=False), _levels(step, quick=True)
    assert long.keys() == short.keys()
    for name, levels in short.items():
        assert set(levels) <= set(long[name]), name
    assert step.quick_repetitions <= step.repetitions
    words = step.words(quick=True)
    given = [word for place, word in enumerate(words) if words[place - 1] == "--set"]
    assert given == [f"{name}={text}" for name, text in step.settings(quick=True).items()]


def test_how_long_it_takes_is_what_the_references_trials_took(tmp_path: Path) -> None:
    step = Step("one", "failover", {"mode": "active-backup,802.3ad"}, 2, {"mode": "802.3ad"}, 1)
    assert expected_s(step, quick=False, ryu=True, processors=2, reference=tmp_path) is None
    result.create(tmp_path / "one", MANIFEST)
    modes = ("active-backup", "802.3ad")
    defaults = {"controller": "testbed", "fault": "carrier_loss", "probe_interval_ms": 1.0}
    for number, (repetition, mode) in enumerate(itertools.product(range(2), modes), 1):
        one = dataclasses.replace(
            record(number, mode, repetition), case={"mode": mode, **defaults}, wall_s=10.0 * number
        )
        result.append_trial(tmp_path / "one", one)
    # 10, 20, 30 and 40 s side by side on two processors; of the short form only the second.
    assert expected_s(step, quick=False, ryu=True, processors=2, reference=tmp_path) == 50
    assert expected_s(step, quick=True, ryu=True, processors=2, reference=tmp_path) == 20


def test_without_ryu_its_level_is_left_out() -> None:
    (step,) = (step for step in CAMPAIGN if RYU in step.levels.get("controller", ""))
    assert "controller=testbed,ovs,ryu-example" in step.words(quick=False)
    assert "controller=testbed,ovs" in step.words(quick=False, ryu=False)


def test_every_step_has_a_name_of_its_own() -> None:
    names = [step.name for step in CAMPAIGN]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--keep", "--quick"], "--keep with --quick would make a part of the campaign the reference"),
        (["miimom"], "unknown step 'miimom'"),
    ],
)
def test_an_impossible_request_is_refused_before_anything_runs(words: list[str], text: str) -> None:
    answer = CliRunner().invoke(reproduce, words)
    assert isinstance(answer.exception, SpecError)
    assert answer.exception.message.startswith(text)
