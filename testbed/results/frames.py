"""The door to pandas and pyarrow, which are optional: rows as a DataFrame, and a DataFrame as a Parquet file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from testbed.errors import TestbedError


def frame(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str] | None = None,
    types: Mapping[str, str] | None = None,
    *,
    instead: str,
) -> Any:
    """The rows as a pandas DataFrame, with these columns and types where given.

    Errors: TestbedError if pandas is not installed; ``instead`` names what works without it.
    """
    try:
        import pandas
    except ImportError as error:
        raise TestbedError("pandas is not installed", f"Type: pip install pandas, or use {instead}.") from error
    if types is None:
        return pandas.DataFrame(list(rows), columns=columns)
    # Read as objects first: pandas would guess a type from the values, for example float64 for integers with a gap.
    return pandas.DataFrame(list(rows), columns=columns, dtype=object).astype(types)


def require_parquet() -> None:
    """Errors: TestbedError if pandas or pyarrow is not installed."""
    lacking = [name for name in ("pandas", "pyarrow") if find_spec(name) is None]
    if lacking:
        raise TestbedError(
            f"Parquet needs pandas and pyarrow; not installed: {', '.join(lacking)}",
            "Type: pip install pandas pyarrow, or export with --csv FILE.",
        )


def write_parquet(found: Any, path: Path) -> None:
    """Write a DataFrame to a Parquet file."""
    found.to_parquet(path, engine="pyarrow", index=False)
