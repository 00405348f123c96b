"""One seed, one result: neither the load of the machine nor other runs nor the place change it; another seed does."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.experiment import discovery
from testbed.results import result
from testbed.results.result import Run
from testbed.run import execute, prepare
from tests.emulation import elsewhere
from tests.emulation.conftest import AGGREGATION, FAILOVER
from tests.emulation.elsewhere import Place
from tests.emulation.support import PROJECT, content, different, run, side_by_side


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """That many busy loops, while the block runs."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
        assert all(loop.poll() is None for loop in loops)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def test_a_failover_is_repeated_byte_for_byte(lone_failover: Run, place: Path) -> None:
    assert len(lone_failover.records) == 2
    assert different(lone_failover.path, run(place, *FAILOVER).path) == []


def test_an_aggregation_is_repeated_byte_for_byte_on_a_busy_machine(lone_aggregation: Run, place: Path) -> None:
    with _busy(2):
        again = run(place, *AGGREGATION)
    assert different(lone_aggregation.path, again.path) == []
    assert {"raw/001/iperf3.json", "raw/001/counters.json"} <= content(place).keys()


def test_runs_side_by_side_do_not_disturb_each_other(lone_failover: Run, lone_aggregation: Run, tmp_path: Path) -> None:
    failover, aggregation = side_by_side((tmp_path / "failover", *FAILOVER), (tmp_path / "aggregation", *AGGREGATION))
    assert different(lone_failover.path, failover.path) == []
    assert different(lone_aggregation.path, aggregation.path) == []


# Everywhere ---------------------------------------------------------------------------------------------------------

_SEED = 7
#: A tenth of the packets.
_SLOW_LINKS = {"rate_mbps": "100"}
#: Of every experiment one of its shortest trials, and the place where it is carried out again.
SAMPLES: dict[str, tuple[str, dict[str, str]]] = {
    # One link, four flows: TCP makes the smallest difference of their beginnings visible.
    "aggregation": (
        "longer",
        {"mode": "balance-rr", "members": "1", "placement": "even", "flows": "4", "duration_s": "1", "omit_s": "0"}
        | _SLOW_LINKS,
    ),
    "atlas": ("link", {"technique": "802.3ad", "failure": "carrier"}),
    "audit": ("installed", {"element": "s1"}),
    "chaos": ("longer", {"events": "1"}),
    "controller_loss": ("shorter", {"down_s": "0.5", "restart": "resume", "lacp_rate": "fast"}),
    "displacement": (
        "shorter",
        {"placed_by": "switch", "controller": "ovs", "mode": "802.3ad", "members": "3", "flows": "200"},
    ),
    "failback": ("installed", {"primary_reselect": "always", "back": "itself", "updelay_ms": "0"}),
    "failover": ("shorter", {"mode": "active-backup"}),
    "flapping": ("link", {"mode": "802.3ad", "flap_period_ms": "100", "flap_count": "2", "updelay_ms": "0"}),
    "gateway": ("longer", {"fault": "router_crash", "vrrp_advert_ms": "50", "faults": "2"}),
    "hashing": (
        "link",
        {"xmit_hash_policy": "layer3+4", "members": "2", "ports": "random", "addresses": "1", "flows": "8"},
    ),
    "health_checks": (
        "shorter",
        {"fault": "service_crash", "balancer_layer": "7", "balancer_check_ms": "100", "balancer_timeout_ms": "50"}
        | {"faults": "1"},
    ),
    "lacp_timers": ("installed", {"lacp_rate": "fast", "end": "host", "faults": "1"}),
    "messages": ("shorter", {"mode": "mptcp", "fault": "silent_loss"}),
    "miimon": ("link", {"miimon_ms": "50", "faults": "3"}),
    "mlag": ("shorter", {"element": "member"}),
    "reordering": (
        "link",
        {"mode": "balance-rr", "members": "2", "difference_ms": "1", "tcp_reordering": "3", "duration_s": "1"}
        | _SLOW_LINKS,
    ),
    "requests": ("longer", {"fault": "service_crash", "balancer_layer": "7", "vrrp_advert_ms": "100"}),
    "routing": ("link", {"fault": "silent_loss", "bgp_bfd_ms": "100", "faults": "1"}),
    "scaling": ("installed", {"hosts": "4", "run_s": "0"}),
    "site_failover": (
        "shorter",
        {"sites_by": "anycast", "fault": "router_hang", "place": "site", "bgp_bfd_ms": "100", "faults": "1"},
    ),
    "sites": ("installed", {"fault": "router_hang", "place": "site", "bgp_bfd_ms": "100", "faults": "1"}),
    "stateful_failover": ("installed", {"firewall_sync": "ftfw", "vrrp_advert_ms": "50", "sessions": "3"}),
    "tcp_failover": (
        "longer",
        {"mode": "active-backup", "members": "2", "flows": "2", "miimon_ms": "20", **_SLOW_LINKS},
    ),
}
#: The daemon without which an experiment is left out (make setup-services).
NEEDS = {
    "gateway": "keepalived",
    "health_checks": "haproxy",
    "requests": "haproxy",
    "routing": "bird",
    "site_failover": "bird",
    "sites": "bird",
    "stateful_failover": "conntrackd",
}
#: Those of which the other place gets the command, not the planned trial.
PLANNED_AGAIN = ("aggregation", "failover")
#: Those that are repeated on a busy machine, beside the aggregation above.
ON_A_BUSY_MACHINE = ("mlag", "reordering", "tcp_failover")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(made(tmp_path_factory.mktemp(name))) for name, made in elsewhere.PLACES.items()
        }


