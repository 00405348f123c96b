"""Members of LAGs on one switch and on two: they share flows by the hashes, and the others continue if one fails.

part      what happens to the first member of h1      expected
share     nothing                                     each flow on the member that the hashes predict
halted    carrier lost, our controller stopped        its flows continue on other members, at once
silent    frames lost, carrier stays                  its flows continue after LACP's timeout, and it comes back
flap      carrier is lost and comes back              flows on other members lose nothing
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed import theory
from testbed.emulation.bonds import parse
from testbed.measure.outage import ProbeFlow, load_probe, outage
from testbed.results.result import Record, Run
from tests.emulation.membership import FLAPS_S, FLOWS
from tests.emulation.support import HERE, side_by_side

PLACES = ("one switch", "two switches")
#: The longest outage of a flow that waits only for the switch or the host itself.
_AT_ONCE_S = 0.020
_INTERVAL_S = {"fast": 0.004, "slow": 0.020}

Found = dict[str, Run]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Each kind of network with 2, 4 and 8 members, and the fault that hits one; two guests at a time."""
    base = tmp_path_factory.mktemp("members")
    one, two = (("--topology", name) for name in ("single_switch", "mlag"))
    parts = "part=halted,silent,flap"

    def wanted(name: str, *words: str, rate: str = "fast") -> tuple[Path | str, ...]:
        common = ("--jobs", "1", "--seed", "3", "--set", f"probe_interval_ms={_INTERVAL_S[rate] * 1e3}")
        return base / name, str(HERE / "membership.py"), *common, *words

    found = [
        *side_by_side(
            wanted("share one switch", *one, "--set", "part=share", "--set", "members=2,4,8"),
            wanted("share two switches", *two, "--set", "part=share", "--set", "members=1,2,4"),
        ),
        *side_by_side(
            wanted("one switch", *one, "--set", parts, "--set", "members=4"),
            wanted("two switches", *two, "--set", parts, "--set", "members=1"),
        ),
        *side_by_side(wanted("slow", *one, "--set", "part=silent", "--set", "lacp_rate=slow", rate="slow")),
    ]
    return {run.path.name: run for run in found}


def raw(run: Run, **levels: str | int) -> tuple[Record, Path]:
    """The only trial of these levels, and its raw files."""
    (record,) = (r for r in run.records if all(r.case[name] == level for name, level in levels.items()))
    assert record.status == "ok", record.reason
    return record, run.path / record.raw


def timeline(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place / "timeline.jsonl").read_text().splitlines()]


