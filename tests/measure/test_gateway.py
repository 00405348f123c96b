"""What the faults of a gateway cost, from made-up raw files whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.design.trial import Measured, Trial
from testbed.measure.gateway import measure
from testbed.spec import Topology, VrrpOptions
from topologies.gateway_pair import gateway_pair

BEGIN_S, END_S = 10.0, 12.0


def measured(raw: Path, topology: Topology, fault: str, taken_s: float | None, *, masters: int = 0) -> Measured:
    """A trial with one fault, which the other router answers after ``taken_s``; no probe of 2000 is lost."""
    element = {"source": "fault", "fault": fault, "element": "r1"}
    announced = {"source": "wire", "event": "gratuitous_arp", "interface": "r2-eth0", "direction": "out"}
    events = [
        {"t_s": BEGIN_S, **element, "event": "begin"},
        *([] if taken_s is None else [{"t_s": BEGIN_S + taken_s, **announced, "address": "10.0.0.254"}]),
        {"t_s": END_S, **element, "event": "end"},
    ]
    (raw / "timeline.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    lines = ["flow,seq,sent_s,received_s"]
    lines += [f"h1>h2,{n},{9 + n * 0.002:.9f},{9 + n * 0.002 + 0.001:.9f}" for n in range(2000)]
    (raw / "probe.csv").write_text("\n".join(lines) + "\n")
    flow = {"flow": "h1>h2", "source_port": 1, "destination": "10.1.0.2", "port": 7000, "receiver_dropped": 0}
    (raw / "probe.json").write_text(
        json.dumps({"interval_s": 0.002, "due_s": 9.0, "ended_s": 13.0, "flows": [flow]}) + "\n"
    )
    place = raw / "services" / "r2"
    place.mkdir(parents=True, exist_ok=True)
    said = "Mon Jan  1 00:00:15 2024: (r2-eth{}) Entering MASTER STATE\n"
    (place / "keepalived.out").write_text((said.format(0) + said.format(1)) * masters)
    case = {"fault": fault, "faults": 1, "probe_interval_ms": 2.0, "loss_percent": 30.0}
    return measure(raw, Trial(1, "gateway", case, 0, 1, topology, "virtual", 60.0), 0.002)


def test_with_bfd_the_law_is_bfds_and_its_shape_is_in_the_record(tmp_path: Path) -> None:
    topology = gateway_pair(vrrp=VrrpOptions(bfd_ms=100))
    found = measured(tmp_path, topology, "service_crash", 0.3).metrics
    assert (found["low_s"], found["bound_s"]) == (pytest.approx(0.24609375), pytest.approx(0.33609375))
    assert len(found["law_quantiles_s"]) == 21 and found["within_bound"] is True
    late = measured(tmp_path, topology, "service_crash", 0.35)  # within VRRP's own time, beyond BFD's
    assert late.metrics["within_bound"] is False


def test_where_no_router_may_take_over_one_that_does_is_beyond_theory(tmp_path: Path) -> None:
    topology = gateway_pair(vrrp=VrrpOptions(bfd_ms=100))
    quiet = measured(tmp_path, topology, "split_brain", None)
    assert quiet.metrics["within_bound"] is True and not any("announced" in each for each in quiet.warnings)
    assert measured(tmp_path, topology, "split_brain", 0.3).metrics["within_bound"] is False


@pytest.mark.parametrize(("masters", "kept"), [(0, True), (2, True), (6, True), (12, False)])
def test_how_often_another_router_was_master_beside_is_compared_with_chance(
    tmp_path: Path, masters: int, kept: bool
) -> None:
    """Of 100 advertisements 30 % are lost: 1.9 runs of three; after two of five it would be 4, 12 are beyond."""
    topology = gateway_pair(vrrp=VrrpOptions(advert_ms=20))
    found = measured(tmp_path, topology, "lossy", None, masters=masters)
    assert (found.metrics["masters_beside"], found.metrics["within_bound"]) == (masters, kept)
    assert not any("announced" in each for each in found.warnings) and "law_quantiles_s" not in found.metrics


@pytest.mark.parametrize(("first_s", "status"), [(0.0, "ok"), (BEGIN_S, "failed"), (float("inf"), "failed")])
def test_a_flow_of_which_nothing_arrives_before_the_first_fault_has_no_outage(
    tmp_path: Path, first_s: float, status: str
) -> None:
    measured(tmp_path, gateway_pair(), "service_stop", 0.609375)
    header, *lines = (tmp_path / "probe.csv").read_text().splitlines()
    cells = [line.split(",") for line in lines]
    kept = [",".join([*each[:3], each[3] if float(each[3]) > first_s else ""]) for each in cells]
    (tmp_path / "probe.csv").write_text("\n".join([header, *kept]) + "\n")
    case = {"fault": "service_stop", "faults": 1, "probe_interval_ms": 2.0}
    found = measure(tmp_path, Trial(1, "gateway", case, 0, 1, gateway_pair(), "virtual", 60.0), 0.002)
    assert found.status == status
    if status == "failed":
        assert found.reason == "nothing arrived before the first fault of h1>h2"