def test_the_places_are_what_they_are_called(places: dict[str, Place]) -> None:
    for name, there in places.items():
        assert there.module() == str(there.project / "testbed" / "__init__.py"), name
    assert len(str(places["longer"].project)) > len(str(PROJECT)) and " " in str(places["longer"].project)
    assert len(str(places["shorter"].project)) == len("/tmp/a")
    assert places["link"].project.is_symlink() and places["link"].project.resolve() == PROJECT
    assert list(places["installed"].project.glob("testbed-*.egg-info/PKG-INFO"))


def test_one_trial_of_every_experiment_is_repeated_in_some_place() -> None:
    assert list(SAMPLES) == discovery.names("experiments")
    assert {name: len(_prepared(name).planned(1)) for name in SAMPLES} == dict.fromkeys(SAMPLES, 1)
    assert {name for name, _ in SAMPLES.values()} == elsewhere.PLACES.keys()


@pytest.mark.parametrize("experiment", list(SAMPLES))
def test_a_trial_is_the_same_in_another_place(experiment: str, places: dict[str, Place], tmp_path: Path) -> None:
    """Every raw file, and its record but for the wall time."""
    name, levels = SAMPLES[experiment]
    if (daemon := NEEDS.get(experiment)) and shutil.which(daemon) is None:
        pytest.skip(f"{daemon} is not installed (make setup-services)")
    here = _carried_out(tmp_path / "here", experiment)
    (record,) = here.records
    assert record.status != "failed", record.reason
    with _busy(2) if experiment in ON_A_BUSY_MACHINE else contextlib.nullcontext():
        if experiment in PLANNED_AGAIN:
            words = [word for item in levels.items() for word in ("--set", "=".join(item))]
            words += ["--repetitions", "1", "--seed", str(_SEED), "--out", str(tmp_path / "there")]
            answer = places[name].run("run", experiment, *words)
        else:
            answer = places[name].run("verify", str(here.path), "--trials", "all")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    if experiment in PLANNED_AGAIN:
        files = content(here.path)
        assert {"trials.jsonl", "raw/001/trial.json", "raw/001/timeline.jsonl"} <= files.keys()
        names = different(here.path, tmp_path / "there")
        assert [file for file in names if file.startswith(("raw/", "trials"))] == []
    else:
        assert "verified: 1 of 1 trials are the same byte for byte (1)" in answer.stdout


def _prepared(experiment: str) -> prepare.Prepared:
    wanted = prepare.Request(experiment, None, SAMPLES[experiment][1], 1, _SEED, False, "auto", "virtual")
    return prepare.prepare(wanted, argv=("testbed", "run", experiment))


