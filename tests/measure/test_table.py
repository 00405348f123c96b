"""The one reader of CSV files and JSON lines: whole files as they were written, and the place of every damage."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import TrialError
from testbed.measure.table import optional, read_csv, read_json_lines, readable_csv, readable_json_lines

COLUMNS = {"name": str, "count": int, "at": float, "seen": optional}
HEADER = "name,count,at,seen\n"
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
ROWS = st.tuples(
    NAMES,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.floats(0, 1e9),
)


def written(place: Path, text: str) -> Path:
    path = place / "some.csv"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("table")


@given(rows=st.lists(ROWS))
def test_rows_are_read_as_they_were_written(place: Path, rows: list[tuple[str, int, float, float | None]]) -> None:
    with (place / "some.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])
    found = list(read_csv(place / "some.csv", COLUMNS))
    assert [row[:3] for row in found] == [row[:3] for row in rows]
    assert [None if math.isnan(seen) else seen for *_, seen in found] == [seen for *_, seen in rows]


@pytest.mark.slow
@given(rows=st.lists(ROWS, min_size=1), data=st.data())
def test_a_file_cut_off_anywhere_names_the_line(
    place: Path, rows: list[tuple[str, int, float, float | None]], data: st.DataObject
) -> None:
    with (place / "some.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    text = (place / "some.csv").read_text()
    kept = data.draw(st.integers(0, len(text) - 1))
    if text[:kept].endswith("\n"):
        return  # whole lines are missing, which the file itself does not show
    (place / "some.csv").write_text(text[:kept])
    with pytest.raises(TrialError, match=rf"some\.csv .*is cut off in line {text[:kept].count(chr(10)) + 1}$"):
        read_csv(place / "some.csv", COLUMNS)


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        (4, ""),
        (2, "a,1,1.0"),
        (3, "a,1,1.0,2.0,3.0"),
        (900, "a,one,1.0,2.0"),
        (1000, "a,1.5,1.0,2.0"),
        (1001, "a,1,,2.0"),
        (500, "a,1,1.0,x"),
        (2, "a,9223372036854775808,1.0,2.0"),
        (700, '"a,1,1.0,2.0'),
    ],
)
def test_the_first_damaged_line_is_named(tmp_path: Path, line: int, damage: str) -> None:
    lines = ["b,1,1.0,2.0"] * 1000
    lines[line - 2] = damage
    later = [*lines[: line - 1], *(["c,x,1.0,2.0"] * (1001 - line))]  # and all after it are damaged as well
    for each in (lines, later):
        with pytest.raises(TrialError) as error:
            read_csv(written(tmp_path, HEADER + "\n".join(each) + "\n"), COLUMNS)
        assert error.value.message == f"raw file some.csv is damaged in line {line}: {damage}"
    readable = list(readable_csv(written(tmp_path, HEADER + "\n".join(lines) + "\n"), COLUMNS))
    assert readable == [("b", 1, 1.0, 2.0)] * 999


def test_a_file_that_is_not_text_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes(HEADER.encode() + b"a,1,1.0,2.0\n\xff\xfe,1,1.0,2.0\n")
    with pytest.raises(TrialError, match=r"raw file some\.csv is damaged in line 3: it is not UTF-8"):
        read_csv(path, COLUMNS)


def test_rows_are_grouped_in_order(tmp_path: Path) -> None:
    found = read_csv(written(tmp_path, HEADER + "b,1,1,\na,2,1,\nb,3,1,\n"), COLUMNS).by("name")
    assert {name: rows.tolist() for name, rows in found.items()} == {"b": [0, 2], "a": [1]}
    assert list(found) == ["b", "a"]
    assert read_csv(written(tmp_path, HEADER), COLUMNS).by("name") == {}


def test_the_first_row_out_of_order_is_named(tmp_path: Path) -> None:
    rows = "a,1,5,\nb,9,5,\na,1,6,\nb,8,7,\na,0,8,\n"
    found = read_csv(written(tmp_path, HEADER + rows), COLUMNS)
    found.check_order("at", found.by("name"), lambda *_: "", strict=True)
    with pytest.raises(TrialError, match=r"raw file some\.csv, line 5: b went from 9 to 8"):
        found.check_order("count", found.by("name"), "{} went from {} to {}".format)
    with pytest.raises(TrialError, match=r"raw file some\.csv, line 4: a went from 1 to 1"):
        found.check_order("count", found.by("name"), "{} went from {} to {}".format, strict=True)


def test_for_a_figure_a_file_that_is_missing_or_another_one_has_no_rows(tmp_path: Path) -> None:
    assert list(readable_csv(tmp_path / "some.csv", COLUMNS)) == []
    assert list(readable_csv(written(tmp_path, "name,count\na,1\n"), COLUMNS)) == []
    assert list(readable_csv(written(tmp_path, ""), COLUMNS)) == []
    assert readable_csv(written(tmp_path, HEADER + "a,1,1.0,2.0\nb,2"), COLUMNS)["at"].dtype == np.float64


def test_json_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    values = [{"a": 1}, [2, None], "three"]
    path = written(tmp_path, "".join(json.dumps(value) + "\n" for value in values))
    assert read_json_lines(path) == readable_json_lines(path) == values


def test_a_damaged_json_line_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a": 1}\n{"a": \n{"a": 3}\n')
    with pytest.raises(TrialError, match=r"raw file some\.csv is damaged in line 2: "):
        read_json_lines(path)
    assert readable_json_lines(path) == [{"a": 1}, {"a": 3}]
    path = written(tmp_path, '{"a": 1}\n{"a": 2}')
    with pytest.raises(TrialError, match=r"raw file some\.csv is cut off in line 2"):
        read_json_lines(path)
    assert readable_json_lines(path) == [{"a": 1}]
