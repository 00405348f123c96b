"""The laws that the experiments measure, each compared with a standard, the kernel's documents or theory.

miimon       carrier lost at random -> the monitor's next check         uniform in (0, m]
lacp_timers  silent loss at random -> the last LACPDU's timeout         (2, 3] s, (60, 90] s
hashing      each flow -> the member that the documented hash names
"""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import stats, theory
from testbed.measure.detection import expired_after_each_fault
from testbed.measure.raw import read_timeline
from testbed.results.result import Record, Run
from tests.emulation.support import HERE, side_by_side

#: Faults in all, and the share of samples that a goodness-of-fit test may reject although the law holds.
_FAULTS, _LEAST_P = 200, 0.01
_LOSSES = 8


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs that this file checks, two guests at a time."""
    base = tmp_path_factory.mktemp("experiments")

    def wanted(name: str, experiment: str, repetitions: int, **levels: str) -> tuple[Path | str, ...]:
        words = [word for item in levels.items() for word in ("--set", "=".join(item))]
        return base / name, experiment, "--repetitions", str(repetitions), "--jobs", "1", "--seed", "1", *words

    monitor = wanted("miimon", "miimon", 2, miimon_ms="100", faults=str(_FAULTS // 2))
    timers = wanted("lacp_timers", "lacp_timers", 1, lacp_rate="fast,slow", end="host", faults=str(_LOSSES))
    policies = "layer2,layer2+3,layer3+4,vlan+srcmac"
    hashes = {"members": "4", "ports": "even", "addresses": "2", "xmit_hash_policy": policies}
    placed = wanted("hashing", "hashing", 1, flows="32", **hashes)
    kernels = wanted(
        "kernel",
        "hashing",
        1,
        flows="32",
        members="4",
        ports="kernel",
        protocol="tcp",
        addresses="1",
        xmit_hash_policy="layer3+4,encap3+4",
    )
    unlabelled = {"xmit_hash_policy": "encap3+4", "members": "4", "ip": "6", "ports": "random", "addresses": "1"}
    unlabelled_run = wanted("unlabelled", str(HERE / "hashing_unlabelled.py"), 1, **unlabelled)
    flap = wanted("flapping", "flapping", 1, mode="802.3ad", members="4", updelay_ms="0", flap_period_ms="100,2000")
    found = side_by_side(monitor, timers) + side_by_side(placed, kernels) + side_by_side(flap, unlabelled_run)
    return {run.path.name: run for run in found}


def _of(run: Run, **case: object) -> Record:
    (record,) = (r for r in run.records if all(r.case[name] == level for name, level in case.items()))
    assert (record.status, record.reason) == ("ok", "")
    return record


def test_detection_times_are_uniform_over_the_monitors_period(runs: dict[str, Run]) -> None:
    """The true period is the kernel's: 100 ms is 104 ms by its timer wheel (theory.monitor_period_s)."""
    period_s = theory.monitor_period_s(100)
    times = [at for record in runs["miimon"].records for at in record.metrics["detections_s"]]
    assert len(times) >= _FAULTS
    assert None not in times
    assert min(times) > 0
    assert max(times) <= period_s + 1 / theory.GUEST_HZ
    fit = stats.uniform_fit(times, 0.0, period_s)
    assert fit is not None and fit.p > _LEAST_P
    # The test can fail: the same times are not those of a monitor with another period, nor of a quicker one.
    for other_s in (1.3 * period_s, 0.8 * period_s):
        wrong = stats.uniform_fit(times, 0.0, other_s)
        assert wrong is not None and wrong.p < _LEAST_P


