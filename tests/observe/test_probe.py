"""Probes over this machine's own loopback: what they write can be measured, and a Lab works in place of a Network."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any, cast

import pytest

from testbed.design.trial import Trial
from testbed.emulation.clocks import Clocks
from testbed.lab.lab import Lab
from testbed.measure import tcp_stall
from testbed.measure.outage import PROBE_COLUMNS, load_probe
from testbed.observe import probe, tcp_progress
from testbed.observe.hosts import Hosts
from testbed.spec import Host, Link, Switch, Topology

LOOPBACK = Topology(
    "loopback",
    (Host("h1", "127.0.0.1/8"), Host("h2", "127.0.0.2/8")),
    (Switch("s1", 1),),
    (Link("h1", "h1-eth0", "s1", "s1-eth1"), Link("h2", "h2-eth0", "s1", "s1-eth2")),
)


class _Loopback:
    """The hosts of ``LOOPBACK``, all in this process's own namespace."""

    topology = LOOPBACK

    def __init__(self) -> None:
        self.asked: list[tuple[str, int | None]] = []

    def socket(self, host: str, family: int | None = None) -> socket.socket:
        self.asked.append((host, family))
        return socket.socket(family or socket.AF_INET, socket.SOCK_DGRAM)


def _lab(network: _Loopback, raw: Path) -> Lab:
    trial = Trial(1, "failover", {}, 0, 1, LOOPBACK)
    return Lab(trial, raw, cast(Any, network), cast(Any, None), Clocks(1, time.time()))


@pytest.mark.parametrize("of", ["network", "lab"])
def test_flows_are_opened_at_the_hosts_of_a_network_and_of_a_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    network = _Loopback()
    hosts: Hosts = _lab(network, tmp_path) if of == "lab" else network
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("", 0))
        first = min(free.getsockname()[1] + 1, 65_000)
    monkeypatch.setattr(probe, "PORTS", range(first, first + 3))
    pairs = [("h1", "h2"), ("h2", "h1"), ("h1", "h2")]
    with (
        probe.flows(hosts, pairs) as found,
        probe.probing(found, 0.001, tmp_path / "probe.csv", clocks=Clocks(1, time.time())),
    ):
        time.sleep(0.2)
    assert network.asked == [(host, socket.AF_INET) for pair in pairs for host in pair]
    flows = load_probe(tmp_path / "probe.csv")
    assert [flow.name for flow in flows] == ["h1>h2", "h2>h1", "h1>h2#2"]
    for flow in flows:
        assert len(flow.sent_s) > 0
        assert (flow.lost, flow.duplicated) == (0, 0)
    about = json.loads((tmp_path / "probe.json").read_text())
    assert [(each["flow"], each["destination"], each["port"]) for each in about["flows"]] == [
        ("h1>h2", "127.0.0.2", first),
        ("h2>h1", "127.0.0.1", first + 1),
        ("h1>h2#2", "127.0.0.2", first + 2),
    ]


def test_the_columns_are_those_that_are_read() -> None:
    assert tuple(PROBE_COLUMNS) == probe.COLUMNS
    assert tuple(tcp_stall.COLUMNS) == tcp_progress.COLUMNS
