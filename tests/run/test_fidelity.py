"""Whether a machine kept up: from /proc/stat and the probe's own lateness."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from testbed.run import fidelity

#: user nice system idle iowait irq softirq steal guest guest_nice (proc(5)).
BEFORE = "cpu  200 0 100 700 0 0 0 0 0 0\ncpu0 100 0 50 350 0 0 0 0 0 0\ncpu1 100 0 50 350 0 0 0 0 0 0\nintr 5\n"
AFTER = "cpu  290 0 105 794 6 0 0 5 0 0\ncpu0 190 0 55 350 0 0 0 5 0 0\ncpu1 100 0 50 444 6 0 0 0 0 0\nintr 9\n"


def sampled(directory: Path, *samples: dict[str, Any]) -> Path:
    (directory / fidelity.NAME).write_text(json.dumps({"period_s": 0.5, "samples": samples}))
    return directory


def sample(busy: float, stolen: float = 0.0, phase: str = fidelity.MEASURING) -> dict[str, Any]:
    return {"t_s": 1.0, "phase": phase, "busy": {"cpu0": busy, "cpu1": 0.1}, "stolen": {"cpu0": stolen, "cpu1": 0.0}}


def test_shares_of_a_period() -> None:
    shares = fidelity._shares(fidelity.cpu_times(BEFORE), fidelity.cpu_times(AFTER))
    assert shares == {"busy": {"cpu0": 1.0, "cpu1": 0.0}, "stolen": {"cpu0": 0.05, "cpu1": 0.0}}


def test_a_machine_with_time_to_spare_has_no_finding(tmp_path: Path) -> None:
    assert fidelity.findings(sampled(tmp_path, sample(0.5), sample(0.9))) == []


def test_a_busy_processor_is_reported_but_only_while_the_trial_measures(tmp_path: Path) -> None:
    building = sample(1.0, phase="building the network")
    assert fidelity.findings(sampled(tmp_path, building, sample(0.5))) == []
    assert fidelity.findings(sampled(tmp_path, building, sample(0.5), sample(0.97), sample(0.99))) == [
        "fidelity: the processor was busy 99 % of the time in 2 of 3 periods of 0.5 s; wanted at most 95 %"
    ]
    assert fidelity.findings(sampled(tmp_path, sample(0.99)), cpu=1) == []  # the trial ran on the other one


def test_a_processor_that_a_hypervisor_gave_to_others_is_reported(tmp_path: Path) -> None:
    assert fidelity.findings(sampled(tmp_path, sample(0.5, stolen=0.2))) == [
        "fidelity: the processor was given to others for 20 % of the time in 1 of 1 periods of 0.5 s;"
        " wanted at most 1 %"
    ]


def test_lost_evidence_is_no_evidence_of_fidelity(tmp_path: Path) -> None:
    (found,) = fidelity.findings(tmp_path)
    assert "it is not known whether the machine kept up" in found
    (tmp_path / fidelity.NAME).write_text('{"samp')
    assert len(fidelity.findings(tmp_path)) == 1


def probe(directory: Path, late_s: dict[int, float], count: int = 2000, interval_s: float = 0.001) -> Path:
    lines = ["flow,seq,sent_s,received_s"]
    lines += [f"h1>h2,{n},{5 + n * interval_s + late_s.get(n, 2e-5):.9f}," for n in range(count)]
    (directory / "probe.csv").write_text("\n".join(lines) + "\n")
    return directory / "probe.csv"


def test_a_sender_that_stalls_is_reported(tmp_path: Path) -> None:
    assert fidelity.late_share(probe(tmp_path, {})) == 0
    # A pause of 50 ms: the sender catches up, packet by packet.
    pause = {1000 + n: 0.0505 - n * 0.001 for n in range(50)}
    assert fidelity.late_share(probe(tmp_path, pause)) == 50 / 2000
    (found,) = fidelity.findings(sampled(tmp_path, sample(0.5)))
    assert found == "fidelity: 2.5 % of the probe's packets left more than 1 ms late; wanted at most 1 %"


def test_a_damaged_probe_is_no_evidence_of_punctual_packets(tmp_path: Path) -> None:
    whole = probe(sampled(tmp_path, sample(0.5)), {})
    whole.write_text(whole.read_text()[:-5])
    assert fidelity.findings(tmp_path) == [
        "fidelity: raw file probe.csv is cut off in line 2001: it is not known whether the probe's packets left in time"
    ]


def test_the_processors_are_sampled_while_the_block_runs(tmp_path: Path) -> None:
    (tmp_path / "phase.log").write_text("running the procedure (at 1.000 s of the trial's clock)\n")
    with fidelity.watching(tmp_path):
        time.sleep(2 * fidelity.PERIOD_S)
    found = json.loads((tmp_path / fidelity.NAME).read_text())
    assert found["samples"] and found["samples"][0]["phase"] == fidelity.MEASURING
    assert all(0 <= share <= 1 for one in found["samples"] for share in one["busy"].values())


def queue(directory: Path, backlog_bytes: int, **case: Any) -> Path:
    """A probing trial over one link of 1 Gbit/s and 1 ms, one of whose queues was that long."""
    link = {"a_interface": "h1-eth0", "b_interface": "s1-eth1", "rate_mbps": 1000.0, "delay_ms": 1.0}
    (directory / "trial.json").write_text(json.dumps({"case": case, "topology": {"links": [link]}}))
    seen = {"s1-eth1": {"backlog_bytes": backlog_bytes, "drops": 0}}
    (directory / "queues.json").write_text(json.dumps({"period_s": 0.05, "interfaces": seen}))
    probe(sampled(directory, sample(0.5)), {})
    return directory


def test_a_queue_that_probes_cannot_have_filled_is_reported(tmp_path: Path) -> None:
    assert fidelity.findings(queue(tmp_path, 250_000)) == []  # 2 ms at 1 Gbit/s, of which 1 ms is the link's delay
    assert fidelity.findings(queue(tmp_path, 500_000, fault="carrier_loss")) == [
        "fidelity: the queue of s1-eth1 held 3.0 ms of frames; wanted at most 2 ms where only probes are sent"
    ]


def test_a_queue_that_is_filled_on_purpose_is_not(tmp_path: Path) -> None:
    assert fidelity.findings(queue(tmp_path, 500_000, fault="slow")) == []
    queue(tmp_path, 500_000)
    (tmp_path / "iperf3.json").write_text("{}")
    assert fidelity.findings(tmp_path) == []
