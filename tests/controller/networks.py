"""Random networks: any graph of switches, single cables or LAGs between them, hosts on one port or on LAGs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from testbed.controller.config import PortId, parse
from tests.controller.simulator import World

SYSTEMS = {"core": {}, **{f"t{i}": {"system": f"02:00:00:00:fe:{i:02x}"} for i in range(1, 6)}}


@dataclass
class Plan:
    """A network that is being built."""

    ports: Counter[int]
    lags: dict[str, Any] = field(default_factory=dict)
    links: list[dict[str, str]] = field(default_factory=list)
    hosts: dict[str, tuple[PortId, ...]] = field(default_factory=dict)
    cables: list[tuple[PortId, PortId]] = field(default_factory=list)

    def port(self, dpid: int) -> PortId:
        """A new port of a switch."""
        self.ports[dpid] += 1
        return dpid, self.ports[dpid]

    def lag(self, name: str, ports: list[PortId], system: str) -> None:
        """A LAG of these ports."""
        named = [f"s{dpid}:{number}" for dpid, number in ports]
        self.lags[name] = {"ports": named, "key": len(self.lags) + 1, "system": system}

    def join(self, a: int, b: int, width: int) -> None:
        """A cable between two switches, or a LAG of several."""
        ends = [(self.port(a), self.port(b)) for _ in range(width)]
        self.cables += ends
        self.links += [{"a": f"s{x[0]}:{x[1]}", "b": f"s{y[0]}:{y[1]}"} for x, y in ends]
        if width > 1:
            for side, dpid in enumerate((a, b)):
                self.lag(f"trunk{len(self.lags)}", [end[side] for end in ends], f"t{dpid}")

    def host(self, switches: list[int]) -> None:
        """A host with a port on each of these switches: a LAG, unless it is one port."""
        name = f"h{len(self.hosts) + 1}"
        ports = [self.port(dpid) for dpid in switches]
        self.hosts[name] = tuple(ports)
        if len(ports) > 1:
            self.lag(f"lag-{name}", ports, "core")

    def world(self) -> World:
        """The network, everything working."""
        switches = {f"s{dpid}": {"dpid": dpid} for dpid in self.ports}
        value = {"systems": SYSTEMS, "switches": switches, "lags": self.lags, "links": self.links}
        return World(parse(value, "network"), self.ports)


@st.composite
def plans(draw: st.DrawFn, *, switches: int = 5) -> Plan:
    """A network of 1 to ``switches`` switches and 2 to 5 hosts."""
    count = draw(st.integers(1, switches))
    dpids = st.integers(1, count)
    plan = Plan(Counter({dpid: 0 for dpid in range(1, count + 1)}))
    pairs = [(a, b) for a in range(1, count + 1) for b in range(a + 1, count + 1)]
    if pairs:
        for a, b in draw(st.lists(st.sampled_from(pairs), max_size=8)):
            plan.join(a, b, draw(st.integers(1, 2)))
    for _ in range(draw(st.integers(2, 5))):
        plan.host(draw(st.lists(dpids, min_size=1, max_size=3)))
    return plan


def mac(host: str) -> str:
    """The address of a host."""
    return f"02:00:00:00:00:{int(host[1:]):02x}"
