"""Live audits: what mlag survives and unprotected does not, and that theory agrees about each element."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.results.result import load
from tests.emulation.support import ended, started

#: One element of each kind, and two members of one host at once.
SAFE = ("h1-eth0--s1-eth1", "s1-eth3--s2-eth3", "h1-eth0", "s1", "c0", "h1-eth0+h1-eth1")
UNSAFE = ("h1-eth0--s1-eth1", "s2", "c0")


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[subprocess.CompletedProcess[str], Path]]:
    """Both audits side by side."""
    base = tmp_path_factory.mktemp("audit")
    wanted = {"mlag": SAFE, "unprotected": UNSAFE}
    running = {
        name: started("audit", name, "--json", "--set", f"element={','.join(names)}", "--out", str(base / name))
        for name, names in wanted.items()
    }
    return {name: (ended(process), base / name) for name, process in running.items()}


def rows(audits: dict[str, tuple[subprocess.CompletedProcess[str], Path]], name: str) -> dict[str, dict[str, Any]]:
    """The rows of the audit's JSON output, by element."""
    answer, _ = audits[name]
    return {row["element"]: row for row in json.loads(answer.stdout)["rows"]}


def test_mlag_has_no_single_point_of_failure(
    audits: dict[str, tuple[subprocess.CompletedProcess[str], Path]],
) -> None:
    answer, _ = audits["mlag"]
    found = rows(audits, "mlag")
    assert tuple(found) == SAFE
    assert {name for name, row in found.items() if row["status"] != "survived"} == {"h1-eth0+h1-eth1"}
    assert answer.returncode == 0, answer.stderr  # two at once are not a single point
    assert all(row["agrees_with_oracle"] for row in found.values())
    assert all(row["within_bound"] for name, row in found.items() if row["status"] == "survived"), found


def test_what_a_member_costs_mlag_is_within_its_monitors_interval(
    audits: dict[str, tuple[subprocess.CompletedProcess[str], Path]],
) -> None:
    """bonding.rst, "miimon": 100 ms; and 10 ms for a probe's interval and the path."""
    found = rows(audits, "mlag")
    for name in ("h1-eth0--s1-eth1", "h1-eth0", "s1"):
        assert found[name]["outage_s"] <= 0.110


def test_unprotected_does_not_survive_the_loss_of_a_link_or_a_switch(
    audits: dict[str, tuple[subprocess.CompletedProcess[str], Path]],
) -> None:
    answer, place = audits["unprotected"]
    found = rows(audits, "unprotected")
    assert {name: row["status"] for name, row in found.items()} == {
        "h1-eth0--s1-eth1": "lost",
        "s2": "lost",
        "c0": "survived",
    }
    assert answer.returncode == 1
    assert all(row["agrees_with_oracle"] for row in found.values())
    printed = json.loads(answer.stdout)
    assert printed["single_points_of_failure"] == ["h1-eth0--s1-eth1", "s2"]
    assert printed["verdict"].startswith("2 of 3 elements are single points of failure for traffic between h1, h2: ")
    assert "marked" in (place / "figures" / "topology.svg").read_text()
    assert (place / "figures" / "elements.pdf").exists() and "s2" in (place / "report.html").read_text()
    lost = [record for record in load(place).records if record.case["element"] != "c0"]
    assert {record.status for record in lost} == {"censored"}
    assert {record.reason for record in lost} == {"not before the repair: h1-h2"}


def test_hosts_that_are_not_protected_are_tested_too(
    audits: dict[str, tuple[subprocess.CompletedProcess[str], Path]],
) -> None:
    """h3 is connected to s1 alone: without s1 it is cut off, as theory says, and mlag still survives."""
    _, place = audits["mlag"]
    (record,) = (record for record in load(place).records if record.case["element"] == "s1")
    reached = {"-".join(e["pair"]): e["lost"] for e in json.loads((place / record.raw / "reach.json").read_text())}
    assert reached["h1-h2"] == 0 and reached["h1-h3"] == reached["h2-h3"] == 8
    assert record.metrics["oracle_differs"] == []


def test_the_switch_sees_at_once_that_a_host_has_set_its_end_down(
    audits: dict[str, tuple[subprocess.CompletedProcess[str], Path]],
) -> None:
    """A cable's ends have different interface indices, or the kernel would report the switch's up to 1 s late."""
    _, place = audits["mlag"]
    (record,) = (record for record in load(place).records if record.case["element"] == "h1-eth0")
    events = [json.loads(line) for line in (place / record.raw / "timeline.jsonl").read_text().splitlines()]
    begin_s = next(event["t_s"] for event in events if event["source"] == "fault")
    seen_s = [e["t_s"] for e in events if e.get("interface") == "s1-eth1" and e["source"] == "carrier" and not e["new"]]
    assert seen_s and 0 <= seen_s[0] - begin_s < 0.001
