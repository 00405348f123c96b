"""Topologies of the catalogue and a user's own, live: their bonds come up and all hosts reach each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from testbed.measure.raw import read_timeline
from testbed.results.result import Run
from tests.emulation.support import HERE, PROJECT, side_by_side

CONVERGED = str(HERE / "converged.py")
SPINES, LEAVES, HOSTS, PAIRS = 2, 4, 16, 60

#: Two servers on two switches, as a file for Mininet's --custom.
CUSTOM = """
from mininet.link import TCLink
from mininet.topo import Topo

class Racks(Topo):
    def build(self, servers=1):
        left, right = self.addSwitch("left", dpid="a1"), self.addSwitch("right", dpid="00:00:00:00:00:00:00:b2")
        self.addLink(left, right, bw=10000)
        self.addLink(right, left, bw=10000)
        for number in range(servers):
            server = self.addHost(f"srv{number + 1}", ip=f"192.168.7.{number + 1}/24", mac=f"00:00:00:00:0C:0{number}")
            self.addLink(server, left, cls=TCLink, bw=1000, delay="1ms", loss=0, use_htb=True)
            self.addLink(right, server, bw=1000, delay="1ms")

topos = {"racks": Racks}
"""

#: The experiment file that docs/experiments.md shows, and how long it cuts.
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = FENCE.findall((PROJECT / "docs" / "experiments.md").read_text())[0]
CUT_MS = 20


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One trial of each, two guests at a time."""
    base = tmp_path_factory.mktemp("topologies")
    custom = base / "racks.py"
    custom.write_text(CUSTOM)

    def wanted(name: str, topology: str, *words: str) -> tuple[Path | str, ...]:
        return base / name, CONVERGED, "--jobs", "1", "--topology", topology, *words

    mesh = str(HERE.parent.parent / "benchmarks" / "leaf_spine.py")
    sizes = (f"spines={SPINES}", f"leaves={LEAVES}", f"hosts={HOSTS}", f"pairs={PAIRS}")
    spread: tuple[Path | str, ...] = base / "leaf_spine", mesh, *(word for size in sizes for word in ("--set", size))
    found = side_by_side(spread, wanted("ring", "ring"))
    apart = ("--set", "peer_links=0", "--set", "mode=broadcast", "--set", "controller=none")
    found += side_by_side(wanted("apart", "dual_switch", *apart), wanted("custom", str(custom), "--set", "servers=2"))
    modes = ("--set", "mode=802.3ad,active-backup")
    found += side_by_side(wanted("back_to_back", "back_to_back", *modes), wanted("unprotected", "unprotected"))
    flapping = ("--topology", "back_to_back", "--set", "mode=active-backup", "--set", "fault=flapping")
    mine = base / "mine.py"
    mine.write_text(EXAMPLE)
    cut = ("--repetitions", "1", "--set", "mode=active-backup", "--set", f"cut_ms={CUT_MS}")
    one = base / "flapping", "failover", "--repetitions", "1", *flapping
    found += side_by_side(one, (base / "short_cut", str(mine), *cut))
    return {run.path.name: run for run in found}


@pytest.mark.parametrize("name", ["ring", "apart", "custom", "back_to_back", "unprotected"])
def test_it_converges_without_a_warning(runs: dict[str, Run], name: str) -> None:
    for record in runs[name].records:
        assert (record.status, record.reason, record.warnings) == ("ok", "", [])
        assert record.metrics["converged_s"] >= record.metrics["bonds_up_s"]


def test_many_dual_homed_hosts_reach_each_other_over_spines(runs: dict[str, Run]) -> None:
    (record,) = runs["leaf_spine"].records
    assert record.status == "ok", record.reason
    assert {name: record.metrics[name] for name in ("hosts", "pairs", "datagrams", "lost")} == {
        "hosts": HOSTS,
        "pairs": PAIRS,
        "datagrams": 4 * PAIRS,
        "lost": 0,
    }


def test_two_bonds_back_to_back_are_each_others_lacp_partners(runs: dict[str, Run]) -> None:
    """Without switches there is no Open vSwitch to wait for: it converges within the seconds that LACP takes."""
    run = runs["back_to_back"]
    lacp = next(record for record in run.records if record.case["mode"] == "802.3ad")
    assert not any("no LACP partner" in warning for warning in lacp.warnings)
    assert not (run.path / lacp.raw / "controller.log").exists()


def test_a_file_of_mininets_gets_bonds_and_lags(runs: dict[str, Run]) -> None:
    run = runs["custom"]
    (record,) = run.records
    events = (run.path / record.raw / "timeline.jsonl").read_text()
    assert '"lag": "lag-srv2"' in events and '"lag": "trunk1-left"' in events


def test_a_cable_between_two_hosts_flaps_as_one_to_a_switch_does(runs: dict[str, Run]) -> None:
    """Its end is in a host's own namespace; the other host loses the carrier each time."""
    (record,) = runs["flapping"].records
    assert (record.status, record.reason) == ("ok", "")
    timeline = read_timeline(runs["flapping"].path / record.raw / "timeline.jsonl")
    (begin,) = (e for e in timeline if (e["source"], e["event"]) == ("fault", "begin"))
    flaps = [e for e in timeline if e["event"] == "flap" and not e["carrier"]]
    assert len(flaps) > 1
    far = {"h1-eth0": "h2-eth0", "h2-eth0": "h1-eth0", "h1-eth1": "h2-eth1", "h2-eth1": "h1-eth1"}[
        flaps[0]["interface"]
    ]
    lost = [e for e in timeline if e["event"] == "carrier" and e["interface"] == far and e["t_s"] > begin["t_s"]]
    assert sum(e["new"] is False for e in lost) == len(flaps)


def test_the_hosts_of_a_mininet_file_have_its_mac_addresses(runs: dict[str, Run]) -> None:
    """By the kernel: /proc/net/bonding names each member's own address, and a bond has its first member's."""
    run = runs["custom"]
    (record,) = run.records
    bonds = json.loads((run.path / record.raw / "bonds.json").read_text())
    first = [re.findall(r"Permanent HW addr: (\S+)", bond["text"])[0] for bond in bonds]
    assert first == ["00:00:00:00:0c:00", "00:00:00:00:0c:01"]
    topology = json.loads((run.path / record.raw / "trial.json").read_text())["topology"]
    assert [host["address"] for host in topology["hosts"]] == ["192.168.7.1/24", "192.168.7.2/24"]
    assert [switch["dpid"] for switch in topology["switches"]] == [0xA1, 0xB2]


def test_the_experiment_of_the_documents_runs(runs: dict[str, Run]) -> None:
    """A cut that the monitor does not notice costs what it lasts; one that it notices less (one probe each 1 ms)."""
    run = runs["short_cut"]
    (record,) = run.records
    assert (record.status, record.reason) == ("ok", "")
    assert 0 <= record.metrics["lost_ms"] <= CUT_MS + 2
    assert (run.path / "user_code" / "mine.py").read_text() == EXAMPLE
    assert {path.suffix for path in (run.path / "figures").glob("loss_by_cut.*")} == {".csv", ".pdf", ".png", ".svg"}
