"""Every scheme on the switch side in a guest, under the same faults; and the silent fault itself.

             carrier of the member is lost          frames are lost, carrier stays
802.3ad      ports are left at once, except by      LACP's timeout: 2 to 3 s with rate fast
             a scheme that does not monitor them
no LACP      as above                               not detected
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from testbed import theory
from testbed.emulation.bonds import Member, parse
from testbed.results.result import Record, Run, load
from testbed.schemes.requirements import RYU_PYTHON
from tests.emulation.support import HERE, ended, in_guest, started

_CARRYING = 0x38  # IEEE 802.1AX, 6.4.2.3: Synchronization, Collecting, Distributing
_LACP_S, _TOLERANCE_S = (2.0, 3.0), 0.25  # Short_Timeout_Time less a Fast_Periodic_Time; 6.4.10
_FAULTS = "fault=carrier_loss,silent_loss"
#: Ryu 4.34 builds with Python up to 3.11 only; `make test` installs it there.
_HAS_RYU = RYU_PYTHON.exists()
needs_ryu = pytest.mark.skipif(not _HAS_RYU, reason="Ryu is not installed (make setup-ryu; Python up to 3.11)")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs that this file checks. A scheme that misses a bound is a result: the exit code may be 1."""
    base = tmp_path_factory.mktemp("schemes")
    wanted = {
        "lacp": ("failover", "--set", "mode=802.3ad", "--set", "controller=ovs,none", "--set", _FAULTS),
        "example": ("failover", "--set", "mode=802.3ad", "--set", "controller=ryu-example", "--set", _FAULTS),
        "static": ("failover", "--set", "mode=balance-xor", "--set", "controller=static,ovs"),
        "alone": ("failover", "--set", "mode=802.3ad", "--set", "controller=static"),
        "ryu": (str(HERE / "failover_on_ryu.py"), "--set", "mode=802.3ad"),
        "backup": ("failover", "--set", "mode=active-backup", "--set", "fault=silent_loss"),
        "aggregation": (
            *("aggregation", "--set", "mode=802.3ad", "--set", "controller=ovs", "--set", "members=2"),
            *("--set", "placement=even", "--set", "flows=4", "--set", "duration_s=1", "--set", "omit_s=0"),
        ),
    }
    found = {}
    for pair in (("lacp", "example"), ("static", "ryu"), ("backup", "alone"), ("aggregation",)):
        common = ("--repetitions", "1", "--seed", "5", "--jobs", "1")
        wanted_now = [name for name in pair if _HAS_RYU or name not in ("example", "ryu")]
        processes = {name: started("run", *wanted[name], *common, "--out", str(base / name)) for name in wanted_now}
        for name, process in processes.items():
            answer = ended(process)
            assert answer.returncode in (0, 1), answer.stderr
            found[name] = load(base / name)
    return found


def case(run: Run, **levels: str) -> Record:
    """The only trial of these levels."""
    (record,) = (r for r in run.records if all(r.case[name] == level for name, level in levels.items()))
    return record


def members(run: Run, record: Record) -> list[Member]:
    """The members of both bonds as the kernel shows them at the end."""
    bonds = json.loads((run.path / record.raw / "bonds.json").read_text())
    return [member for bond in bonds for member in parse(bond["text"]).members]


def assert_both_ends_carry(run: Run, record: Record) -> None:
    """Collecting and distributing, by the host's own state and by what its partner sent."""
    shown = members(run, record)
    assert len(shown) == 4
    for member in shown:
        for state in (member.actor_state, member.partner_state):
            assert state is not None and state & _CARRYING == _CARRYING


def test_open_vswitch_alone_answers_lacp(runs: dict[str, Run]) -> None:
    for fault in ("carrier_loss", "silent_loss"):
        record = case(runs["lacp"], controller="ovs", fault=fault)
        assert record.status == "ok", record.reason
        assert_both_ends_carry(runs["lacp"], record)
        raw = runs["lacp"].path / record.raw
        shown = (raw / "lacp_show.txt").read_text()
        assert shown.count("status: active negotiated") == 2
        assert shown.count("actor state: activity timeout aggregation synchronized collecting distributing") == 4
        assert (raw / "bond_show.txt").read_text().count("bond_mode: balance-tcp") == 2


