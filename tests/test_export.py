"""The long form: one row for each trial and metric, the same columns for every run of an experiment."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest
import synthetic

from testbed import export
from testbed.errors import TestbedError

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


def test_the_frame_has_stable_types(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is optional")
    frame = export.long_frame(synthetic.failover(tmp_path / "run", repetitions=2))
    assert str(frame.dtypes["value"]) == "float64" and str(frame.dtypes["trial"]) == "int64"
