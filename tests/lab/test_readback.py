"""What was built is compared with the specification: each kind of difference is noticed, by fakes of what is asked."""

from __future__ import annotations

import copy
import dataclasses
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.emulation import addresses, bonds, readback, shaping
from testbed.emulation.network import Network
from testbed.errors import TrialError
from testbed.experiment import discovery
from testbed.experiment.plan import build_topology
from testbed.schemes import SCHEMES, testbed_lacp
from testbed.schemes.scheme import Live
from testbed.spec import Topology
from tests.controller.rig import Rig

TOPOLOGY = build_topology(discovery.topology("single_switch"), {"mode": "802.3ad", "rate_mbps": 100.0})
#: linux/if_bonding.h and bond_options.c: the numbers of 802.3ad, layer3+4 and fast.
KERNEL = {"IFLA_BOND_MODE": 4, "IFLA_BOND_MIIMON": 100, "IFLA_BOND_XMIT_HASH_POLICY": 1, "IFLA_BOND_AD_LACP_RATE": 1}


class _Netlink:
    def link_lookup(self, ifname: str) -> list[str]:
        return [ifname]


def network(topology: Topology, members: int = 2) -> Network:
    """A network whose bonds have so many members; what is asked of it goes to the patched functions."""

    def bond(host: str) -> Any:
        names = topology.members(host)[:members]
        return SimpleNamespace(
            shown=lambda: bonds.Shown(None, None, tuple(bonds.Member(name, True, 1, 61, 61) for name in names))
        )

    return cast(
        Network,
        SimpleNamespace(
            topology=topology,
            bond=bond,
            netlink=lambda _: _Netlink(),
            index=lambda interface: interface,
            pid=lambda node: node,
        ),
    )


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the kernel is to show: of every bond and of every link's end, as specified; a test may change it."""
    found: dict[str, dict[str, Any]] = {
        "bond": dict(KERNEL),
        "link": {"rate_mbps": 100.0, "delay_ms": 0.0, "queue_packets": 1000, "qdisc": "pfifo"},
    }
    found["host"] = {"vlan": 0, "rx_coalesce_us": 100, "addresses": ["10.0.0.1/24", "10.0.0.2/24"]}
    monkeypatch.setattr(addresses, "found", lambda *_: dict(found["host"]))
    monkeypatch.setattr(shaping, "coalesced_us", lambda *_: found["host"]["rx_coalesce_us"])
    monkeypatch.setattr(bonds, "shown", lambda *_: found["bond"])
    monkeypatch.setattr(shaping, "shaped", lambda *_: found["link"])
    return found


def test_what_was_built_as_specified_is_listed(kernel: dict[str, dict[str, Any]]) -> None:
    found = readback.built(network(TOPOLOGY))
    assert found["bonds"]["h1"]["mode"] == "802.3ad" and found["bonds"]["h1"]["members"] == ["h1-eth0", "h1-eth1"]
    assert found["bonds"]["h2"]["lacp_rate"] == "fast" and found["bonds"]["h2"]["xmit_hash_policy"] == "layer3+4"
    assert set(found["links"]) == set(TOPOLOGY.ports)


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("bond", {"IFLA_BOND_MODE": 1}, "bond bond0 of h1 was built with mode active-backup, wanted 802.3ad"),
        ("bond", {"IFLA_BOND_MIIMON": 10}, "bond bond0 of h1 was built with miimon_ms 10, wanted 100"),
        ("bond", {"IFLA_BOND_AD_LACP_RATE": 0}, "bond bond0 of h1 was built with lacp_rate slow, wanted fast"),
        ("host", {"vlan": 7}, "h1-eth0 of host h1 was built with vlan 7, wanted 0"),
        ("host", {"rx_coalesce_us": 0}, "h1-eth0 of host h1 was built with rx_coalesce_us 0, wanted 100"),
        ("host", {"addresses": []}, "host h1 was built with addresses [], wanted 10.0.0.1/24"),
        ("link", {"rate_mbps": 1000.0}, "h1-eth0 was built with rate_mbps 1000.0, wanted 100.0"),
        ("link", {"rate_mbps": None}, "h1-eth0 was built with rate_mbps None, wanted 100.0"),
        ("link", {"delay_ms": 5.0}, "h1-eth0 was built with delay_ms 5.0, wanted 0.0"),
        ("link", {"queue_packets": 100}, "h1-eth0 was built with queue_packets 100, wanted 1000"),
        ("link", {"qdisc": "fq"}, "h1-eth0 was built with qdisc fq, wanted pfifo"),
    ],
)
def test_each_difference_fails_the_trial(
    kernel: dict[str, dict[str, Any]], what: str, change: dict[str, Any], message: str
) -> None:
    kernel[what] |= change
    with pytest.raises(TrialError) as caught:
        readback.built(network(TOPOLOGY))
    assert caught.value.message == message


def test_a_missing_member_fails_the_trial(kernel: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(TrialError, match=r"was built with members \['h1-eth0'\], wanted \['h1-eth0', 'h1-eth1'\]"):
        readback.built(network(TOPOLOGY, members=1))


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """What our controller shows, once its LAGs are up."""
    rig = Rig(TOPOLOGY)
    rig.answer()
    rig.run(4.0)
    found: dict[str, Any] = json.loads(json.dumps(rig.state()))
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, ""),
        ({"mux": "coupled"}, "LAG lag-h1 was built with mux coupled, wanted independent"),
        ({"fallback": "static"}, "LAG lag-h1 was built with fallback static, wanted none"),
        ({"max_active": 1}, "LAG lag-h1 was built with max_active 1, wanted 0"),
        ({"members": [[1, 1]]}, "LAG lag-h1 was built with ports 1, wanted 2"),
        ({"key": 7}, "LAG lag-h1 was built with key 7, wanted 1"),
        ({"mode": "passive"}, "LAG lag-h1 was built with mode passive, wanted active"),
        ({"rate": "slow"}, "LAG lag-h1 was built with rate slow, wanted fast"),
        ({"min_links": 2}, "LAG lag-h1 was built with min_links 2, wanted 1"),
        ({"early_collecting": None}, "LAG lag-h1 was built with early_collecting None, wanted True"),
        ({"ports": []}, "LAG lag-h1 was built with port_priorities [], wanted [32768, 32768]"),
    ],
)
def test_a_lag_is_compared_with_the_controllers_state(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    state = copy.deepcopy(state)
    state["systems"]["core"]["lags"]["lag-h1"] |= change
    monkeypatch.setattr(testbed_lacp.client, "ask", lambda _: json.dumps(state))
    live = cast(Live, SimpleNamespace(topology=TOPOLOGY))
    if not message:
        assert SCHEMES["testbed"].built(live)["lag-h2"]["mux"] == "independent"
        return
    with pytest.raises(TrialError) as caught:
        SCHEMES["testbed"].built(live)
    assert caught.value.message == message


def test_a_lag_that_the_controller_does_not_know_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testbed_lacp.client, "ask", lambda _: json.dumps({"systems": {}}))
    with pytest.raises(TrialError, match="LAG lag-h1 was built with key None, wanted 1"):
        SCHEMES["testbed"].built(cast(Live, SimpleNamespace(topology=TOPOLOGY)))


def test_without_lags_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testbed_lacp.client, "ask", lambda _: pytest.fail("asked"))
    without = dataclasses.replace(TOPOLOGY, lags=())
    for name in ("testbed", "static", "none", "ovs"):
        assert SCHEMES[name].built(cast(Live, SimpleNamespace(topology=without))) == {}
