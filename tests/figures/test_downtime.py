"""The figure of a network's downtime: the same bytes again, and the table has the numbers of the bars."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from testbed import figures
from testbed.figures import style
from testbed.figures.downtime import downtime
from testbed.theory import availability
from testbed.theory.availability import Availability, Event, Outage, Range
from testbed.theory.failure_rates import YEAR_S, Rate


def found() -> Availability:
    """a and b in parallel, in series with c; d is not known."""
    events = [Event(name, "link", (name,), Rate(99.0, 1.0, "test")) for name in "abcd"]

    def up(failed: frozenset[str]) -> bool | None:
        return False if "c" in failed or failed >= {"a", "b"} else None if "d" in failed else True

    return availability.downtime(events, up, lambda event: Outage(Range(1.0, 2.0), "test"), coverage=0.9)


def test_each_element_has_a_row_with_what_it_costs(tmp_path: Path) -> None:
    figures.write(downtime(found(), "h1, h2", "Coverage 0.9."), tmp_path, "availability")
    with (tmp_path / "availability.csv").open(newline="") as file:
        rows = {row["element"]: row for row in csv.DictReader(file)}
    assert set(rows) == set("abcd")
    total = sum(float(row["total_low_s"]) for row in rows.values())
    assert total == pytest.approx(found().downtime_s.low)
    assert float(rows["c"]["apart_low_s"]) == pytest.approx(0.01 * YEAR_S, rel=1e-3)
    assert float(rows["d"]["apart_low_s"]) < float(rows["d"]["apart_high_s"])


def test_the_bars_end_where_the_table_says() -> None:
    drawing = downtime(found(), "h1, h2", "")
    (axes,) = drawing.figure.axes
    ends = {round(bar.get_x() + bar.get_width(), 3) for bar in axes.patches}  # type: ignore[attr-defined]
    lows = [each.total_s.low for each in found().contributions]
    assert ends == {round(low, 3) for low in lows if low > axes.get_xlim()[0]}
    assert axes.get_yticklabels()[0].get_text() == "c"


def test_what_is_not_known_is_dashed_and_what_has_no_bar_is_counted() -> None:
    """Elements of a kind that cost the same share a bar; e, on no way, costs nothing and has none."""
    events = [Event(name, "switch" if name == "e" else "link", (name,), Rate(99.0, 1.0, "t")) for name in "abcde"]

    def up(failed: frozenset[str]) -> bool | None:
        return None if "d" in failed else not failed & {"a", "b", "c"}

    drawing = downtime(availability.downtime(events, up, lambda _: Outage(Range(), "t"), at_once=1), "h1, h2", "")
    (axes,) = drawing.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["3 links", "d"]
    dashed = [line.get_ydata() for line in axes.lines if line.get_linestyle() == "--"]
    assert [list(places) for places in dashed] == [[1, 1]]
    assert axes.get_xlabel().splitlines()[1:] == ["At no cost: 1 switch"]
    assert len(drawing.rows) == 5


@pytest.mark.slow
def test_the_same_downtime_gives_the_same_bytes(tmp_path: Path) -> None:
    names = []
    for place in (tmp_path / "one", tmp_path / "other"):
        place.mkdir()
        names.append(figures.write(downtime(found(), "h1, h2", ""), place, "availability"))
    assert [path.name for path in names[0]] == [f"availability.{kind}" for kind in (*style.KINDS, "csv")]
    for one, other in zip(*names, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_system_without_elements_is_drawn_as_well() -> None:
    drawing = downtime(Availability((), 0.0, 2), "h1, h2", "")
    assert drawing.rows == []
