"""A run on disk: what is written comes back, nothing is overwritten, damage is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import synthetic

from testbed.errors import SpecError, TestbedError
from testbed.results.result import (
    FORMAT,
    Record,
    amend,
    append_trial,
    create,
    finish,
    load,
    locked,
    observations,
    quantities,
)

MANIFEST = synthetic.manifest("any", {"mode": ["802.3ad", "balance-rr"], "members": [2]}, [])


def trial(number: int, **more: object) -> Record:
    mode = "802.3ad" if number % 2 else "balance-rr"
    return synthetic.record(number, "any", {"mode": mode, "members": 2}, {"outage_s": number / 10}, **more)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    records = [trial(1, warnings=["a warning"]), trial(2, status="failed", reason="why: \u201cthis\u201d")]
    run = synthetic.write(tmp_path / "run", MANIFEST, records)
    assert run.records == tuple(records)
    assert run.manifest == {"format": FORMAT, **MANIFEST}
    assert (run.experiment, run.varied(), run.damaged) == ("any", ["mode"], ())
    assert [(case["mode"], len(group)) for case, group in run.cases()] == [("802.3ad", 1), ("balance-rr", 1)]


def test_a_line_has_the_keys_of_the_contract_in_order(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "run", MANIFEST, [trial(1)])
    text = (tmp_path / "run" / "trials.jsonl").read_text()
    assert text.endswith("\n")
    assert list(json.loads(text)) == [
        *("experiment", "case", "repetition", "seed", "status", "reason", "metrics"),
        *("virtual_s", "wall_s", "warnings", "raw"),
    ]


@pytest.mark.parametrize(("name", "what"), [("run.json", "another run"), ("notes.txt", "something else")])
def test_a_directory_with_anything_in_it_is_never_overwritten(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(SpecError) as error:
        create(tmp_path, MANIFEST)
    assert error.value.message == f"{tmp_path} holds {what}; a result is never overwritten"
    assert "--resume" in error.value.hint and "--out" in error.value.hint
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_trials_are_put_into_the_order_of_the_plan_with_the_same_bytes(tmp_path: Path) -> None:
    for name, order in (("one", (3, 1, 2)), ("other", (1, 2, 3))):
        synthetic.write(tmp_path / name, MANIFEST, [trial(number) for number in order])
        finish(tmp_path / name)
    assert [record.number for record in load(tmp_path / "one").records] == [1, 2, 3]
    assert (tmp_path / "one" / "trials.jsonl").read_bytes() == (tmp_path / "other" / "trials.jsonl").read_bytes()
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == ["run.json", "trials.jsonl"]


def test_a_line_cut_off_is_named_and_counts_nowhere(tmp_path: Path) -> None:
    path = synthetic.write(tmp_path / "run", MANIFEST, [trial(1)]).path
    with (path / "trials.jsonl").open("a") as file:
        file.write('{"experiment": "any", "case": {"mo')
    run = load(path)
    assert len(run.records) == 1
    assert len(run.damaged) == 1
    assert run.damaged[0].startswith("trials.jsonl line 2: ")


def test_a_resumed_run_drops_the_line_that_was_cut_off(tmp_path: Path) -> None:
    path = synthetic.write(tmp_path / "run", MANIFEST, [trial(1)]).path
    with (path / "trials.jsonl").open("a") as file:
        file.write('{"experiment": "any", "case": {"mo')
    append_trial(path, trial(2))
    run = load(path)
    assert [record.number for record in run.records] == [1, 2]
    assert run.damaged == ()


def test_a_trial_that_is_there_twice_counts_once_and_is_reported(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path / "run", MANIFEST, [trial(1), trial(2), trial(1)])
    assert [record.number for record in run.records] == [1, 2]
    assert run.damaged == ("trials.jsonl line 3: trial 1 again; it counts once",)


def test_trials_that_contradict_each_other_do_not_count(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path / "run", MANIFEST, [trial(1), trial(2), trial(1, wall_s=99.0)])
    assert [record.number for record in run.records] == [2]
    assert run.damaged == ("trials.jsonl line 3: trial 1 again, with other values; none counts",)


def test_how_many_trials_are_planned(tmp_path: Path) -> None:
    assert synthetic.write(tmp_path / "old", {**MANIFEST, "repetitions": 3}, []).planned == 6
    assert synthetic.write(tmp_path / "new", {**MANIFEST, "order": "2 1 3 4"}, []).planned == 4


def test_a_manifest_grows_during_its_run(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "run", MANIFEST, [])
    amend(tmp_path / "run", repetitions=9)
    run = load(str(tmp_path / "run"))
    assert run.manifest == {"format": FORMAT, **MANIFEST, "repetitions": 9}


def test_of_a_censored_trial_only_lower_bounds_count() -> None:
    metrics = {"outage_s": 2.0, "reversion_outage_s": 0.0}
    records = [
        synthetic.record(1, "any", {}, {"outage_s": 0.1, "reversion_outage_s": 0.5}),
        synthetic.record(2, "any", {}, metrics, status="censored"),
        synthetic.record(3, "any", {}, metrics, status="failed"),
    ]
    assert observations(records, "outage_s") == ([0.1, 2.0], [False, True])
    assert observations(records, "reversion_outage_s") == ([0.5], [False])


@pytest.mark.parametrize("line", ["[]", "{}", '{"experiment": "any", "new_key": 1}', "null"])
def test_a_line_with_other_keys_is_named(tmp_path: Path, line: str) -> None:
    path = synthetic.write(tmp_path / "run", MANIFEST, [trial(1)]).path
    with (path / "trials.jsonl").open("a") as file:
        file.write(line + "\n")
    assert len(load(path).damaged) == 1


def test_a_directory_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"holds no run \(run.json is missing\)"):
        load(tmp_path)


def test_a_damaged_manifest(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1,')
    with pytest.raises(SpecError, match=r"run.json is damaged: "):
        load(tmp_path)


def test_a_format_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(SpecError, match=rf"has format 99; this version reads format {FORMAT}"):
        load(tmp_path)


def test_two_processes_cannot_write_to_one_run(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "run", MANIFEST, [])
    code = "import sys; from pathlib import Path; from testbed.results.result import locked\n"
    code += "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(SpecError, match=r"another testbed run is writing to"), locked(tmp_path / "run"):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)  # even then the lock does not outlive it
        holder.communicate()
    with locked(tmp_path / "run"):
        assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["run.json", "trials.jsonl"]


def test_an_error_inside_the_lock_is_not_taken_for_a_held_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), locked(tmp_path):
        raise BlockingIOError
    with locked(tmp_path):
        pass


def test_the_long_form_has_one_flat_row_for_each_trial(tmp_path: Path) -> None:
    records = [
        synthetic.record(1, "any", {"mode": "802.3ad"}, {"outage_s": 0.1, "flows": {"a": 1}, "member_tx_bytes": [1]}),
        synthetic.record(2, "any", {"mode": "802.3ad"}, {}, status="failed"),
    ]
    rows = synthetic.write(tmp_path / "run", MANIFEST, records).rows()
    assert rows == [
        {"mode": "802.3ad", "repetition": 0, "status": "ok", "outage_s": 0.1},
        {"mode": "802.3ad", "repetition": 0, "status": "failed"},
    ]


def test_a_frame_without_pandas_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = synthetic.write(tmp_path / "run", MANIFEST, [trial(1)])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(TestbedError, match=r"pandas is not installed") as error:
        run.frame()
    assert error.value.hint == "Type: pip install pandas, or use rows()."


def test_a_frame_has_a_row_for_each_trial(tmp_path: Path) -> None:
    lists = {"outage_s": 0.25, "within_bound": True, "member_tx_bytes": [1, 2]}
    records = [
        synthetic.record(1, "any", {"mode": "802.3ad", "members": 2}, lists),
        synthetic.record(2, "any", {"mode": "balance-rr", "members": 2}, {}, status="failed", reason="no link"),
    ]
    frame = synthetic.write(tmp_path / "run", MANIFEST, records).frame()
    assert list(frame.columns) == ["mode", "members", "repetition", "status", "outage_s", "within_bound"]
    assert list(frame["status"]) == ["ok", "failed"]
    assert frame["outage_s"].iloc[0] == 0.25 and frame["within_bound"].iloc[0]
    assert frame.isna().sum().to_dict() == {
        **dict.fromkeys(("mode", "members", "repetition", "status"), 0),
        **dict.fromkeys(("outage_s", "within_bound"), 1),
    }
    assert frame.groupby("mode")["outage_s"].median().dropna().to_dict() == {"802.3ad": 0.25}


def test_quantities_leave_out_trials_without_a_value() -> None:
    records = [synthetic.record(n, "any", {}, {"x": x}) for n, x in enumerate((1, None, 2.5), 1)]
    assert quantities([*records, synthetic.record(4, "any", {}, {})], "x") == [1.0, 2.5]
