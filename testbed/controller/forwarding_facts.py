"""What is known of the network: ports with carrier, LAG members, connected switches, addresses. Pure.

Each change records what has to be computed again (see fabric).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from testbed.controller.config import Configuration, Edge, PortId
from testbed.controller.forwarding import LAG_BASE, Members


@dataclass
class LagState:
    """A LAG, on one switch or on several."""

    logical: int
    ports: tuple[PortId, ...]
    static: bool
    min_links: int = 1
    collecting: tuple[PortId, ...] = ()
    distributing: tuple[PortId, ...] = ()

    def on(self, dpid: int) -> Members:
        """Its members on one switch."""
        return Members(
            tuple(port for owner, port in self.collecting if owner == dpid),
            tuple(port for owner, port in self.distributing if owner == dpid),
        )


@dataclass
class Dirty:
    """What has to be computed again."""

    links: bool = True
    switches: set[int] = field(default_factory=set)
    lags: set[str] = field(default_factory=set)
    edges: set[Edge] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)


class ForwardingFacts:
    """What the switches have reported: those of a configuration, and any other that connects."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.ports: dict[int, dict[int, bool]] = {switch.dpid: {} for switch in configuration.switches}
        self.connected: set[int] = set()
        self.lags = {
            lag.name: LagState(LAG_BASE + index, configuration.ports[lag.name], lag.lacp == "off", lag.min_links)
            for index, lag in enumerate(configuration.lags)
        }
        self.addresses: dict[str, Edge] = {}
        self.behind: dict[Edge, set[str]] = {}
        """The addresses at each edge, by their names in `addresses`."""
        self.dirty = Dirty(switches=set(self.ports))

    def connect(self, dpid: int) -> None:
        """A switch has connected, for the first time or again."""
        if dpid not in self.ports:
            self.ports[dpid] = {}
            self.dirty.switches.add(dpid)
        self.connected.add(dpid)
        self.dirty.links = True

    def disconnect(self, dpid: int) -> None:
        """A switch does not respond. It either still forwards by its last flows, or is down."""
        self.connected.discard(dpid)
        self.dirty.links = True

    def set_port(self, dpid: int, number: int, carrier: bool | None) -> None:
        """A port has carrier, has no carrier, or (None) was removed.

        Without carrier, the addresses behind a single port are forgotten.
        """
        ports = self.ports[dpid]
        if ports.get(number) == carrier:
            return
        if carrier is None:
            del ports[number]
        else:
            ports[number] = carrier
        edge = self.edge((dpid, number))
        self.dirty.switches.add(dpid)
        self.dirty.links |= edge in self.configuration.link_edges
        if isinstance(edge, str):
            if (lag := self.lags[edge]).static:  # carrier alone decides
                up = [port for port in lag.ports if self.ports[port[0]].get(port[1])]
                up = up if len(up) >= lag.min_links else []
                self.set_collecting(edge, up)
                self.set_distributing(edge, up)
        elif not carrier:
            for name in list(self.behind.get(edge, ())):
                self.move(name, None)

    def set_collecting(self, lag: str, ports: Iterable[PortId]) -> None:
        """Set the ports of a LAG that accept frames."""
        self.lags[lag].collecting = tuple(ports)
        self.dirty.switches |= {dpid for dpid, _ in self.lags[lag].ports}

    def set_distributing(self, lag: str, ports: Iterable[PortId]) -> None:
        """Set the ports of a LAG that send frames."""
        self.lags[lag].distributing = tuple(ports)
        self.dirty.switches |= {dpid for dpid, _ in self.lags[lag].ports}
        if lag in self.configuration.link_edges:
            self.dirty.links = True
        else:
            self.dirty.lags.add(lag)
            self.dirty.edges.add(lag)

    def learn(self, address: str, port: PortId) -> bool:
        """A frame from ``address`` came in by that port. Returns whether the address is new there.

        The members of a LAG are one place.
        """
        edge = self.edge(port)
        if isinstance(edge, str):
            accepts = port in self.lags[edge].collecting
        else:
            accepts = self.ports.get(port[0], {}).get(port[1], False)
        name = self.named(address, port[0])
        if not accepts or edge in self.configuration.link_edges or self.addresses.get(name) == edge:
            return False
        self.move(name, edge)
        return True

    def named(self, address: str, dpid: int) -> str:
        """The address as `addresses` has it: where there are several networks, with that of the switch after a '%'."""
        network = self.configuration.networks.get(dpid, frozenset())
        if not network or len(network) == len(self.configuration.networks):
            return address
        return f"{address}%{min(network):x}"

    def move(self, name: str, edge: Edge | None) -> None:
        """Set where an address is, by its name in `addresses`; None: unknown."""
        old = self.addresses.pop(name, None)
        if old is not None:
            self.behind[old].discard(name)
        if edge is not None:
            self.addresses[name] = edge
            self.behind.setdefault(edge, set()).add(name)
            self.dirty.edges.add(edge)
        self.dirty.addresses.add(name)

    def edge(self, port: PortId) -> Edge:
        """The LAG that a port is in; else the port itself."""
        return self.configuration.edge_of.get(port, port)

    def logical(self, edge: Edge) -> int:
        """The logical port of an edge (see forwarding)."""
        return self.lags[edge].logical if isinstance(edge, str) else edge[1]
