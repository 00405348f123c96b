"""The one reader of CSV files and of JSON lines. A damaged file is an error that names the file and the line."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed import rawfiles
from testbed.errors import TrialError

#: The columns of a file in their order, each with the function that reads a cell: str, int, float or `optional`.
Columns = Mapping[str, Callable[[str], Any]]
#: So much of a damaged line is shown, in characters.
_SHOWN = 200
#: Places of rows in a table.
Rows = NDArray[np.intp]


def optional(cell: str) -> float:
    """A finite number; NaN if the cell is empty."""
    if not cell:
        return math.nan
    if not math.isfinite(value := float(cell)):
        raise ValueError(f"{cell} is not a finite number")
    return value


class Table:
    """The rows of a CSV file. Row 0 is line 2 of the file."""

    def __init__(self, path: Path, rows: NDArray[Any]) -> None:
        self._path = path
        self._rows = rows

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self._rows[column]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows, in Python's own types."""
        return iter(self._rows.tolist())

    def by(self, column: str) -> dict[Any, Rows]:
        """The rows that have each value of a column; the values are in the order of their first rows."""
        cells = self[column].tolist()
        numbers = {value: number for number, value in enumerate(dict.fromkeys(cells))}
        found = np.fromiter(map(numbers.__getitem__, cells), dtype=np.intp, count=len(cells))
        ends = np.cumsum(np.bincount(found, minlength=len(numbers)))
        return dict(zip(numbers, np.split(np.argsort(found, kind="stable"), ends[:-1]), strict=False))

    def check_order(
        self, column: str, groups: Mapping[Any, Rows], reason: Callable[[Any, Any, Any], str], *, strict: bool = False
    ) -> None:
        """Check that the values of a column never decrease within a group of rows; ``strict``: that they increase.

        ``reason`` makes the text of the error from the group, the value before and the value that is wrong.
        Errors: TrialError naming the first line that is wrong.
        """
        wrong = []
        for group, rows in groups.items():
            steps = np.diff(self[column][rows])
            if len(places := np.flatnonzero(steps <= 0 if strict else steps < 0)):
                wrong.append((int(rows[places[0] + 1]), int(rows[places[0]]), group))
        if wrong:
            row, before, group = min(wrong)
            raise self.error(row, reason(group, self[column][before], self[column][row]))

    def error(self, row: int, reason: str) -> TrialError:
        """The error that names a row's line and says what is wrong with its values."""
        return line_error(self._path, row + 2, reason)


def read_csv(path: Path, columns: Columns, what: str = "") -> Table:
    """A CSV file with exactly these columns. ``what`` names a row, if the file must have one.

    Errors: TrialError naming the place, if the header is another one, the file is cut off, a line is damaged, or there
    is no row; FileNotFoundError.
    """
    lines = _whole_lines(path, ",".join(columns))[1:]
    try:
        rows = _rows(columns, lines)
    except ValueError:
        place = _first_damaged(columns, lines)
        raise damage(path, place + 2, lines[place]) from None
    if what and not lines:
        raise TrialError(f"raw file {path.name} holds no {what}")
    return Table(path, rows)


def readable_csv(path: Path, columns: Columns) -> Table:
    """The rows of a CSV file that can be read: none if the file is not there or has other columns."""
    header, *lines = _readable_lines(path) or [""]
    return Table(path, _readable_rows(columns, lines if header == ",".join(columns) else []))


def _rows(columns: Columns, lines: Sequence[str]) -> NDArray[Any]:
    """A structured array of the rows in these lines. Errors: ValueError if a line is damaged."""
    kinds: dict[Any, Any] = {str: np.object_, int: np.int64}
    dtype: np.dtype[Any] = np.dtype([(name, kinds.get(read, np.float64)) for name, read in columns.items()])
    if not lines:
        return np.empty(0, dtype)
    if "" in lines:
        raise ValueError("an empty line")  # loadtxt would leave it out
    converters: dict[int | str, Any] = {place: read for place, read in enumerate(columns.values()) if read is optional}
    found: NDArray[Any] = np.loadtxt(
        lines, dtype, comments=None, delimiter=",", quotechar='"', converters=converters, ndmin=1
    )
    if len(found) != len(lines):
        raise ValueError("a quote that is not closed in its line")
    for name, read in columns.items():
        if read is float and not np.isfinite(found[name]).all():
            raise ValueError(f"a value of {name} that is not a finite number")
    return found


def _first_damaged(columns: Columns, lines: Sequence[str]) -> int:
    """The place of the first line that cannot be read; there is one."""
    low, high = 0, len(lines)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _rows(columns, lines[low:middle])
            low = middle
        except ValueError:
            high = middle
    return low


def _readable_rows(columns: Columns, lines: Sequence[str]) -> NDArray[Any]:
    """The rows of the lines that can be read."""
    try:
        return _rows(columns, lines)
    except ValueError:
        if len(lines) == 1:
            return _rows(columns, [])
        middle = len(lines) // 2
        return np.concatenate([_readable_rows(columns, part) for part in (lines[:middle], lines[middle:])])


def read_json_lines(path: Path) -> list[Any]:
    """The values of a file with a JSON value in each line: value n is that of line n + 1.

    Errors: TrialError naming the place, if the file is cut off or a line is damaged; FileNotFoundError.
    """
    found = []
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            found.append(rawfiles.loads(line))
        except ValueError as error:
            raise damage(path, number, str(error)) from error
    return found


def readable_json_lines(path: Path) -> list[Any]:
    """The values of the lines that can be read: none if the file is not there."""
    found = []
    for line in _readable_lines(path):
        with contextlib.suppress(ValueError):
            found.append(rawfiles.loads(line))
    return found


def damage(path: Path, line: int, found: str) -> TrialError:
    """The error that names a damaged line and what was found there."""
    return TrialError(f"raw file {path.name} is damaged in line {line}: {rawfiles.printable(found, _SHOWN)}")


def line_error(path: Path, line: int, reason: str) -> TrialError:
    """The error that names a line and says what is wrong with its values."""
    return TrialError(f"raw file {path.name}, line {line}: {rawfiles.printable(reason, _SHOWN)}")


def _whole_lines(path: Path, header: str | None = None) -> list[str]:
    """The lines of a file. Errors: TrialError if the first one is not the ``header``, or the last one is cut off."""
    octets = rawfiles.read(path)
    try:
        *lines, rest = octets.decode().split("\n")
    except UnicodeDecodeError as error:
        raise damage(path, octets.count(b"\n", 0, error.start) + 1, "it is not UTF-8") from error
    cut_off = f"is cut off in line {len(lines) + 1}" if rest or (header is not None and not lines) else ""
    if header is not None and header != (*lines, rest)[0]:
        raise TrialError(f"raw file {path.name} has no header {header}" + (f": it {cut_off}" if cut_off else ""))
    if cut_off:
        raise TrialError(f"raw file {path.name} {cut_off}")
    return lines


def _readable_lines(path: Path) -> list[str]:
    """The whole lines of a file that may be damaged or missing."""
    try:
        return rawfiles.read_text(path, errors="replace").split("\n")[:-1]
    except (OSError, TrialError):
        return []
