"""A run in long form: a row for each trial and metric, with the same columns and types for every run.

Columns: ``experiment``, ``trial``, ``repetition``, ``seed``, ``status``, a column for each factor, ``metric``,
``index`` (which of several: a member from 0, or a flow), ``unit``, ``value`` (a number; true is 1) and ``text`` (a
value that is a word). A trial without a metric, such as one that failed, has one row with an empty ``metric``, so that
it still counts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from testbed.results import frames
from testbed.results.result import Record, Run

_BEFORE = ("experiment", "trial", "repetition", "seed", "status")
_AFTER = ("metric", "index", "unit", "value", "text")
#: The types of a DataFrame's columns; a factor's column has the type of its levels.
_TYPES = {
    **dict.fromkeys(("experiment", "status", "metric", "index", "unit", "text"), "string"),
    **dict.fromkeys(("trial", "repetition", "seed"), "int64"),
    "value": "float64",
}
#: The unit that the end of a metric's name says.
_UNITS = {"_s": "s", "_ms": "ms", "_mbps": "Mbit/s", "_bytes": "octets", "_flows": "flows"}


def columns(run: Run) -> list[str]:
    """The names of the columns; a factor with the name of another column gets the prefix ``factor_``."""
    return [*_BEFORE, *(_factor(name) for name in run.manifest["factors"]), *_AFTER]


def _factor(name: str) -> str:
    return f"factor_{name}" if name in (*_BEFORE, *_AFTER) else name


def rows(run: Run) -> Iterator[dict[str, Any]]:
    """A mapping for each row, in the order of the trials."""
    for record in sorted(run.records, key=lambda record: record.number):
        before = (run.experiment, record.number, record.repetition, record.seed, record.status)
        factors = {_factor(name): record.case.get(name) for name in run.manifest["factors"]}
        shared = {**dict(zip(_BEFORE, before, strict=True)), **factors}
        for entry in _entries(record):
            yield {**shared, **dict(zip(_AFTER, entry, strict=True))}


def _entries(record: Record) -> Iterator[tuple[str, str, str, float | None, str | None]]:
    if not record.metrics:
        yield "", "", "", None, None
    for name, value in record.metrics.items():
        yield from _values(name, "", value)


def _values(name: str, index: str, value: Any) -> Iterator[tuple[str, str, str, float | None, str | None]]:
    """The numbers and words in a metric: those of a list by place, those of a mapping by key and inner name."""
    if isinstance(value, list):
        for place, each in enumerate(value):
            yield from _values(name, f"{index}.{place}" if index else str(place), each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, dict):
                for inner, deepest in each.items():
                    yield from _values(f"{name}.{inner}", str(key), deepest)
            else:
                yield from _values(name, str(key), each)
    else:
        unit = next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")
        number = float(value) if isinstance(value, bool | int | float) else None
        yield name, index, unit, number, value if isinstance(value, str) else None


def write_csv(run: Run, file: IO[str]) -> None:
    """The long form as CSV (RFC 4180, but lines end with a line feed); an empty field is a missing value."""
    table = csv.DictWriter(file, columns(run), lineterminator="\n")
    table.writeheader()
    table.writerows(rows(run))


def long_frame(run: Run) -> Any:
    """The long form as a pandas DataFrame, ready for ``to_parquet``. Errors: TestbedError without pandas.

    Types come from the manifest, so trials that are still missing do not change them. A factor is ``int64``,
    ``float64`` or ``bool`` if all its levels are, else ``string``: a column of a Parquet file has one type.
    """
    factors = {_factor(name): _column_type(levels) for name, levels in run.manifest["factors"].items()}
    return frames.frame(list(rows(run)), columns(run), {**_TYPES, **factors}, instead="export.rows()")


def _column_type(levels: Sequence[Any]) -> str:
    """The type of the column of a factor with these levels."""
    kinds = {type(level) for level in levels}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int64"
    return "float64" if kinds <= {int, float} else "string"


def save_csv(run: Run, path: Path) -> None:
    """`write_csv` into a file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        write_csv(run, file)


def save_parquet(run: Run, path: Path) -> None:
    """`long_frame` into a Parquet file. Errors: TestbedError without pandas or pyarrow."""
    frames.require_parquet()
    frames.write_parquet(long_frame(run), path)
