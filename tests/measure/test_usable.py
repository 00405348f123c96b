"""Usable links and cost on the wire: what arithmetic gives for loads that were made up."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from testbed.design.trial import Trial
from testbed.errors import TrialError
from testbed.measure import usable
from testbed.spec import BondOptions, Cable
from topologies.two_ways import two_ways

#: 1442 octets of frame and 24 around it on the wire: so many packets a second fill a link of 100 Mbit/s.
FRAME, WIRE = 1442, 1466
FULL = 100e6 / 8 / WIRE
TRIAL = Trial(1, "atlas", {}, 0, 1, two_ways(cable=Cable(rate_mbps=100.0)), "virtual", 60.0)


def load(*, links: float, copies: float, duplicated: int = 0) -> dict[str, Any]:
    """Loads of packets with 1400 octets over two links of two ways; as many links are full, with so many copies."""
    light = {"payload_bytes": 1400, "sent": 100, "delivered": 80, "duplicated": duplicated, "window_s": 0.2}
    return {
        "light": {**light, "received": 80, "wire_octets": round(80 * 2 * FRAME * copies)},
        "full": {"payload_bytes": 1400, "sent": 9999, "received": round(links * FULL * 0.2), "window_s": 0.2},
    }


def written(path: Path, **loads: Any) -> Path:
    (path / "loads.json").write_text(json.dumps(loads))
    return path


def test_what_is_received_is_in_links_and_what_is_sent_in_copies(tmp_path: Path) -> None:
    before, during, after = load(links=2, copies=1), load(links=1, copies=2, duplicated=80), load(links=0, copies=1)
    found = usable.metrics(written(tmp_path, before=before, during=during, after=after), TRIAL)
    assert found["usable_before_links"] == pytest.approx(2, rel=1e-3)
    assert found["usable_before_mbps"] == pytest.approx(200 * 1400 / WIRE, rel=1e-3)
    assert found["usable_during_links"] == pytest.approx(1, rel=1e-3)
    assert (found["usable_after_links"], found["usable_after_mbps"]) == (0, 0)
    assert (found["wire_cost_before"], found["wire_cost_during"]) == (1, 2)
    assert (found["delivered_before_ratio"], found["duplicated_during_ratio"]) == (0.8, 0.8)


def test_without_a_delivered_packet_there_is_no_cost(tmp_path: Path) -> None:
    lost = load(links=0, copies=1)
    lost["light"] |= {"delivered": 0}
    found = usable.metrics(written(tmp_path, before=lost, during=lost, after=lost), TRIAL)
    assert found["wire_cost_during"] is None
    assert found["delivered_during_ratio"] == 0


@pytest.mark.parametrize("missing", ["light", "full"])
def test_damaged_loads_are_named(tmp_path: Path, missing: str) -> None:
    damaged = load(links=1, copies=1)
    del damaged[missing]
    with pytest.raises(TrialError, match=r"loads\.json is damaged: KeyError.* of the loads before the fault"):
        usable.metrics(written(tmp_path, before=damaged), TRIAL)


def failed(path: Path, mode: str, fault: str, **parameters: Any) -> dict[str, Any]:
    """What theory says of the loads of a trial whose fault hit the first way."""
    written(path, before=load(links=2, copies=1))
    details = {"source": "fault", "fault": fault, "element": "s1-eth1", "parameters": parameters}
    events = [{"t_s": 1.0, "event": "begin", **details}, {"t_s": 9.0, "event": "end", **details}]
    (path / "timeline.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    topology = two_ways(cable=Cable(rate_mbps=100.0), bonding=BondOptions(mode=mode))
    return usable.laws(path, dataclasses.replace(TRIAL, case={"controller": "testbed"}, topology=topology))


def test_theory_is_beside_each_time(tmp_path: Path) -> None:
    """active-backup: one of two ways; while it is cut at one end, by the peer link: three links instead of two."""
    found = failed(tmp_path, "active-backup", "carrier_loss")
    assert [found[f"law_usable_{time}_links"] for time in usable.TIMES] == [1, 1, 1]
    assert [found[f"law_wire_cost_{time}"] for time in usable.TIMES] == [1, 1.5, 1]
    assert [found[f"why_no_law_{time}"] for time in usable.TIMES] == [None, None, None]


def test_of_a_failure_without_a_bound_theory_says_why_it_says_nothing(tmp_path: Path) -> None:
    for fault, given, word in (
        ("silent_loss", {}, "MII monitor cannot detect"),
        ("lossy", {"loss_percent": 20.0}, "frames still pass"),
        ("silent_loss", {"direction": "to_host"}, "MII monitor cannot detect"),
    ):
        found = failed(tmp_path, "active-backup", fault, **given)
        assert found["law_usable_during_links"] is found["law_wire_cost_during"] is None
        assert word in found["why_no_law_during"]
        assert (found["law_usable_before_links"], found["law_usable_after_links"]) == (1, 1)


def test_where_lacp_acts_one_of_two_links_is_left(tmp_path: Path) -> None:
    found = failed(tmp_path, "802.3ad", "silent_loss")
    assert [found[f"law_usable_{time}_links"] for time in usable.TIMES] == pytest.approx([2, 1, 2], abs=1e-3)
