"""Runs whose files were changed by hand or by a disk, in every shape: a message, and never a traceback."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.cli import cli
from testbed.errors import SpecError, TestbedError
from testbed.results import result, shapes

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"
#: A run of each kind of metrics, with two trials each.
RUNS = ("aggregation", "failover", "tcp_failover", "miimon", "hashing", "reordering")
#: Anything that JSON can hold, the numbers beyond a float and the halves of a surrogate pair included.
ANYTHING = st.recursive(
    st.sampled_from([None, True, False, 0, -1, 10**400, 1.5, float("nan"), float("inf"), "", "x", "1", "\ud800"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "mode"]), inner, max_size=2),
    max_leaves=4,
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = list(value) if isinstance(value, dict) else range(min(len(value), 2)) if isinstance(value, list) else ()
    for key in keys:
        yield (*place, key)
        yield from _places(value[key], (*place, key))


@st.composite
def damaged(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A manifest and records in which something is missing, or is something else."""
    place = REFERENCE / draw(st.sampled_from(RUNS))
    manifest = json.loads((place / "run.json").read_text())
    records = [json.loads(line) for line in (place / "trials.jsonl").read_text().splitlines()[:2]]
    for _ in range(draw(st.integers(1, 2))):
        target = draw(st.sampled_from([manifest, *records]))
        *way, last = draw(st.sampled_from(list(_places(target)) or [("experiment",)]))
        for key in way:
            target = target[key]
        if draw(st.booleans()) and isinstance(target, dict):
            target.pop(last, None)
        else:
            target[last] = copy.deepcopy(draw(ANYTHING))
    return manifest, records


@pytest.mark.slow
@given(damaged(), st.sampled_from(["export", "compare", "state"]))
@settings(max_examples=150, deadline=None)
def test_a_command_on_a_damaged_run_ends_with_an_answer(
    run: tuple[dict[str, Any], list[dict[str, Any]]], command: str
) -> None:
    manifest, records = run
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "run.json").write_text(json.dumps(manifest))
        (place / "trials.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        words = [command, name, *([str(REFERENCE / "failover")] if command == "compare" else [])]
        found = CliRunner().invoke(cli, words)
        assert found.exception is None or isinstance(found.exception, TestbedError | SystemExit), found.exc_info


@pytest.mark.slow
@given(damaged())
@settings(max_examples=6, deadline=None)
def test_so_does_its_report(run: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    manifest, records = run
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "run.json").write_text(json.dumps(manifest))
        (place / "trials.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        found = CliRunner().invoke(cli, ["report", name])
        assert found.exception is None or isinstance(found.exception, TestbedError | SystemExit), found.exc_info


@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_octets_that_are_no_run_are_refused_or_named(manifest: bytes, trials: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "run.json").write_bytes(manifest)
        with pytest.raises(SpecError):
            result.load(place)
        shutil.copy(REFERENCE / "failover" / "run.json", place)
        (place / "trials.jsonl").write_bytes(trials)
        run = result.load(place)
        lines = trials.split(b"\n")
        assert run.records == () and len(run.damaged) == len(lines) - (lines[-1] == b"")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "it holds []; wanted an object"),
        ('{"format": 1}', "it has no experiment"),
        ('{"format": 1, "experiment": "failover"}', "it has no factors"),
        (
            '{"format": 1, "experiment": "x", "factors": {"mode": "802.3ad"}}',
            "wanted an object that has for each",
        ),
        (
            '{"format": 1, "experiment": "x", "factors": {}, "seed": "1"}',
            "its seed is '1'; wanted a whole number",
        ),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"format": 1, "experiment": "\\ud800", "factors": {}}', "surrogates not allowed"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(SpecError) as error:
        result.load(tmp_path)
    assert error.value.message.startswith(f"{tmp_path / 'run.json'} is damaged: ")
    assert problem in error.value.message and error.value.hint


def test_what_is_wrong_with_a_line_is_said_and_the_others_count(tmp_path: Path) -> None:
    shutil.copytree(REFERENCE / "failover", tmp_path / "run")
    file = tmp_path / "run" / "trials.jsonl"
    first, second, *rest = file.read_bytes().splitlines(keepends=True)
    changed = json.loads(first) | {"metrics": json.loads(first)["metrics"] | {"outage_s": "fast"}}
    file.write_bytes(json.dumps(changed).encode() + b"\n" + second[:-9] + b"\xff\xfe\n" + b"".join(rest))
    run = result.load(tmp_path / "run")
    assert len(run.records) == len(rest)
    assert run.damaged[0] == "trials.jsonl line 1: its metric outage_s is 'fast'; wanted a number or null"
    assert run.damaged[1].startswith("trials.jsonl line 2: ") and "utf-8" in run.damaged[1]


def test_every_run_of_ours_has_the_right_shape() -> None:
    """The references are real runs of every kind."""
    for place in REFERENCE.glob("*/run.json"):
        assert shapes.manifest_problem(json.loads(place.read_text())) == ""
        lines = place.with_name("trials.jsonl").read_text().splitlines()
        assert [shapes.record_problem(json.loads(line)) for line in lines] == [""] * len(lines)