def test_the_lags_of_every_scheme_are_read_back(runs: dict[str, Run]) -> None:
    """As single_switch has them: h1's two ports, then h2's."""
    wanted = {"lag-h1": ["s1-eth1", "s1-eth2"], "lag-h2": ["s1-eth3", "s1-eth4"]}

    def lags(name: str, **levels: str) -> dict[str, Any]:
        record = case(runs[name], **levels)
        found: dict[str, Any] = json.loads((runs[name].path / record.raw / "built.json").read_text())["lags"]
        return found

    spoken = lags("lacp", controller="ovs", fault="carrier_loss")
    assert {name: lag["ports"] for name, lag in spoken.items()} == wanted
    assert {(lag["lacp"], lag["rate"], lag["ovs_bond_mode"]) for lag in spoken.values()} == {
        ("active", "fast", "balance-tcp")
    }
    assert lags("lacp", controller="none", fault="carrier_loss") == {}
    assert {name: lag["group"] for name, lag in lags("static", controller="static").items()} == wanted
    assert {lag["ovs_bond_mode"] for lag in lags("static", controller="ovs").values()} == {"balance-slb"}
    if _HAS_RYU:
        assert {name: lag["ports"] for name, lag in lags("example", fault="silent_loss").items()} == wanted


def test_open_vswitch_leaves_a_dead_port_at_once(runs: dict[str, Run]) -> None:
    metrics = case(runs["lacp"], controller="ovs", fault="carrier_loss").metrics
    assert metrics["within_bound"] is True


def test_lacp_notices_silent_loss_within_its_timeout(runs: dict[str, Run]) -> None:
    low, high = _LACP_S
    schemes = (("lacp", "ovs"), ("example", "ryu-example")) if _HAS_RYU else (("lacp", "ovs"),)
    for name, controller in schemes:
        record = case(runs[name], controller=controller, fault="silent_loss")
        assert record.status == "ok", record.reason
        assert low - _TOLERANCE_S <= record.metrics["outage_s"] <= high + _TOLERANCE_S
        assert low - _TOLERANCE_S <= record.metrics["noticed_s"] <= high + _TOLERANCE_S
        assert record.metrics["rejoin_s"] is not None


@needs_ryu
def test_the_example_waits_for_a_timeout_where_a_port_is_down(runs: dict[str, Run]) -> None:
    """It detects a dead port only by its LACP flow's idle timeout, 3 s for a partner with timeout short.

    If what it sends to h1 happens to use the other member, nothing is lost.
    """
    record = case(runs["example"], fault="carrier_loss")
    assert record.status == "ok", record.reason
    outage_s = record.metrics["outage_s"]
    assert outage_s == 0 or _LACP_S[0] <= outage_s <= _LACP_S[1] + 1.0  # idle flows are searched for periodically
    assert record.metrics["within_bound"] is (outage_s == 0)
    log = (runs["example"].path / record.raw / "controller.log").read_text()
    assert "LACP exchange timeout has occurred" in log


def test_a_plain_switch_leaves_an_lacp_bond_without_partner(runs: dict[str, Run]) -> None:
    record = case(runs["lacp"], controller="none", fault="carrier_loss")
    # Flows in Open vSwitch's cache follow a host at the next revalidation at the latest, 500 ms on: max-revalidator of
    # ovs-vswitchd.conf.db(5).
    assert record.status == "ok", record.reason
    assert record.metrics["within_bound"] is True
    assert record.metrics["outage_s"] <= theory.mii_bound(100).bound_s + 0.5 + 0.002
    assert [warning.partition(":")[0] for warning in record.warnings] == [
        "the bond of h1 has no LACP partner",
        "the bond of h2 has no LACP partner",
    ]
    for member in members(runs["lacp"], record):
        assert (member.partner_state or 0) & _CARRYING == 0


@pytest.mark.parametrize(("name", "controller"), [("lacp", "none"), ("backup", "testbed")])
def test_silent_loss_without_lacp_lasts_until_the_repair(runs: dict[str, Run], name: str, controller: str) -> None:
    record = case(runs[name], controller=controller, fault="silent_loss")
    assert record.status == "censored"
    assert "did not resume before the repair" in record.reason
    assert record.metrics["bound_s"] is None


def test_static_lags_lose_nothing_that_a_monitor_can_see(runs: dict[str, Run]) -> None:
    for controller in ("static", "ovs"):
        record = case(runs["static"], controller=controller)
        assert (record.status, record.metrics["within_bound"]) == ("ok", True), record.reason
        assert record.metrics["duplicated"] == 0
    raw = runs["static"].path / case(runs["static"], controller="ovs").raw
    assert (raw / "bond_show.txt").read_text().count("bond_mode: balance-slb") == 2


