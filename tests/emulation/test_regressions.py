"""Bounds bite: a slower timer or controller, a late hash, a lost gratuitous ARP and a bridge that learns late are each
found beyond their bound."""

from __future__ import annotations

import pytest

from testbed.results.result import Record
from tests.emulation.support import HERE, side_by_side

FILE = str(HERE / "regressed.py")
#: Of each: mode, controller, and whether the trial keeps its bound.
TRIED = {
    ("none", "active-backup", "testbed"): True,
    ("slow_timer", "active-backup", "testbed"): False,
    ("slow_controller", "active-backup", "testbed"): False,
    ("none", "802.3ad", "testbed"): True,
    ("late_hash", "802.3ad", "testbed"): False,
    ("slow_controller", "802.3ad", "testbed"): True,  # its groups leave a dead port without the controller
    ("none", "active-backup", "none"): True,
    ("lost_arp", "active-backup", "none"): False,
    ("late_arp", "active-backup", "none"): False,
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], Record]:
    """The trial of each."""
    base = tmp_path_factory.mktemp("regressions")
    wanted: dict[tuple[str, str], list[str]] = {}
    for regression, mode, controller in TRIED:
        wanted.setdefault((mode, controller), []).append(regression)
    runs = side_by_side(
        *(
            (
                *(base / f"{mode}-{controller}", FILE, "--repetitions", "1", "--seed", "3"),
                *("--set", f"mode={mode}", "--set", f"controller={controller}"),
                *("--set", f"regression={','.join(names)}"),
            )
            for (mode, controller), names in wanted.items()
        ),
        code=1,
    )
    return {
        (str(each.case["regression"]), str(each.case["mode"]), str(each.case["controller"])): each
        for run in runs
        for each in run.records
    }


@pytest.mark.parametrize("key", TRIED, ids="-".join)
def test_a_regression_is_found_and_its_absence_is_not(
    seen: dict[tuple[str, str, str], Record], key: tuple[str, str, str]
) -> None:
    assert seen[key].status in ("ok", "censored"), seen[key].reason
    assert seen[key].metrics["within_bound"] is TRIED[key]
