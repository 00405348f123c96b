"""The long form: one row for each trial and metric, the same columns for every run of an experiment."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
import synthetic

from testbed.errors import TestbedError
from testbed.results import export
from testbed.results.result import Run

FIXED = ["experiment", "trial", "repetition", "seed", "status"]


def test_every_value_has_its_row(tmp_path: Path) -> None:
    metrics = {
        "outage_s": 0.25,
        "within_bound": True,
        "rejoin_s": None,
        "kind": "link",
        "member_tx_bytes": [10, 20],
        "flows": {"h1>h2": {"outage_s": 0.25}},
    }
    record = synthetic.record(1, "any", {"mode": "802.3ad", "seed": 7}, metrics)
    run = synthetic.write(tmp_path / "run", synthetic.manifest("any", {"mode": ["802.3ad"], "seed": [7]}, []), [record])
    rows = list(export.rows(run))
    assert export.columns(run) == [*FIXED, "mode", "factor_seed", "metric", "index", "unit", "value", "text"]
    assert all(list(row) == export.columns(run) for row in rows)
    assert [tuple(row[name] for name in ("metric", "index", "unit", "value", "text")) for row in rows] == [
        ("outage_s", "", "s", 0.25, None),
        ("within_bound", "", "", 1.0, None),
        ("rejoin_s", "", "s", None, None),
        ("kind", "", "", None, "link"),
        ("member_tx_bytes", "0", "octets", 10.0, None),
        ("member_tx_bytes", "1", "octets", 20.0, None),
        ("flows.outage_s", "h1>h2", "s", 0.25, None),
    ]
    assert {row["factor_seed"] for row in rows} == {7}


def test_a_failed_trial_still_counts(tmp_path: Path) -> None:
    run = synthetic.failover(tmp_path / "run")
    text = io.StringIO()
    export.write_csv(run, text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert {int(row["trial"]) for row in rows} == set(range(1, 25))
    (failed,) = [row for row in rows if row["status"] == "failed"]
    assert (failed["metric"], failed["value"]) == ("", "")
    assert all(float(row["value"]) >= 0 for row in rows if row["metric"] == "outage_s")


def test_a_frame_without_pandas_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = synthetic.failover(tmp_path / "run", repetitions=2)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(TestbedError, match=r"pandas is not installed"):
        export.long_frame(run)


LEVELS = {
    "mode": ["802.3ad", "active-backup"],
    "members": [2, 4],
    "wait_s": [0.5, 1.0],
    "whole_s": [1, 2.5],
    "cut": [False, True],
    "limit": ["none", 5],
    "seed": [7, 8],
}


def mixed(path: Path, trials: int = 2) -> Run:
    """A run whose factors have levels of every type, and of two types; its first trial failed."""
    records = []
    for number in range(1, trials + 1):
        case = {name: levels[number % 2] for name, levels in LEVELS.items()}
        metrics = {"outage_s": 0.25, "within_bound": True, "rejoin_s": None, "kind": "link", "member_tx_bytes": [1, 2]}
        more = {"status": "failed", "reason": "no link"} if number == 1 else {}
        records.append(synthetic.record(number, "any", case, {} if number == 1 else metrics, **more))
    return synthetic.write(path, synthetic.manifest("any", LEVELS, []), records)


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_the_types_of_the_frame_do_not_depend_on_its_trials(tmp_path: Path, trials: int) -> None:
    frame = export.long_frame(mixed(tmp_path / "run", trials))
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        **dict.fromkeys(("experiment", "status", "metric", "index", "unit", "text", "mode", "limit"), "string"),
        **dict.fromkeys(("trial", "repetition", "seed", "factor_seed", "members"), "int64"),
        **dict.fromkeys(("value", "wait_s", "whole_s"), "float64"),
        "cut": "bool",
    }


def test_the_frame_has_the_rows(tmp_path: Path) -> None:
    frame = export.long_frame(mixed(tmp_path / "run"))
    assert list(frame["status"]) == ["failed"] + ["ok"] * 6
    assert list(frame["metric"])[:3] == ["", "outage_s", "within_bound"]
    assert list(frame["value"].dropna()) == [0.25, 1.0, 1.0, 2.0]
    assert list(frame["text"].dropna()) == ["link"]
    assert [frame[name].iloc[0] for name in LEVELS if name != "seed"] == ["active-backup", 4, 1.0, 2.5, True, "5"]


@pytest.mark.parametrize("trials", [0, 2])
def test_parquet_gives_the_frame_back(tmp_path: Path, trials: int) -> None:
    run = mixed(tmp_path / "run", trials)
    export.save_parquet(run, tmp_path / "long.parquet")
    pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "long.parquet"), export.long_frame(run))


@pytest.mark.parametrize("make", [synthetic.failover, synthetic.aggregation, synthetic.audited])
def test_parquet_gives_every_run_back(tmp_path: Path, make: Callable[[Path], Run]) -> None:
    run = make(tmp_path / "run")
    export.save_parquet(run, tmp_path / "long.parquet")
    back = pandas.read_parquet(tmp_path / "long.parquet")
    assert back.equals(export.long_frame(run))
    assert len(back) == len(list(export.rows(run)))


@pytest.mark.parametrize("lacking", [["pandas"], ["pyarrow"], ["pandas", "pyarrow"]])
def test_parquet_without_its_parts_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: list[str]
) -> None:
    for name in lacking:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TestbedError) as caught:
        export.save_parquet(mixed(tmp_path / "run"), tmp_path / "long.parquet")
    assert caught.value.message == f"Parquet needs pandas and pyarrow; not installed: {', '.join(lacking)}"
    assert caught.value.hint == "Type: pip install pandas pyarrow, or export with --csv FILE."
    assert not (tmp_path / "long.parquet").exists()
