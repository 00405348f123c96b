"""The atlas: each technique under each failure is planned, or left out with a reason; docs/schemes.md has them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.atlas import FAILURES, TECHNIQUES
from testbed import schemes
from testbed.run import prepare
from testbed.schemes import requirements
from testbed.theory import loads
from tests.experiment.test_no_level_is_ignored import described

ROOT = Path(__file__).resolve().parents[2]
#: Which failures cannot hit which technique: without a switch none crashes; Ryu's example has LAGs on one switch only.
OF_SWITCHES = ("switch", "software")
LEFT_OUT = {
    **{(name, failure): "takes a switch, not" for name in ("hsr", "ecmp-direct") for failure in OF_SWITCHES},
    **{("ryu-example", failure): "knows LAGs on one switch only" for failure in FAILURES},
}


@pytest.fixture(autouse=True)
def with_ryu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if `make setup-ryu` had been run."""
    monkeypatch.setattr(requirements, "RYU_PYTHON", tmp_path)


def planned(**settings: str) -> prepare.Prepared:
    return prepare.prepare(prepare.Request("atlas", None, settings, 1, 1, False, "auto", "virtual"), [])


@pytest.mark.slow
def test_each_technique_under_each_failure_is_planned_or_left_out_with_its_reason() -> None:
    found = planned(technique="all", failure="all")
    cases = {(trial.case["technique"], trial.case["failure"]) for trial in found.planned(1)}
    assert cases == {(name, failure) for name in TECHNIQUES for failure in FAILURES} - LEFT_OUT.keys()
    reasons = {
        m.group(1, 2): text for text in found.left_out if (m := re.match(r"technique=(\S+) failure=(\S+)", text))
    }
    assert reasons.keys() == LEFT_OUT.keys()
    assert all(word in reasons[case] for case, word in LEFT_OUT.items())


@pytest.mark.slow
def test_no_two_techniques_are_one_network() -> None:
    texts = [described(trial) for trial in planned(technique="all", failure="carrier").planned(1)]
    nameless = [re.sub(r'"technique": "[^"]*"', "", text) for text in texts]
    assert len(set(nameless)) == len(nameless) == len(TECHNIQUES) - 1


def test_every_scheme_and_every_mode_is_in_a_technique() -> None:
    """But controller none, whose switches do nothing: what the hosts do over it is in the others."""
    controllers = {sets.get("controller", "testbed") for sets in TECHNIQUES.values()}
    assert controllers == schemes.SCHEMES.keys() - {"none"}


def listed() -> dict[str, tuple[str, str]]:
    """Every technique that docs/schemes.md lists, with its links and copies there."""
    text = (ROOT / "docs" / "schemes.md").read_text()
    section = text[text.index("## The techniques of the atlas") : text.index("## PRP and HSR")]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {name: (row[2], row[3]) for row in rows for name in re.findall("`([^`]+)`", row[0])}


def test_the_documents_list_every_technique() -> None:
    assert listed().keys() == TECHNIQUES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_the_documents_have_the_law_of_a_whole_network(technique: str) -> None:
    links, copies = listed()[technique]
    if technique == "ryu-example" or links.startswith("as "):
        return
    (trial,) = planned(technique=technique, failure="carrier").planned(1)
    found = loads.expected(trial.topology, schemes.chosen(trial.case).side, 1400, answered=True)
    assert links == ("no law" if found.usable_links is None else f"{found.usable_links:.3f}".rstrip("0").rstrip("."))
    if found.wire_cost is None:
        assert ("by " in copies or copies == "no law") and found.why
    else:
        assert copies.split(";")[0] == f"{found.wire_cost:.3f}".rstrip("0").rstrip(".")