def _carried_out(place: Path, experiment: str) -> Run:
    """One trial as `testbed run` carries it out, without figures and report."""
    prepared = _prepared(experiment)
    backend = prepare.begin(prepared, place, resume=False)
    assert execute.carry_out(prepared, backend, place, jobs=1, planned=lambda _: None, done=lambda _: None)
    return result.load(place)


# Another seed -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """The same two runs with another seed."""
    base = tmp_path_factory.mktemp("other")
    failover, aggregation = ([word if word != "7" else "8" for word in words] for words in (FAILOVER, AGGREGATION))
    return side_by_side((base / "failover", *failover), (base / "aggregation", *aggregation))


@pytest.fixture
def by_seed(lone_failover: Run, lone_aggregation: Run, other_seeds: list[Run]) -> list[tuple[Path, Path]]:
    """The directories of raw files of each trial, by one seed and by the other."""
    runs = zip((lone_failover, lone_aggregation), other_seeds, strict=True)
    return [
        (a.path / one.raw, b.path / other.raw) for a, b in runs for one, other in zip(a.records, b.records, strict=True)
    ]


def test_another_seed_differs(lone_failover: Run, lone_aggregation: Run, other_seeds: list[Run]) -> None:
    failover, aggregation = other_seeds
    names = different(lone_failover.path, failover.path)
    assert {"trials.jsonl", "raw/001/probe.csv", "raw/002/timeline.jsonl"} <= set(names)
    names = different(lone_aggregation.path, aggregation.path)
    assert {"trials.jsonl", "raw/001/iperf3.json", "raw/001/counters.json"} <= set(names)


def test_another_seed_draws_another_instant_for_every_clock(by_seed: list[tuple[Path, Path]]) -> None:
    """The same clocks over the same periods; a flow's clock is named by its port, which the seed draws as well."""
    for one, other in by_seed:
        first, second = (_clocks(raw) for raw in (one, other))
        assert first.keys() == second.keys()
        for kind in first:
            assert [period_s for period_s, _ in first[kind]] == [period_s for period_s, _ in second[kind]], kind
            assert not {start_s for _, start_s in first[kind]} & {start_s for _, start_s in second[kind]}, kind


def _clocks(raw: Path) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for clock in _read(raw / "clocks.json"):
        found.setdefault(re.sub(r"^flow \d+", "flow", clock["name"]), []).append((clock["period_s"], clock["start_s"]))
    return found


def test_another_seed_changes_nothing_but_what_chance_decides(by_seed: list[tuple[Path, Path]]) -> None:
    """The same files; the same plan, network and configuration of the bonds, as the kernel shows it at the end."""
    for one, other in by_seed:
        assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
        first, second = _read(one / "trial.json"), _read(other / "trial.json")
        assert first.pop("seed") != second.pop("seed")
        assert first == second
        assert [_configuration(bond) for bond in _read(one / "bonds.json")] == [
            _configuration(bond) for bond in _read(other / "bonds.json")
        ]


def _configuration(bond: dict[str, Any]) -> tuple[str, str, list[str]]:
    """A bond's text without what the fault and the order of LACP's first frames decide."""
    chance = re.compile(r"\s*(Link Failure Count|Aggregator ID|(Actor|Partner) Churn)")
    return bond["host"], bond["bond"], [line for line in bond["text"].splitlines() if not chance.match(line)]


def test_a_bond_of_another_configuration_is_seen(lone_failover: Run) -> None:
    (bond, *_) = _read(lone_failover.path / "raw" / "001" / "bonds.json")
    changed = {**bond, "text": bond["text"].replace("MII Polling Interval (ms): 100", "MII Polling Interval (ms): 50")}
    assert _configuration(changed) != _configuration(bond)
    counted = {**bond, "text": bond["text"].replace("Link Failure Count: 0", "Link Failure Count: 9")}
    assert counted != bond and _configuration(counted) == _configuration(bond)


def _read(path: Path) -> Any:
    return json.loads(path.read_text())