def test_an_lacp_bond_on_a_static_lag_fails_or_warns_with_the_reason(runs: dict[str, Run]) -> None:
    """The bond uses one member, the switch sends on both: what arrives on the other is lost."""
    (record,) = runs["alone"].records
    if record.status == "failed":
        assert "without LACP partner: h1-eth" in record.reason
    else:
        assert len([each for each in record.warnings if "has no LACP partner" in each]) == 2


@needs_ryu
def test_our_controller_on_ryu(runs: dict[str, Run]) -> None:
    (record,) = runs["ryu"].records
    assert (record.status, record.case["framework"]) == ("ok", "ryu"), record.reason
    assert record.metrics["within_bound"] is True
    assert record.metrics["rejoin_s"] is not None
    assert_both_ends_carry(runs["ryu"], record)
    log = (runs["ryu"].path / record.raw / "controller.log").read_text()
    assert "loading app ryu.controller.ofp_handler" in log


def test_flows_are_placed_by_the_host_alone_where_no_switch_can_be_asked(runs: dict[str, Run]) -> None:
    (record,) = runs["aggregation"].records
    assert record.status == "ok", record.reason
    placed = json.loads((runs["aggregation"].path / record.raw / "placement.json").read_text())
    assert [pair["switch_member"] for pair in placed] == [None] * 4
    assert sorted(pair["member"] for pair in placed) == [0, 0, 1, 1]


_SILENT = """
import contextlib, json, subprocess, tempfile
from pathlib import Path
from testbed.lab import lab
from testbed.experiment import Trial
from testbed.spec import BondOptions, Cable
from topologies.single_switch import single_switch

ENDS = {"h1-eth0": "h1", "s1-eth1": None}

def tc(*words, node):
    prefix = ["mnexec", "-a", str(bench.network.pid(node))] if node else []
    return subprocess.run([*prefix, "tc", *words], check=True, capture_output=True, text=True).stdout

def state():
    found = {}
    for name, node in ENDS.items():
        queues, classes = (tc(kind, "show", "dev", name, node=node) for kind in ("qdisc", "class"))
        link = bench.network.link(name)
        found[name] = {"queues": queues, "classes": classes, "carrier": link.get_attr("IFLA_CARRIER"),
                       "filters": tc("filter", "show", "dev", name, "egress", node=node) if "clsact" in queues else ""}
    return found

def passed():
    arrived = []
    for source, target in (("h1", "h2"), ("h2", "h1")):
        with bench.network.socket(source) as sender, bench.network.socket(target) as receiver:
            receiver.bind(("", 9000))
            receiver.settimeout(0.5)
            for _ in range(5):
                sender.sendto(b"x", (topology.host(target).ip, 9000))
            with contextlib.suppress(TimeoutError):
                while True:
                    arrived.append(receiver.recv(8).decode())
    return len(arrived)

topology = single_switch(bonding=BondOptions(mode="active-backup"), cable=Cable(delay_ms=1.0))
trial = Trial(1, "", {"controller": "none"}, 0, 1, topology)
with tempfile.TemporaryDirectory() as scratch, lab.opened(trial, Path("/tmp/trial"), Path(scratch)) as bench:
    bench.wait_converged()
    states, traffic = [state()], [passed()]
    with bench.fault("silent_loss", "s1-eth1"):
        states.append(state())
        traffic.append(passed())
    states.append(state())
    traffic.append(passed())
print(json.dumps({"states": states, "traffic": traffic}))
"""


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Both ends of a cable before, during and after its silent loss, as tc(8) shows them, and which datagrams came."""
    lines = in_guest(tmp_path_factory.mktemp("silent"), _SILENT).splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def test_silent_loss_leaves_everything_as_it_was(silent: dict[str, Any]) -> None:
    before, during, after = silent["states"]
    assert after == before
    for name in before:
        kept = [line for line in during[name]["queues"].splitlines() if "clsact" not in line]
        assert kept == before[name]["queues"].splitlines()
        assert re.search(r"qdisc htb 1: root", before[name]["queues"])
        assert "matchall" in during[name]["filters"] and "gact action stolen" in during[name]["filters"]


def test_silent_loss_drops_all_frames_and_keeps_the_carrier(silent: dict[str, Any]) -> None:
    assert [state[name]["carrier"] for state in silent["states"] for name in state] == [1] * 6
    assert silent["traffic"] == [10, 0, 10]  # five each way
