"""Counting the packets of flows on members while a fault hits one of these members, in guests.

A frame that a silent loss drops does not leave by the member: it is neither counted there nor where it would have
arrived. What is counted is compared with what the receivers got.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from testbed.backends import guest, kernel
from testbed.backends.watchdog import Watchdog
from tests.emulation.counted import ARRANGEMENTS, COUNT

NAMES = [each.__name__ for each in ARRANGEMENTS]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tests.emulation.counted prints."""
    machine = kernel.find()
    assert machine is not None
    place = tmp_path_factory.mktemp("counted")
    guest.run(
        machine,
        place,
        [sys.executable, "-m", "tests.emulation.counted"],
        seed=1,
        clock="virtual",
        watchdog=Watchdog(120.0),
    )
    printed: dict[str, Any] = json.loads((place / "trial.log").read_text().splitlines()[-1])
    return printed


@pytest.mark.parametrize("name", NAMES)
def test_the_fault_drops_the_frames_of_its_member_and_no_others(found: dict[str, Any], name: str) -> None:
    hit = {"during", "uncounted"}
    assert found[name]["arrived"]
    for phase, arrived in found[name]["arrived"].items():
        assert arrived == [0 if phase in hit else COUNT, COUNT], phase


@pytest.mark.parametrize("name", NAMES)
def test_what_arrives_is_counted_where_it_leaves_and_where_it_arrives(found: dict[str, Any], name: str) -> None:
    phases = [arrived for phase, arrived in found[name]["arrived"].items() if phase != "uncounted"]
    wanted = {}
    for number, flow in enumerate(found["flows"]):
        for direction in ("out", "in"):
            wanted[flow[direction], direction, flow["client_port"]] = sum(arrived[number] for arrived in phases)
    counted = {
        (row["interface"], row["direction"], int(row["source_port"])): int(row["packets"])
        for row in found[name]["counted"]
    }
    assert len(counted) == len(found[name]["counted"]) == 8, "two flows on two members, at both ends"
    assert {place: packets for place, packets in counted.items() if packets} == wanted


def test_the_timeline_has_the_instants_of_every_fault(found: dict[str, Any]) -> None:
    assert [event["event"] for event in found["faults"]] == ["begin", "end"] * len(NAMES)
    assert {(event["fault"], event["element"]) for event in found["faults"]} == {("silent_loss", "s1-eth1")}
    for number, name in enumerate(NAMES):
        begin, end = found["faults"][2 * number : 2 * number + 2]
        before_s, begun_s, ending_s, after_s = found[name]["times_s"]
        assert before_s <= begin["t_s"] <= begun_s < ending_s <= end["t_s"] <= after_s


def test_queues_and_filters_are_as_before(found: dict[str, Any]) -> None:
    assert found["after"] == found["before"]


def test_counting_leaves_what_the_fault_has_made_as_it_was(found: dict[str, Any]) -> None:
    assert found["fault_first"]["alone"] == found["counting_first"]["alone"] != found["before"]
