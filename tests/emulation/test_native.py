"""The native backend, in a kernel that has all it needs: a guest's, where root has a whole machine for it.

this machine --> a guest (virtual clock) --> testbed run --backend native --clock real --> namespaces --> the network

What is real to the testbed inside is the guest's clock, so that the times do not depend on this machine.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed import theory
from testbed.backends import guest, kernel
from testbed.backends.watchdog import Watchdog
from testbed.results import result
from testbed.run import fidelity
from tests.emulation.support import LIMIT_S

_REST_S = 0.010  # gratuitous ARP, the path, one probe interval


@dataclass(frozen=True)
class Machine:
    """What happened on the machine: a directory of runs, each command's exit code and output, dumps by their names."""

    place: Path
    answers: dict[str, list[Any]]
    dumps: dict[str, dict[str, Any]]

    def run(self, name: str) -> result.Run:
        """The run of that name."""
        return result.load(self.place / name)

    def changed(self, name: str, since: str = "before") -> list[str]:
        """The kinds of things that have changed."""
        old, new = self.dumps[since], self.dumps[name]
        return [kind for kind in old if old[kind] != new[kind]]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """All that is checked here, from one guest."""
    place = tmp_path_factory.mktemp("native")
    found = kernel.find()
    assert found is not None
    command = [sys.executable, "-m", "tests.emulation.native_machine", str(guest.DIRECTORY)]
    guest.run(
        found, place, command, seed=1, clock="virtual", watchdog=Watchdog(LIMIT_S), cpu=max(os.sched_getaffinity(0))
    )
    assert (place / "dumps.json").exists(), (place / "trial.log").read_text()
    answers, dumps = (json.loads((place / f"{name}.json").read_text()) for name in ("answers", "dumps"))
    return Machine(place, answers, dumps)


def test_the_command_reports_that_this_kernel_can(machine: Machine) -> None:
    code, out, err = machine.answers["check"]
    assert code == 0, err
    (native,) = (ability for ability in json.loads(out) if ability["name"] == "native, real clock")
    assert native == {"name": "native, real clock", "ready": True, "lacks": [], "hint": ""}


def test_failover_keeps_the_bounds_of_the_monitor(machine: Machine) -> None:
    """As in test_failover: at most one interval of the monitor; 802.3ad acts on the carrier event itself."""
    assert machine.answers["failover"][0] == 0, machine.answers["failover"][2]
    run = machine.run("failover")
    assert [run.manifest[key] for key in ("backend", "clock", "kernel")] == ["native", "real", None]
    found = {record.case["mode"]: record for record in run.records}
    assert {mode: record.status for mode, record in found.items()} == {"active-backup": "ok", "802.3ad": "ok"}
    backup, lacp = found["active-backup"].metrics, found["802.3ad"].metrics
    assert backup["outage_s"] <= theory.monitor_period_s(100) + _REST_S
    assert 0 < backup["detection_s"] <= theory.monitor_period_s(100) + _REST_S
    assert lacp["outage_s"] <= _REST_S
    assert lacp["rejoin_s"] is not None


def test_aggregation_carries_what_the_links_add_up_to(machine: Machine) -> None:
    assert machine.answers["aggregation"][0] == 0, machine.answers["aggregation"][2]
    (record,) = machine.run("aggregation").records
    assert record.status == "ok", record.reason
    assert record.metrics["goodput_mbps"] == pytest.approx(theory.ideal_mbps("802.3ad", 2, 1000.0), rel=0.01)


def test_whether_the_machine_keeps_up_is_monitored(machine: Machine) -> None:
    """A guest's processor takes no time, so it always does; but samples must exist."""
    for run in (machine.run("failover"), machine.run("aggregation")):
        for record in run.records:
            samples = json.loads((run.path / record.raw / fidelity.NAME).read_text())["samples"]
            assert any(sample["phase"] == fidelity.MEASURING for sample in samples)
            assert not [warning for warning in record.warnings if warning.startswith("fidelity")]


def test_a_trial_is_in_namespaces_of_its_own(machine: Machine) -> None:
    """The machine's network is unchanged in the middle of a trial too, whose processes are visible."""
    during = machine.dumps["during"]
    assert sorted(machine.changed("during")) == ["files", "namespaces", "processes"]
    assert set(during["namespaces"]) > set(machine.dumps["before"]["namespaces"])
    ours = [words for words in during["processes"].values() if words.startswith("ovs-vswitchd")]
    assert len(ours) == 2, "one is the machine's"
    new = set(during["files"]) - set(machine.dumps["before"]["files"])
    assert all(name.startswith(("/tmp/testbed-", "/dev/pts/")) for name in new), new


@pytest.mark.parametrize("name", ["check", "two at once", "interrupted", "clean", "shell"])
def test_nothing_is_left_behind(machine: Machine, name: str) -> None:
    assert machine.changed(name) == []


def test_ctrl_c_keeps_the_finished_trials(machine: Machine) -> None:
    code, _, err = machine.answers["interrupted"]
    assert code == 130, err
    assert re.search(r"interrupted; the finished trials are kept. To go on, type: \S*testbed run", err)
    run = machine.run("interrupted")
    assert run.damaged == ()
    assert [record.status for record in run.records] == ["ok"]


def test_a_trial_ends_with_a_run_that_is_killed(machine: Machine) -> None:
    """It could not remove its temporary directory: `testbed clean` can."""
    assert machine.answers["killed"][0] == -9
    assert machine.changed("killed") == ["files"]
    new = set(machine.dumps["killed"]["files"]) ^ set(machine.dumps["before"]["files"])
    assert all(name.startswith("/tmp/testbed-") for name in new), new
    code, out, err = machine.answers["clean"]
    assert code == 0, err
    assert sorted(out.split()) == sorted(["removed"] * len(new) + list(new))


def test_ctrl_c_at_the_prompt_is_for_what_runs_there(machine: Machine) -> None:
    """It stops a ping; switches and controller, started from the same terminal, go on."""
    code, screen, _ = machine.answers["shell"]
    assert code == 0, screen
    assert "Error" not in screen
    _, stopped, again = screen.split("ping statistics")
    assert "0% packet loss" in stopped
    assert "2 packets transmitted, 2 received, 0% packet loss" in again
    assert "**DCSGSA" in stopped, "the controller shows that LACP collects and distributes"
