"""What is planned: which trials, in which order, which cases do not apply, and how many repetitions are enough."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic

from testbed.design.factor import Factor, Level
from testbed.design.trial import Trial
from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.experiment import Experiment
from testbed.experiment.plan import Until, list_cases, plan, shuffled
from testbed.results.result import Run
from testbed.run import prepare, stopping
from testbed.spec import Topology

EXPERIMENT = replace(discovery.experiment("failover"), not_applicable=None)
TOPOLOGY = discovery.topology("single_switch")
LEVELS: dict[str, tuple[Level, ...]] = {"mode": ("802.3ad", "active-backup"), "members": (2, 3)}


def planned(repetitions: int, seed: int = 1, experiment: Experiment = EXPERIMENT) -> tuple[Trial, ...]:
    cases = list_cases(experiment, TOPOLOGY, LEVELS).kept
    return plan(experiment, TOPOLOGY, cases, repetitions=repetitions, seed=seed, clock="virtual", source="failover")


def test_more_repetitions_begin_with_the_same_trials() -> None:
    few, many = planned(2), planned(5)
    assert many[: len(few)] == few
    assert [trial.number for trial in many] == list(range(1, 21))
    assert len({trial.seed for trial in many}) == 20
    assert {json.dumps(trial.case) for trial in many[:4]} == {json.dumps(trial.case) for trial in many[4:8]}


def test_the_order_is_drawn_from_the_seed_in_blocks_of_repetitions() -> None:
    trials = planned(6)
    order = [trial.number for trial in shuffled(trials, 1)]
    assert order == [trial.number for trial in shuffled(trials, 1)]
    assert order != [trial.number for trial in shuffled(trials, 2)]
    assert order != sorted(order)
    for block in range(6):
        assert sorted(order[4 * block : 4 * block + 4]) == [4 * block + place for place in (1, 2, 3, 4)]
    assert [trial.number for trial in shuffled(planned(3), 1)] == order[:12]


def test_cases_that_do_not_apply_are_left_out_with_the_reason() -> None:
    def not_applicable(case: Mapping[str, Level], network: Topology) -> str | None:
        assert network.hosts
        return "wanted two members" if case["members"] == 3 else None

    found = list_cases(replace(EXPERIMENT, not_applicable=not_applicable), TOPOLOGY, LEVELS)
    assert [case["members"] for case in found.kept] == [2, 2]
    assert found.left_out == (
        ({"mode": "802.3ad", "members": 3}, "wanted two members"),
        ({"mode": "active-backup", "members": 3}, "wanted two members"),
    )
    assert len(planned(2, experiment=replace(EXPERIMENT, not_applicable=not_applicable))) == 4


STANDING = Factor(
    "technique",
    ("lag", "spare"),
    "stands for a mode and members",
    sets={"lag": {"mode": "802.3ad", "members": 3}, "spare": {"mode": "active-backup"}},
)


def test_a_level_may_stand_for_levels_of_other_factors() -> None:
    experiment = replace(EXPERIMENT, factors=(STANDING, *EXPERIMENT.factors[1:]))
    found = list_cases(experiment, TOPOLOGY, {"technique": ("lag", "spare"), "fault": ("carrier_loss",)})
    assert [(case["technique"], case["mode"], case.get("members")) for case in found.kept] == [
        ("lag", "802.3ad", 3),
        ("spare", "active-backup", None),
    ]
    trials = plan(experiment, TOPOLOGY, found.kept, repetitions=1, seed=1, clock="virtual", source="failover")
    bonds = [trial.topology.bond("h1") for trial in trials]
    assert [(bond.mode, len(bond.members)) for bond in bonds] == [("802.3ad", 3), ("active-backup", 2)]


def test_a_level_that_stands_for_others_cannot_be_contradicted() -> None:
    experiment = replace(EXPERIMENT, factors=(STANDING, *EXPERIMENT.factors[1:]))
    with pytest.raises(SpecError, match="technique=lag is members=3, and --set members=4 contradicts it"):
        list_cases(experiment, TOPOLOGY, {"technique": ("lag",), "members": (4,)}, named=["members"])
    with pytest.raises(SpecError, match="peer_links=1: topology 'single_switch' has no argument 'peer_links'"):
        apart = replace(STANDING, levels=("joined",), sets={"joined": {"peer_links": 1}})
        list_cases(replace(experiment, factors=(apart,)), TOPOLOGY, {"technique": ("joined",)})


def test_a_run_without_a_case_that_applies_is_refused() -> None:
    with pytest.raises(SpecError, match=r"no case of this run applies: never"):
        list_cases(replace(EXPERIMENT, not_applicable=lambda case, network: "never"), TOPOLOGY, LEVELS)


def run(path: Path, samples: dict[str, list[float]], **more: Any) -> Run:
    repetitions = max(len(values) for values in samples.values())
    records = [
        synthetic.record(len(samples) * n + place + 1, "failover", {"mode": mode}, {"outage_s": values[n]}, **more)
        for place, (mode, values) in enumerate(samples.items())
        for n in range(len(values))
    ]
    text = synthetic.manifest("failover", {"mode": list(samples)}, [], repetitions=repetitions)
    return synthetic.write(path, text, records)


UNTIL = Until(0.05, "outage_s", 2, 40)
EXACT, WIDE = [0.1] * 8, [0.01, 0.2] * 4


def test_repetitions_are_enough_when_every_case_is_precise(tmp_path: Path) -> None:
    known = run(tmp_path / "known", {"802.3ad": EXACT, "active-backup": [0.1, 0.101] * 4})
    assert stopping.next_repetitions(known, UNTIL) is None
    assert stopping.outcome(known, UNTIL)["reached"] is True
    vague = run(tmp_path / "vague", {"802.3ad": EXACT, "active-backup": WIDE})
    assert stopping.next_repetitions(vague, UNTIL) == 12  # half as many again
    found = stopping.outcome(vague, UNTIL)
    assert found["reached"] is False and found["widest"] > 0.5


def test_two_trials_that_agree_are_not_enough(tmp_path: Path) -> None:
    assert stopping.next_repetitions(run(tmp_path / "run", {"802.3ad": [0.1, 0.1]}), UNTIL) == 6


def test_it_ends_at_the_maximum(tmp_path: Path) -> None:
    vague = run(tmp_path / "vague", {"802.3ad": WIDE})
    assert stopping.next_repetitions(vague, replace(UNTIL, most=10)) == 10
    assert stopping.next_repetitions(vague, replace(UNTIL, most=8)) is None


def test_trials_that_failed_or_never_recovered_do_not_make_it_precise(tmp_path: Path) -> None:
    for status in ("failed", "censored"):
        never = run(tmp_path / status, {"802.3ad": EXACT}, status=status)
        assert stopping.next_repetitions(never, UNTIL) == 12
        assert stopping.outcome(never, UNTIL)["widest"] is None


def test_a_run_that_grew_can_be_resumed_by_the_same_command_only(tmp_path: Path) -> None:
    asked = {"relative": 0.05, "metric": "outage_s", "least": 2, "most": 40}
    shared = {**dict.fromkeys(("kernel",)), "until_ci": asked, "repetitions": 2}
    wanted = synthetic.manifest("failover", {"mode": ["802.3ad"]}, [], **shared)
    grown = {**wanted, "repetitions": 9, "until_ci": {**asked, "widest": 0.2, "reached": False}}
    synthetic.write(tmp_path / "run", grown, [])
    prepare._check_same(tmp_path / "run", wanted)
    for other in ({**wanted, "until_ci": {**asked, "relative": 0.1}}, {**wanted, "until_ci": None}):
        with pytest.raises(SpecError, match=r"holds a run with (another until_ci|other repetitions)"):
            prepare._check_same(tmp_path / "run", other)


def test_an_experiment_about_a_bond_refuses_a_network_without() -> None:
    experiment, function = discovery.experiment("miimon"), discovery.topology("unprotected")
    with pytest.raises(SpecError, match="topology 'unprotected' has no host h1 with a bond; with bonds it has: none"):
        plan(experiment, function, [{"faults": 1}], repetitions=1, seed=1, clock="virtual", source="miimon")
