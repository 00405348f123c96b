"""Every fault in a guest: it has an effect, it is undone completely, and it does what its name says.

before  == after, by ip(8), tc(8), ovsdb-client(1) and /proc/net/bonding, even if an exception ended the fault
before  != during, where the dumps can show it
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from testbed.backends import guest, kernel
from testbed.backends.watchdog import Watchdog
from testbed.faults import catalogue
from tests.emulation.support import in_guest

#: By topology: its settings, the controller, and the faults. Every fault of the catalogue is in one of them.
_TRIED: dict[str, tuple[dict[str, Any], str, list[Any]]] = {
    "single_switch": (
        {},
        "testbed",
        [
            ["carrier_loss", "s1-eth1", {}],
            ["carrier_loss", "h1-eth0", {"side": "both"}],
            ["silent_loss", "h1-eth0--s1-eth1", {}],
            ["lacp_loss", "s1-eth1", {"direction": "to_host"}],
            ["lossy", "s1-eth1", {}],
            ["slow", "s1-eth1", {"rate_mbps": 10}],
            ["flapping", "s1-eth1", {"period_ms": 300}],
            ["miscabling", "s1-eth1", {}],
            ["switch_crash", "s1", {}],
            ["switch_software_crash", "s1", {}],
            ["switch_restart", "s1", {}],
            ["controller_crash", "c0", {}],
            ["controller_pause", "c0", {}],
            ["controller_cut", "s1", {}],
            ["host_reboot", "h1", {}],
            ["none", "s1-eth1", {}],
            "switch_software_crash s1 0 for 1; silent_loss s1-eth1 0.2 for 2; lossy s1-eth3 0.3 for 2;"
            " carrier_loss s1-eth2 0.4 for 2.5; switch_crash s1 0.5 for 1; slow s1-eth3 0.6 for 1;"
            " host_reboot h1 1 for 1; controller_crash c0 0.1 for 2; lacp_loss s1-eth1 0.3 for 0.4",
        ],
    ),
    "trunk": (
        {"delay_ms": 1.0, "mode": "active-backup"},
        "testbed",
        [["uplink_loss", "s1", {}], ["lossy", "s1-eth3", {}]],
    ),
    "mlag": (
        {},
        "testbed",
        [
            ["peer_link_loss", "s2", {}],
            ["miscabling", "s2-eth1", {"other": "s1-eth2"}],
            ["controller_cut", "s2", {}],
        ],
    ),
    "unprotected": ({}, "none", [["host_reboot", "h1", {}], ["carrier_loss", "h1-eth0", {"side": "host"}]]),
}
#: Faults that no dump shows, only a process or a connection.
_UNSEEN = {"none", "switch_restart", "controller_crash", "controller_pause"}


def _dumps(place: Path, topology: str) -> list[dict[str, Any]]:
    settings, controller, wanted = _TRIED[topology]
    found = kernel.find()
    assert found is not None
    place.mkdir()
    words = [sys.executable, "-m", "tests.emulation.dumps", topology, json.dumps(settings), controller]
    guest.run(found, place, [*words, json.dumps(wanted)], seed=1, clock="virtual", watchdog=Watchdog(300.0))
    lines = (place / "trial.log").read_text().splitlines()
    assert len(lines) == len(wanted), lines[-20:]
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The dumps of every network, two guests at a time."""
    base = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(2) as pool:
        futures = {name: pool.submit(_dumps, base / name, name) for name in _TRIED}
        return {name: future.result() for name, future in futures.items()}


def test_every_fault_is_tried() -> None:
    tried = {step[0] for _, _, steps in _TRIED.values() for step in steps if isinstance(step, list)}
    assert tried == set(catalogue.OF_LINKS)  # those of routers and daemons: tests/emulation/test_gateway.py


@pytest.mark.parametrize(
    ("topology", "number"), [(name, i) for name, (_, _, steps) in _TRIED.items() for i in range(len(steps))]
)
def test_a_fault_is_undone_completely(dumps: dict[str, list[dict[str, Any]]], topology: str, number: int) -> None:
    found = dumps[topology][number]
    assert found["after"] == found["before"], found["fault"]


@pytest.mark.parametrize(
    ("topology", "number"),
    [
        (name, i)
        for name, (_, _, steps) in _TRIED.items()
        for i, step in enumerate(steps)
        if step[0] not in _UNSEEN and isinstance(step, list)
    ],
)
def test_a_fault_does_something(dumps: dict[str, list[dict[str, Any]]], topology: str, number: int) -> None:
    found = dumps[topology][number]
    assert found["during"] != found["before"], found["fault"]


def _state(found: dict[str, Any], node: str, name: str) -> tuple[bool, bool]:
    """Whether an interface was set up, and whether it had carrier, during the fault."""
    (link,) = (link for link in found["during"][f"{node} links"] if link["ifname"] == name)
    return "UP" in link["flags"], "LOWER_UP" in link["flags"]


def test_a_pulled_cable_takes_the_carrier_of_both_ends(dumps: dict[str, list[dict[str, Any]]]) -> None:
    far_end, both = dumps["single_switch"][:2]
    assert _state(far_end, "h1", "h1-eth0") == (True, False)
    assert _state(far_end, "s1", "s1-eth1") == (False, False)
    assert _state(both, "h1", "h1-eth0") == _state(both, "s1", "s1-eth1") == (False, False)