def faults(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """When each fault began and ended."""
    begun, ended = ([e["t_s"] for e in events if e["source"] == "fault" and e["event"] == w] for w in ("begin", "end"))
    return list(zip(begun, ended, strict=True))


def flows(place: Path, direction: str = "") -> list[ProbeFlow]:
    """The probed flows, in one direction or in both."""
    found = [flow for flow in load_probe(place / "probe.csv") if flow.name.startswith(direction)]
    assert found
    return found


SHARES = [(place, members) for place, all_ in zip(PLACES, ((2, 4, 8), (1, 2, 4)), strict=True) for members in all_]


@pytest.mark.parametrize(("place", "members"), SHARES)
def test_all_members_distribute(runs: Found, place: str, members: int) -> None:
    record, files = raw(runs[f"share {place}"], members=members)
    for bond in json.loads((files / "bonds.json").read_text()):
        shown = parse(bond["text"])
        assert len(shown.members) in ((members,) if place == "one switch" else (2 * members,))
        assert shown.not_carrying("802.3ad") == []
    sent_by = {e["lag"]: e["ports"] for e in timeline(files) if e["event"] == "distribute"}
    topology = json.loads((files / "trial.json").read_text())["topology"]
    lags = (topology if isinstance(topology, dict) else json.loads(topology))["lags"]
    assert {name: len(ports) for name, ports in sent_by.items()} == {lag["name"]: len(lag["ports"]) for lag in lags}
    assert record.warnings == []


@pytest.mark.parametrize(("place", "members"), SHARES)
def test_every_flow_is_where_the_hashes_say(runs: Found, place: str, members: int) -> None:
    """The driver's hash is documented, the switch was asked; each datagram left once and arrived once."""
    _, files = raw(runs[f"share {place}"], members=members)
    rows = json.loads((files / "share.json").read_text())
    assert len(rows) == 2 * FLOWS
    for row in rows:
        assert row["seen"] == row["predicted"]
        assert [len(ends) for ends in row["seen"]] == [1, 1]
    for direction in ("h1>h2", "h2>h1"):
        seen = [row["seen"] for row in rows if row["way"] == direction]
        links = members if place == "one switch" else 2 * members
        for end in (0, 1):
            assert len({way[end][0] for way in seen}) == links, "with so many flows no member is left out"


@pytest.mark.parametrize("place", PLACES)
def test_carrier_loss_needs_no_controller(runs: Found, place: str) -> None:
    _, files = raw(runs[place], part="halted")
    events = timeline(files)
    ((begin_s, end_s),) = faults(events)
    (from_s,), (to_s,) = ([e["t_s"] for e in events if e["event"] == name] for name in ("halted", "goes_on"))
    assert from_s < begin_s < to_s < end_s
    reported = [e["t_s"] for e in events if e["event"] in ("port_status", "transition", "distribute", "collect")]
    assert [at_s for at_s in reported if from_s < at_s < to_s] == [], "a stopped controller does nothing"
    assert [e["carrier"] for e in events if e["event"] == "port_status" and e["t_s"] > to_s] == [False, True]
    for direction in ("h1>h2", "h2>h1"):
        for flow in flows(files, direction):
            found = outage(flow, _INTERVAL_S["fast"], begin_s, to_s)
            assert found.recovered
            assert found.outage_s <= _AT_ONCE_S
            assert flow.duplicated == 0
    # The flows were on the member and are not any more, by its own counters.
    counters = [entry["interfaces"]["h1-eth0"] for entry in json.loads((files / "halted.json").read_text())]
    for way in ("rx_packets", "tx_packets"):
        before, cut, soon, later = (entry[way] for entry in counters)
        assert cut - before >= 0.4 / _INTERVAL_S["fast"]
        assert soon - cut <= 2
        assert later == soon


SILENT = [*((place, "fast") for place in PLACES), ("slow", "slow")]


@pytest.mark.parametrize(("place", "rate"), SILENT)
def test_silent_loss_is_detected_within_the_timeout(runs: Found, place: str, rate: str) -> None:
    """By the host for what it sends, by our controller for what the switches send to it."""
    _, files = raw(runs[place], part="silent")
    ((begin_s, end_s),) = faults(timeline(files))
    by_host, by_switch = theory.bonding_lacp_bound(rate), theory.lacp_bound(rate)
    # The bond's LACPDUs come in periods of its own clock, so that the last one may be that much older.
    low_s = min(by_host.low_s, by_switch.low_s) - by_switch.tolerance_s
    for direction, high_s in (("h1>h2", by_host.limit_s), ("h2>h1", by_switch.limit_s)):
        (flow,) = flows(files, direction)
        found = outage(flow, _INTERVAL_S[rate], begin_s, end_s)
        assert found.recovered
        assert low_s <= found.outage_s <= high_s + 2 * _INTERVAL_S[rate]
        if rate == "slow":
            assert found.outage_s > theory.LACP_TIMEOUT_S["fast"]


@pytest.mark.parametrize(("place", "rate"), SILENT)
def test_after_the_repair_the_member_carries_traffic_again(runs: Found, place: str, rate: str) -> None:
    _, files = raw(runs[place], part="silent")
    events = timeline(files)
    ((_, end_s),) = faults(events)
    assert [e["t_s"] > end_s for e in events if e["event"] == "rejoined"] == [True]
    before, after = json.loads((files / "returned.json").read_text())
    packets = (after["t_s"] - before["t_s"]) / _INTERVAL_S[rate]
    for way in ("rx_packets", "tx_packets"):
        (grown,) = (after["interfaces"][name][way] - before["interfaces"][name][way] for name in after["interfaces"])
        assert grown >= 0.9 * packets
    for flow in flows(files):
        found = outage(flow, _INTERVAL_S[rate], end_s, float("inf"))
        assert (found.outage_s, found.lost, flow.duplicated) == (0, 0, 0)


@pytest.mark.parametrize("place", PLACES)
def test_a_flapping_member_takes_nothing_from_the_others(runs: Found, place: str) -> None:
    _, files = raw(runs[place], part="flap")
    events = timeline(files)
    assert len(faults(events)) == len(FLAPS_S)
    # Some flaps are faster than LACP can follow. After the slow ones the member joins again, which our controller logs.
    joined = [
        e for e in events if e["event"] == "distribute" and "1:1" in e["ports"] and e["t_s"] > faults(events)[0][1]
    ]
    assert len(joined) == len([up_s for _, up_s in FLAPS_S if up_s > 3])
    found = flows(files)
    assert len(found) == 4
    for flow in found:
        assert len(flow.sent_s) > 10 / _INTERVAL_S["fast"]
        assert (flow.lost, flow.duplicated) == (0, 0)
