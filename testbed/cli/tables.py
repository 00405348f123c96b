"""Tables that fit the terminal: no name, number or unit is ever broken or cut off.

In a table that is too wide, headings are broken between their words, and columns with the same text in every row go
below it. If that is not enough it becomes several tables, one below the other, each with the columns that name the
rows. Where one column does not fit beside these, the spaces at the borders go. Only then is the table wider than the
terminal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: What each column needs beside its text, and the table once: borders and a space at each side.
_BESIDE, _ONCE = 3, 1


@dataclass(frozen=True)
class Shown:
    """Columns with their headings, each row a list of texts. The first ``names`` columns name the row.

    ``styles`` has a style for each row, or none.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int
    title: str = ""
    styles: Sequence[str] = field(default=())


def print_table(shown: Shown, console: Console) -> None:
    """Print the table, or tables, that the console's width takes."""
    columns = list(range(len(shown.header)))
    common = _common(shown, console.width) if _width(shown, columns) > console.width else []
    shown = _narrowed(shown, console.width)
    parts = _parts(shown, [column for column in columns if column not in common], console.width)
    for number, part in enumerate(parts):
        table = _table(shown, part, console.width)
        if number == 0 and shown.title:
            console.print(Text(shown.title, style="italic"), soft_wrap=True)
        console.print(table, crop=False, no_wrap=True, overflow="ignore")
    if common:
        same = ", ".join(f"{shown.header[column]} {shown.rows[0][column]}" for column in common)
        console.print(f"In every row: {same}", soft_wrap=True, markup=False)


def _common(shown: Shown, width: int) -> list[int]:
    """The columns with the same text in all rows, of which there are several. Those that name rows are left where they
    are, unless they leave no room for another."""
    if len(shown.rows) < 2:
        return []
    names, later = range(shown.names), range(shown.names, len(shown.header))
    crowded = any(_width(shown, [*names, column]) > width for column in later)
    return [
        column
        for column in (*(names if crowded else ()), *later)
        if shown.header[column] and len({row[column] for row in shown.rows}) == 1
    ]


def _narrowed(shown: Shown, width: int) -> Shown:
    """With the names of rows broken between their words where these take more than half of the width."""
    names = range(shown.names)
    if _width(shown, names) <= width // 2:
        return shown
    each = max(width // 2 // shown.names - _BESIDE, 1)

    def broken(column: int, text: str) -> str:
        if column not in names:
            return text
        return "\n".join(textwrap.wrap(text, each, break_long_words=False, break_on_hyphens=False))

    rows = [[broken(column, text) for column, text in enumerate(row)] for row in shown.rows]
    return replace(shown, rows=rows)


def _parts(shown: Shown, columns: Sequence[int], width: int) -> list[list[int]]:
    """The columns of each table: those that name the rows, and as many others as fit."""
    names = [column for column in columns if column < shown.names]
    parts = [names]
    for column in (column for column in columns if column >= shown.names):
        if parts[-1] == names or _width(shown, [*parts[-1], column]) <= width:
            parts[-1] = [*parts[-1], column]
        else:
            parts.append([*names, column])
    return parts


def _width(shown: Shown, columns: Iterable[int]) -> int:
    return sum(_needs(shown, column) + _BESIDE for column in columns) + _ONCE


def _needs(shown: Shown, column: int) -> int:
    """The width of a column: its longest line of text, or the longest word of its heading."""
    lines = (line for row in shown.rows for line in row[column].split("\n"))
    return max(map(cell_len, (*lines, *(shown.header[column].split() or [""]))))


def _heading(shown: Shown, column: int) -> str:
    """The heading, in as many lines as the column's width asks for."""
    lines: list[str] = []
    for word in shown.header[column].split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= _needs(shown, column):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _table(shown: Shown, columns: Sequence[int], width: int) -> Table:
    """The columns as a table; headings are in one line if there is room."""
    least = _width(shown, columns)
    whole = sum(max(_needs(shown, c), cell_len(shown.header[c])) + _BESIDE for c in columns) + _ONCE
    close = least > width  # then without spaces beside the borders
    table = Table(padding=(0, 0), width=least - 2 * len(columns)) if close else Table()
    for column in columns:
        heading = shown.header[column] if whole <= width else _heading(shown, column)
        table.add_column(Text(heading), no_wrap=True)
    for number, row in enumerate(shown.rows):
        style = shown.styles[number] if shown.styles else None
        table.add_row(*(Text(row[column]) for column in columns), style=style)
    return table
