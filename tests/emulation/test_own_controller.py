"""A controller of one's own in a trial: the documented example, from a copy of its file; and a cable in a wrong LAG."""

from __future__ import annotations

import re
from pathlib import Path

from testbed.controller import OPENFLOW_PORT
from tests.emulation.support import PROJECT, run

_TOPOLOGY = '''"""h1 and h2 with three cables each; the third of h1 is in a port of h2's LAG."""
import dataclasses
from testbed.spec import BondOptions, LagOptions, Topology
from testbed.spec.wiring import Wiring


def wrong_cable(*, bonding: BondOptions = BondOptions(), lag: LagOptions = LagOptions()) -> Topology:
    """Right: h1's two others and h2's three."""
    net = Wiring(bonding=bonding, lag=lag)
    (switch,) = net.switches(1)
    net.bonded("h1", [switch] * 3)
    net.bonded("h2", [switch] * 3)
    found = net.topology("wrong_cable")
    one, other = found.lags
    moved = one.ports[2]
    lags = dataclasses.replace(one, ports=one.ports[:2]), dataclasses.replace(other, ports=(moved, *other.ports))
    return dataclasses.replace(found, lags=lags)
'''


def test_the_documented_controller_carries_active_backup_bonds(tmp_path: Path) -> None:
    """bonding.rst, "num_grat_arp": the bond announces itself by the new member, and the switch learns it there."""
    example = re.search(r"```python\n(.*?)```", (PROJECT / "docs" / "controllers.md").read_text(), re.DOTALL)
    assert example is not None
    file = tmp_path / "learning.py"
    file.write_text(example[1])
    words = ("--set", f"controller={file}", "--set", "mode=active-backup", "--repetitions", "1")
    found = run(tmp_path / "run", "failover", *words)
    (record,) = found.records
    assert record.status == "ok", record.reason
    assert record.metrics["within_bound"]
    assert record.metrics["lost"] > 0, "the fault reached the traffic"
    assert (tmp_path / "run" / "user_code" / "controllers" / "learning" / "learning.py").read_text() == example[1]
    assert list(found.manifest["user_controllers"]) == [str(file)]
    assert OPENFLOW_PORT == 6653, "as the documentation says"


def test_the_right_cables_carry_and_the_wrong_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "wrong_cable.py"
    file.write_text(_TOPOLOGY)
    words = ("--topology", str(file), "--set", "mode=802.3ad", "--set", "fault=none", "--repetitions", "1")
    found = run(tmp_path / "run", "failover", *words, "--set", "controller=testbed,ovs")
    told, apart = {}, {}
    for record in found.records:
        assert record.status == "ok", record.reason
        name = record.case["controller"]
        wrong = [warning for warning in record.warnings if "leads to another partner" in warning]
        told[name] = [warning.split(" leads")[0] for warning in wrong]
        apart[name] = [warning for warning in record.warnings if "LACP partner" in warning]
    assert told == {"testbed": ["port 1:3 of LAG lag-h2"], "ovs": ["port s1-eth3 of LAG lag-h2"]}
    # By IEEE 802.1AX-2014, 6.4.8 the two right links are one LAG; only the wrong one has no partner that takes it.
    (why,) = apart["testbed"]
    assert why.startswith("the bond of h1 has an LACP partner for h1-eth0, h1-eth1 only: h1-eth2 has LACP state")
