"""Displaced flows: counted by hand in a small file; the columns are those that the instrument writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure import displaced
from testbed.observe import flow_places


def asked(path: Path, *flows: tuple[int | None, int | None, int | None]) -> Path:
    """The file of flows that were on these of three members before, during and after; None: on none."""
    times = {
        time: {
            40_000 + number: [int(flow[place] == member) for member in range(3)] for number, flow in enumerate(flows)
        }
        for place, time in enumerate(("before", "during", "after"))
    }
    flow_places.write(path / "places.csv", times)
    return path / "places.csv"


def test_the_columns_are_those_that_the_instrument_writes(tmp_path: Path) -> None:
    header = asked(tmp_path, (0, 0, 0)).read_text().splitlines()[0]
    assert tuple(displaced.COLUMNS) == tuple(header.split(","))


def test_every_flow_counts_by_what_happened_to_it(tmp_path: Path) -> None:
    path = asked(
        tmp_path,
        (0, 1, 0),  # on the member that failed: moved, and back
        (0, 1, 1),  # moved, and astray
        (1, 1, 1),  # not displaced
        (2, 1, 2),  # moved in vain, and back
        (2, 2, 1),  # moved by the return alone: astray
    )
    found = displaced.displaced(path, 3, failed=0)
    assert (found.flows, found.unseen, found.members) == (5, 0, [2, 1, 2])
    assert (found.lost, found.moved, found.in_vain, found.back, found.astray) == (2, 3, 1, 3, 2)
    assert found.share("moved") == 0.6


def test_a_flow_that_was_not_seen_on_one_member_each_time_is_counted_apart(tmp_path: Path) -> None:
    path = asked(tmp_path, (0, 1, 0), (1, None, 1))
    path.write_text(path.read_text() + "40009,0+1,0,0\n")
    found = displaced.displaced(path, 3, failed=0)
    assert (found.flows, found.unseen, found.moved) == (1, 2, 1)


def test_no_flow_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="no flow was seen on one member each time"):
        displaced.displaced(asked(tmp_path, (None, 0, 0)), 3, failed=0)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = asked(tmp_path, (0, 1, 0))
    path.write_text(path.read_text().replace("40000", "many"))
    with pytest.raises(TrialError, match=r"places\.csv.*line 2"):
        displaced.displaced(path, 3, failed=0)
