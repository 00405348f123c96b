"""Placing flows between hosts on different switches, whose answers are Open vSwitch's (ofproto/trace)."""

from __future__ import annotations

import random
import re
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.emulation.network import Network
from testbed.errors import TrialError
from testbed.experiment import discovery
from testbed.experiment.plan import build_topology
from testbed.lab.placement import Placement
from testbed.spec import SwitchSide


class Switches:
    """Two switches of `trunk`: to the other by the port that the source port says, to a host by the same rule."""

    def __init__(self, topology: Any, *, astray: bool = False) -> None:
        self.topology, self.astray, self.asked = topology, astray, list[str]()

    def appctl(self, command: str, switch: str, text: str) -> str:
        assert command == "ofproto/trace"
        self.asked.append(switch)
        in_port, source_port = (int(re.search(rf"{name}=(\d+)", text)[1]) for name in ("in_port", "tcp_src"))  # type: ignore[index]
        ports = self.topology.interfaces(switch)
        assert 1 <= in_port <= len(ports)
        trunk = next(lag for lag in self.topology.lags if lag.name == f"trunk-{switch}")
        own = next(lag for lag in self.topology.lags if lag.name == f"lag-h{switch[1]}")
        inward = ports[in_port - 1] in trunk.ports
        lag = trunk if self.astray or not inward else own
        taken = lag.ports[source_port // 7 % len(lag.ports)]
        return f"group:1\n bucket\n  output:{ports.index(taken) + 1}\n"


def trunk(*, members: int, trunk_members: int, astray: bool = False) -> tuple[Any, Switches, Placement]:
    topology = build_topology(
        discovery.topology("trunk"), {"members": members, "trunk_members": trunk_members, "mode": "802.3ad"}
    )
    switches = Switches(topology, astray=astray)
    scheme = SimpleNamespace(side=SwitchSide())
    network = cast(Network, SimpleNamespace(topology=topology, scheme=scheme, ovs=switches))
    return topology, switches, Placement(network, "h1", "h2")


def test_each_switch_on_the_way_is_asked_from_the_port_by_which_the_flow_comes_in() -> None:
    topology, switches, placement = trunk(members=2, trunk_members=2)
    path = placement.path(placement.flow(14_000, 5201), 0)
    assert switches.asked == ["s1", "s2"]
    assert [topology.owner(port) for port in path] == ["s1", "s2"]
    assert topology.far(path[0]).node == "s2" and topology.far(path[1]).node == "h2"
    assert placement.asked


@pytest.mark.parametrize(("members", "trunk_members"), [(2, 2), (4, 2), (2, 4), (3, 1)])
def test_flows_are_even_on_every_link_of_the_way(members: int, trunk_members: int) -> None:
    topology, _, placement = trunk(members=members, trunk_members=trunk_members)
    flows = placement.choose(12, random.Random(1), even=True)
    assert set(Counter(flow["member"] for flow in flows).values()) == {12 // members}
    assert set(Counter(flow["switch_member"] for flow in flows).values()) == {12 // members}
    between: Counter[str] = Counter()
    for flow in flows:
        path = placement.path(placement.flow(flow["client_port"], flow["server_port"]), flow["member"])
        between[path[0]] += 1
        assert topology.members("h2")[flow["switch_member"]] == topology.far(path[-1]).interface
    assert set(between.values()) == {12 // trunk_members} and len(between) == trunk_members


def test_a_flow_that_does_not_reach_the_target_is_reported() -> None:
    _, _, placement = trunk(members=2, trunk_members=2, astray=True)
    with pytest.raises(TrialError, match=r"the switches do not send flow .* to the target, but by s1-eth"):
        placement.path(placement.flow(14_000, 5201), 0)