def test_a_crashed_switch_is_out_of_the_kernel_and_the_database(dumps: dict[str, list[dict[str, Any]]]) -> None:
    (found,) = (each for each in dumps["single_switch"] if each["fault"][0] == "switch_crash")
    names = [link["ifname"] for link in found["during"]["s1 links"]]
    assert "s1" in [link["ifname"] for link in found["before"]["s1 links"]]
    assert "s1" not in names
    assert found["during"]["database"]["Bridge"] == []
    assert all(_state(found, "s1", f"s1-eth{i}") == (False, False) for i in range(1, 5))
    assert all(not _state(found, "h1", f"h1-eth{i}")[1] for i in range(2))


def test_one_switch_alone_is_cut_off_the_controller(dumps: dict[str, list[dict[str, Any]]]) -> None:
    """Each switch reaches it by a loopback address of its own; tc-u32(8) shows the octets that it matches."""
    (found,) = (each for each in dumps["mlag"] if each["fault"][0] == "controller_cut")
    matched = "\n".join(found["during"]["s1 queues"])
    assert matched.count("match 7f000003/ffffffff at ") == 2  # s2: 127.0.0.3, both ways
    assert "match 7f000002/" not in matched
    (whole,) = (each for each in dumps["single_switch"] if each["fault"][0] == "controller_cut")
    assert "\n".join(whole["during"]["s1 queues"]).count("match 7f000002/ffffffff at ") == 2


def test_swapped_cables_are_swapped_in_the_database(dumps: dict[str, list[dict[str, Any]]]) -> None:
    (found,) = (each for each in dumps["mlag"] if each["fault"][0] == "miscabling")
    numbers = {}
    for when in ("before", "during"):
        rows = [json.loads(row) for row in found[when]["database"]["Interface"]]
        numbers[when] = {row["name"]: row["ofport_request"] for row in rows if "-eth" in row["name"]}
    before, during = numbers["before"], numbers["during"]
    assert (before["s2-eth1"], before["s1-eth2"]) == (1, 2)
    assert during == {**before, "s2-eth1": 2, "s1-eth2": 1}


_DATAGRAMS = """
import json, time, tempfile
from pathlib import Path
from testbed.design.trial import Trial
from testbed.lab.lab import opened
from testbed.spec import BondOptions
from topologies.single_switch import single_switch

COUNT = 200

def passed():
    found = {}
    for source, target in (("h1", "h2"), ("h2", "h1")):
        with lab.network.socket(source) as sender, lab.network.socket(target) as receiver:
            receiver.bind(("", 9000))
            receiver.setblocking(False)
            numbers = []
            for number in range(COUNT):
                sender.sendto(bytes([number]), (topology.host(target).ip, 9000))
                time.sleep(0.001)
            time.sleep(0.3)
            try:
                while True:
                    numbers.append(receiver.recv(8)[0])
            except BlockingIOError:
                pass
            found[source] = numbers
    return found

def delay():
    with lab.network.socket("h1") as sender, lab.network.socket("h2") as receiver:
        receiver.bind(("", 9000))
        began = time.time()
        sender.sendto(b"x", (topology.host("h2").ip, 9000))
        receiver.recv(8)
        return time.time() - began

topology = single_switch(bonding=BondOptions(mode="active-backup"))
trial = Trial(1, "", {"controller": "none"}, 0, 1, topology)
with tempfile.TemporaryDirectory() as scratch, opened(trial, Path("/tmp/trial"), Path(scratch)) as lab:
    lab.wait_converged()
    found = {"delay": delay()}
    found["all"] = passed()
    for name, seed in (("lossy", 5), ("again", 5), ("other", 6)):
        with lab.fault("lossy", "s1-eth1", loss_percent=20, seed=seed):
            found[name] = passed()
    for direction in ("to_host", "from_host"):
        with lab.fault("silent_loss", "s1-eth1", direction=direction):
            found[direction] = passed()
    with lab.fault("lacp_loss", "s1-eth1"):
        found["lacp_loss"] = passed()
    with lab.fault("slow", "s1-eth1", delay_ms=30):
        found["slow"] = delay()
    with lab.fault("lossy", "s1-eth1", loss_percent=50), lab.fault("slow", "s1-eth1", delay_ms=30):
        found["both"] = passed()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Which of 200 datagrams each way arrive; the cable of h1's member at s1-eth1 carries all of them."""
    found: dict[str, Any] = json.loads(in_guest(tmp_path_factory.mktemp("datagrams"), _DATAGRAMS).splitlines()[-1])
    return found


def test_a_lossy_link_loses_the_wanted_part_and_the_same_frames_for_a_seed(passed: dict[str, Any]) -> None:
    every = list(range(200))
    assert passed["all"] == {"h1": every, "h2": every}
    for host in ("h1", "h2"):
        assert 20 <= 200 - len(passed["lossy"][host]) <= 60  # binomial, 20 % of 200: 40, within 3.5 standard deviations
        assert passed["lossy"][host] != passed["other"][host]
    assert passed["lossy"] == passed["again"]
    assert 60 <= len(passed["both"]["h1"]) <= 140


def test_one_direction_of_a_cable_may_be_silent(passed: dict[str, Any]) -> None:
    every = list(range(200))
    assert passed["to_host"] == {"h1": every, "h2": []}
    assert passed["from_host"] == {"h1": [], "h2": every}
    assert passed["lacp_loss"] == {"h1": every, "h2": every}


def test_a_slow_link_delays_by_the_wanted_time(passed: dict[str, Any]) -> None:
    assert passed["slow"] - passed["delay"] == pytest.approx(0.030, abs=0.002)
