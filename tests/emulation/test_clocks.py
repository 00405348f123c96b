"""In a guest: the clocks start when clocks.json says, and what follows from their alignment varies from trial to trial.

clocks.json   bond h1    member h1-eth0    port s1-eth1      probe          fault
                |            |                 |               |              |
seen by       netlink     netlink        the controller    probe.csv    timeline.jsonl
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from testbed.results.result import Record, Run
from tests.emulation.support import side_by_side

#: From the instant that was drawn until somebody else has seen it: one tick of the kernel (CONFIG_HZ 1000).
_SEEN_S = 0.001
#: The switch's timeout after the driver's last LACPDU, of 30 steps of 104 ms and a period of LACPDUs of 10 such steps.
_APART_S = 1.04 + 0.12
_TRIALS = 6


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Both kinds of silence, each several times."""
    base = tmp_path_factory.mktemp("clocks")

    def wanted(fault: str) -> tuple[Path | str, ...]:
        words = ("--set", f"fault={fault}", "--set", "mode=802.3ad", "--seed", "33", "--jobs", "1")
        return base / fault, "failover", "--repetitions", str(_TRIALS), *words

    return {run.path.name: run for run in side_by_side(wanted("lacp_loss"), wanted("silent_loss"))}


def _raw(run: Run, record: Record) -> tuple[dict[str, float], list[dict[str, Any]], Path]:
    """When each clock was to start, and the timeline."""
    raw = run.path / record.raw
    starts = {each["name"]: float(each["start_s"]) for each in json.loads((raw / "clocks.json").read_text())}
    return starts, [json.loads(line) for line in (raw / "timeline.jsonl").read_text().splitlines()], raw


def _first(timeline: list[dict[str, Any]], **wanted: object) -> float:
    return next(float(event["t_s"]) for event in timeline if wanted.items() <= event.items())


def test_the_clocks_start_when_they_were_to(runs: dict[str, Run]) -> None:
    for run in runs.values():
        for record in run.records:
            starts, timeline, raw = _raw(run, record)
            seen = {"fault": _first(timeline, source="fault", event="begin")}
            seen |= {"controller": _first(timeline, source="controller")}
            for host in ("h1", "h2"):
                seen[f"bond {host}"] = _first(timeline, source="carrier", host=host, interface="bond0")
                for member in (f"{host}-eth0", f"{host}-eth1"):
                    seen[f"member {member}"] = _first(timeline, source="carrier", interface=member, new=True)
            for number in (1, 2, 3, 4):
                up = {"source": "controller", "event": "port_status", "port": f"1:{number}", "carrier": True}
                seen[f"port s1-eth{number}"] = _first(timeline, **up)
            with (raw / "probe.csv").open(newline="") as file:
                seen["probe"] = min(float(row["sent_s"]) for row in csv.DictReader(file))
            assert set(seen) | {"ovs-vswitchd"} == set(starts)
            late = {name: at_s - starts[name] for name, at_s in seen.items()}
            assert all(0 <= late_s < _SEEN_S for late_s in late.values()), late


def test_a_loss_of_lacpdus_lasts_as_the_clocks_of_both_ends_stand(runs: dict[str, Run]) -> None:
    """The end that times out first drops what the other one still sends: for up to a period of LACPDUs."""
    outages = [record.metrics["outage_s"] for record in runs["lacp_loss"].records]
    assert len(outages) == _TRIALS
    assert all(0 <= outage_s <= _APART_S for outage_s in outages)
    assert len({round(outage_s, 2) for outage_s in outages}) >= 3, outages


def test_the_two_directions_of_a_silence_end_apart_by_chance(runs: dict[str, Run]) -> None:
    """Each end counts from the last LACPDU of the other. The driver sends and times out in steps of 104 ms; the
    switch waits 3 s from then. So the difference is 3 s and any number of steps, by how the periods of both ends stand.
    """
    apart = []
    for record in runs["silent_loss"].records:
        back, there = (record.metrics["flows"][way]["outage_s"] for way in ("h2>h1", "h1>h2"))
        apart.append(back - there)
    assert len(apart) == _TRIALS
    assert max(apart) - min(apart) > 0.1, apart
    assert len({round(each_s, 2) for each_s in apart}) >= 3, apart
    steps = [(each_s - 3.0) / 0.104 for each_s in apart]
    assert all(abs(step - round(step)) * 0.104 <= 2 * 0.001 for step in steps), "of a probe a millisecond"
