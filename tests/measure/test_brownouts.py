"""What is read of a line that worked in part: when it was left first, how often, and what theory says of that."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.measure.outage import ProbeFlow
from testbed.measure.routing import _lost, _partly
from testbed.theory.brownouts import Leaving
from testbed.theory.laws import Sum

_WINDOWS = [(10.0, 14.0), (20.0, 24.0)]
_TIMELINE = [
    {"t_s": at, "source": "bgp", "event": event}
    for at, event in ((9.0, "left"), (10.5, "left"), (10.6, "left"), (11.0, "established"), (14.5, "left"))
]


def test_each_fault_has_the_first_time_that_the_line_was_left_or_none() -> None:
    found = _partly(Leaving(law=Sum(0.2, (7.6,))), _TIMELINE, _WINDOWS)
    assert found["first_left_s"] == [0.5, None] and found["times_left"] == [2, 0]
    assert found["left_share_expected"] == pytest.approx(0.5) and found["left_mean_s"] == pytest.approx(4.0)
    assert found["left_as_expected"] is True and found["why_no_law"] is None


def test_what_theory_excludes_is_not_as_expected() -> None:
    assert (
        _partly(Leaving(law=Sum(0.6, (1.0,)), low_s=0.6), _TIMELINE, _WINDOWS)["left_as_expected"] is False
    )  # too early
    assert _partly(Leaving(law=Sum(0.2, (0.1,))), _TIMELINE, _WINDOWS)["left_as_expected"] is False  # too late
    assert _partly(Leaving(law=Sum(0.4, (0.2,))), _TIMELINE, _WINDOWS)["left_as_expected"] is False  # once not at all
    assert _partly(Leaving(law=Sum(0.4, (0.2,))), _TIMELINE, _WINDOWS[:1])["left_as_expected"] is True
    assert _partly(Leaving(never=True), _TIMELINE, _WINDOWS)["left_as_expected"] is False
    assert _partly(Leaving(never=True), _TIMELINE, _WINDOWS[1:])["left_as_expected"] is True
    unknown = _partly(Leaving(why="chance"), _TIMELINE, _WINDOWS)
    assert unknown["left_as_expected"] is None and unknown["why_no_law"] == "chance"


def test_the_share_of_lost_packets_is_that_of_the_fault_alone() -> None:
    sent = np.arange(0.0, 10.0)
    flow = ProbeFlow("h1>h2", sent, np.where((sent == 3) | (sent == 8), np.nan, sent + 0.001), 0)
    assert _lost([flow, flow], 2.0, 6.0) == pytest.approx(0.25)
