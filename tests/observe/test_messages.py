"""Messages over TCP on the loopback interface: what is sent arrives once and in order; what breaks is said."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from experiments import messages as experiment
from testbed.design.trial import Trial
from testbed.emulation.clocks import Clocks
from testbed.measure.outage import load_probe
from testbed.observe.messages import Connection, talking
from testbed.spec import BondOptions, Topology
from topologies.two_ways import two_ways


def connection(name: str) -> Connection:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        return Connection(name, sender, listener.accept()[0])


def test_every_message_arrives_once_and_in_order(tmp_path: Path) -> None:
    opened = [connection("h1>h2"), connection("h2>h1")]
    clocks = Clocks.begun(1)
    with talking(opened, 0.005, tmp_path / "messages.csv", clocks=clocks):
        time.sleep(0.3)
    flows = load_probe(tmp_path / "messages.csv")
    assert [flow.name for flow in flows] == ["h1>h2", "h2>h1"]
    for flow in flows:
        assert len(flow.sent_s) > 0 and flow.lost == 0 and flow.duplicated == 0
        assert (np.diff(flow.received_s) >= 0).all() and (flow.received_s >= flow.sent_s).all()
    about = json.loads((tmp_path / "messages.json").read_text())
    assert about["broken"] == {} and about["interval_s"] == 0.005
    assert sorted(path.name for path in tmp_path.iterdir()) == ["messages.csv", "messages.json"]
    for each in opened:
        each.sender.close()
        each.receiver.close()


def test_a_connection_that_breaks_is_named_and_its_messages_are_lost(tmp_path: Path) -> None:
    whole, broken = connection("h1>h2"), connection("h2>h1")
    broken.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close sends a reset
    other = Connection(broken.name, broken.sender, connection("unused").receiver)
    broken.receiver.close()
    with talking([whole, other], 0.005, tmp_path / "messages.csv", clocks=Clocks.begun(1)):
        time.sleep(0.2)
    first, second = load_probe(tmp_path / "messages.csv")
    assert first.lost == 0 and second.lost == len(second.sent_s)
    found = json.loads((tmp_path / "messages.json").read_text())["broken"]
    assert list(found) == ["h2>h1"] and " at message " in found["h2>h1"]


def written(raw: Path, topology: Topology, *, away_s: float, broken: dict[str, str] | None = None) -> Trial:
    """The raw files of a trial: a message every 5 ms from 0 to 5 s, of which none arrives from 2 s for ``away_s``."""
    case = {"fault": "carrier_loss", "message_interval_ms": 5.0, "controller": "none"}
    fault = {"source": "fault", "fault": "carrier_loss", "element": "s1-eth1"}
    lines = [{"t_s": 2.0, "event": "begin", **fault}, {"t_s": 4.0, "event": "end", **fault}]
    (raw / "timeline.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = ["flow,seq,sent_s,received_s"]
    for name in ("h1>h2", "h2>h1"):
        for number in range(1000):
            at_s = number * 0.005
            arrives_s = max(at_s, 2.0 + away_s) if at_s >= 2.0 else at_s
            rows.append(f"{name},{number},{at_s:.6f},{arrives_s + 0.0001:.6f}")
    (raw / "messages.csv").write_text("\n".join(rows) + "\n")
    (raw / "messages.json").write_text(json.dumps({"interval_s": 0.005, "due_s": 0.0, "broken": broken or {}}))
    return Trial(1, "messages", case, 0, 1, topology)


def test_a_stall_is_the_time_between_two_messages_and_is_compared_with_tcps_next_try(tmp_path: Path) -> None:
    """The path is away for at most 104 ms and a millisecond, and a round trip with the 40 ms of the receiver is below
    45 ms: the probe after two of them may come too early, and the next try is 200 ms and a round trip later."""
    trial = written(tmp_path, two_ways(bonding=BondOptions(mode="active-backup")), away_s=0.3)
    found = experiment.read(tmp_path, trial)
    assert found.metrics["outage_s"] == pytest.approx(0.305, abs=1e-6)
    assert found.metrics["delay_during_max_s"] == pytest.approx(0.3001, abs=1e-6)
    assert found.metrics["bound_s"] > 2 * 0.045 + 0.245 and found.metrics["within_bound"] is True
    assert found.status == "ok" and found.metrics["lost"] == 0


def test_prp_has_no_stall_and_multipath_tcp_five_timers(tmp_path: Path) -> None:
    """net/mptcp/pm.c: stale after more than four losses, one at each timer, of 200 ms and a round-trip time."""
    found = experiment.read(tmp_path, written(tmp_path, two_ways(bonding=BondOptions(mode="prp")), away_s=0.3))
    assert found.metrics["bound_s"] == 0.0 and found.metrics["within_bound"] is False
    found = experiment.read(tmp_path, written(tmp_path, two_ways(bonding=BondOptions(mode="prp")), away_s=0.0))
    assert found.metrics["outage_s"] == 0.0 and found.metrics["within_bound"] is True
    multipath = two_ways(bonding=BondOptions(mode="mptcp"))
    found = experiment.read(tmp_path, written(tmp_path, multipath, away_s=1.0))
    assert 1.0 < found.metrics["bound_s"] < 1.25 and found.metrics["within_bound"] is True and found.status == "ok"
    assert found.metrics["connected_by_theory"] is True
    assert experiment.read(tmp_path, written(tmp_path, multipath, away_s=1.5)).metrics["within_bound"] is False
    never = two_ways(bonding=BondOptions(mode="mptcp", mptcp_stale_losses=0))
    found = experiment.read(tmp_path, written(tmp_path, never, away_s=1.5))
    assert found.metrics["bound_s"] is None and found.metrics["within_bound"] is None and found.status == "ok"
    assert found.metrics["connected_by_theory"] is None and "never stale" in found.metrics["why_no_bound"]


def test_a_broken_connection_and_one_that_does_not_go_on_are_censored(tmp_path: Path) -> None:
    topology = two_ways(bonding=BondOptions(mode="mptcp", mptcp_stale_losses=0))
    found = experiment.read(tmp_path, written(tmp_path, topology, away_s=0.1, broken={"h1>h2": "Connection reset"}))
    assert (found.status, found.reason) == ("censored", "a connection broke: h1>h2: Connection reset")
    found = experiment.read(tmp_path, written(tmp_path, topology, away_s=2.5))
    assert found.status == "censored" and found.reason.startswith(
        "no message of h1>h2, h2>h1 arrived before the repair"
    )
    assert "a subflow is never stale" in found.reason