@pytest.mark.parametrize(("rate", "low_s", "high_s"), [("fast", 2, 3), ("slow", 60, 90)])
def test_a_silent_partner_is_timed_out_when_the_standard_says(
    runs: dict[str, Run], rate: str, low_s: float, high_s: float
) -> None:
    """IEEE 802.1AX-2014, 6.4.4: timeouts of three periods; 6.4.10: each timer is up to 250 ms off.

    Our end keeps the standard's clock. It receives LACPDUs by the driver's clock: periods of 10 or 300 steps of 104 ms,
    and up to two more steps until one is sent (ad_periodic_machine); the last one may be that old.
    """
    record = _of(runs["lacp_timers"], lacp_rate=rate)
    timeline = read_timeline(runs["lacp_timers"].path / record.raw / "timeline.jsonl")
    times = [at for at in expired_after_each_fault(timeline) if at is not None]
    period_s = (high_s - low_s) * 1.04 + 2 * 0.104
    assert len(times) == _LOSSES
    assert all(high_s - period_s - 0.25 < at <= high_s + 0.25 for at in times), times
    assert max(times) - min(times) > (high_s - low_s) / 4, "faults fall on all phases"


@pytest.mark.parametrize(("rate", "low_s", "high_s"), [("fast", 2, 3), ("slow", 60, 90)])
def test_the_driver_times_a_silent_partner_out_by_its_own_clock(
    runs: dict[str, Run], rate: str, low_s: float, high_s: float
) -> None:
    """The same law with the driver's steps of 100 ms, of which the kernel makes 104 ms: up to 3.12 s and 93.6 s."""
    record = _of(runs["lacp_timers"], lacp_rate=rate)
    times = record.metrics["detections_s"]
    assert len(times) == _LOSSES
    assert all(low_s - 0.25 < at <= 1.04 * high_s + 0.25 for at in times), times
    assert record.metrics["within_bound"] is True


@pytest.mark.parametrize("policy", ["layer2", "layer2+3", "layer3+4", "vlan+srcmac"])
def test_every_flow_is_where_the_documented_hash_puts_it(runs: dict[str, Run], policy: str) -> None:
    metrics = _of(runs["hashing"], xmit_hash_policy=policy).metrics
    assert metrics["placed_as_predicted"] == metrics["flows"] == 32
    assert metrics["measured_member_flows"] == metrics["predicted_member_flows"]
    assert metrics["split_flows"] == 0
    assert metrics["switch_placed_as_predicted"] == 32
    # bonding.rst: layer2 and vlan+srcmac put all traffic of one peer on one member; the others hash more.
    assert (metrics["members_used"] == 1) == (policy in ("layer2", "vlan+srcmac"))


def test_the_kernel_assigns_even_ports_and_layer34_still_uses_all_members(runs: dict[str, Run]) -> None:
    """connect() assigns even ports (inet_hash_connect); layer3+4 drops the bit that they have in common."""
    metrics = _of(runs["kernel"], xmit_hash_policy="layer3+4").metrics
    assert metrics["even_ports"] == metrics["flows"]
    assert metrics["placed_as_predicted"] == metrics["flows"]
    assert metrics["members_used"] == 4


def test_encap34_takes_the_hash_of_a_connected_socket(runs: dict[str, Run]) -> None:
    """The driver (bond_xmit_hash): where the socket gave its packets a hash, encap3+4 takes that."""
    metrics = _of(runs["kernel"], xmit_hash_policy="encap3+4").metrics
    assert metrics["predicted_member_flows"] is None
    assert sum(metrics["measured_member_flows"]) == metrics["flows"]
    assert metrics["split_flows"] == 0


def test_without_flow_labels_encap34_is_layer34_for_ipv6_as_well(runs: dict[str, Run]) -> None:
    """The label's hash is the reason why it is not predicted otherwise (ip6_make_flowlabel, bond_xmit_hash)."""
    metrics = _of(runs["unlabelled"]).metrics
    assert metrics["placed_as_layer34"] == metrics["flows"] == 64


@pytest.mark.parametrize("period_ms", [100, 2000])
def test_a_flapping_member_does_not_affect_flows_on_other_members(runs: dict[str, Run], period_ms: int) -> None:
    """bonding.rst: a member that fails is taken out of the hash; flows on the others are not affected."""
    metrics = _of(runs["flapping"], flap_period_ms=period_ms).metrics
    assert len(metrics["flows"]) == 8, "one on each of four members, in each direction"
    assert metrics["lost_others"] == 0
    assert metrics["others_unharmed"] is True
