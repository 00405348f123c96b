"""The network as a whole: what is known of it, and what every switch has to do. Pure, and told only of changes.

     facts                                   conclusions                           parts (forwarding)
     ports with carrier, LAG members,  ----> live links, tree, designated   ----> groups and flows of each
     connected switches, addresses           forwarders, routes, ports held        switch, as far as they changed

Frames for all go along a spanning tree of the live links; each LAG gets them from its *designated forwarder*, the
lowest switch in reach that has a member distributing. Both change in two steps, so that no frame circles or arrives
twice while some switches know of the change and others do not: first what the old and the new have in common
(`conclude`), and once all switches have confirmed it, the new (`widen`).

A switch that has lost the controller goes on by its flows. It stays in the network, but ways avoid it where they can;
its LAG members go when LACP gives them up at both ends, 3 s (fast) or 90 s (slow) after the last LACPDU.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from testbed.controller import forwarding
from testbed.controller.config import Configuration, Edge, PortId
from testbed.controller.forwarding import LAG_BASE, Members, Route, View
from testbed.controller.graph import Graph, Link
from testbed.controller.tables import Part, Parts

#: The name of the part that is no edge's.
BASE = "base part"


@dataclass
class LagState:
    """A LAG, wherever its ports are."""

    logical: int
    ports: tuple[PortId, ...]
    static: bool
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
    """What has to be concluded anew."""

    links: bool = True
    switches: set[int] = field(default_factory=set)
    lags: set[str] = field(default_factory=set)
    edges: set[Edge] = field(default_factory=set)


class Fabric:
    """All switches of a configuration, and any other that connects."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.ports: dict[int, dict[int, bool]] = {switch.dpid: {} for switch in configuration.switches}
        self.connected: set[int] = set()
        self.lags = {
            lag.name: LagState(LAG_BASE + index, configuration.ports[lag.name], lag.lacp == "off")
            for index, lag in enumerate(configuration.lags)
        }
        self.addresses: dict[str, Edge] = {}
        self.graph = Graph(self.ports, ())
        self.tree: frozenset[Link] = frozenset()
        self.forwarders = {name: frozenset[int]() for name in self.lags.keys() - configuration.link_edges}
        self.parts: dict[int, Parts] = {}
        self._behind: dict[Edge, set[str]] = {}
        self._no_host: set[Edge] = {*configuration.edge_of, *configuration.link_edges}
        self._lags_on: dict[int, list[LagState]] = {}
        for lag in self.lags.values():
            for dpid in {dpid for dpid, _ in lag.ports}:
                self._lags_on.setdefault(dpid, []).append(lag)
        self.links = {self._link(a, b): (a, b) for a, b in configuration.trunks}
        self._linked = {dpid for link in self.links for dpid in (link.a, link.b)}
        self._isolating = {switch.dpid for switch in configuration.switches if switch.isolate} & self._linked
        self.live: frozenset[Link] = frozenset()
        self._trusted: frozenset[Link] = frozenset()  # live links that both ends are known to take frames in from
        self._wanted = dict(self.forwarders)
        self._unconfirmed = False  # whether a switch may still do what is no longer wanted
        self._made_of: dict[tuple[int, Edge], tuple[Route, frozenset[str]]] = {}  # of the part of that name
        self._dirty = Dirty(switches=set(self.ports))
        self._changed: dict[int, set[Hashable]] = {}

    # --- facts ----------------------------------------------------------------------------------------------

    def connect(self, dpid: int) -> None:
        """A switch is there, or there again."""
        if dpid not in self.ports:
            self.ports[dpid] = {}
            self._dirty.switches.add(dpid)
        self.connected.add(dpid)
        self._dirty.links = True

    def disconnect(self, dpid: int) -> None:
        """A switch does not answer; whatever it did last it still does, or it is dead."""
        self.connected.discard(dpid)
        self._dirty.links = True

    def set_port(self, dpid: int, number: int, carrier: bool | None) -> None:
        """A port has carrier, has none, or (None) is gone. Whoever was behind a port by itself is not any more."""
        ports = self.ports[dpid]
        if ports.get(number) == carrier:
            return
        if carrier is None:
            del ports[number]
        else:
            ports[number] = carrier
        edge = self.edge((dpid, number))
        self._dirty.switches.add(dpid)
        self._dirty.links |= edge in self.configuration.link_edges
        if isinstance(edge, str):
            if self.lags[edge].static:  # carrier is all that there is to know
                up = [port for port in self.lags[edge].ports if self.ports[port[0]].get(port[1])]
                self.set_collecting(edge, up)
                self.set_distributing(edge, up)
        elif not carrier:
            for address in list(self._behind.get(edge, ())):
                self._move(address, None)

    def set_collecting(self, lag: str, ports: Iterable[PortId]) -> None:
        """The ports of a LAG from which frames are taken in."""
        self.lags[lag].collecting = tuple(ports)
        self._dirty.switches |= {dpid for dpid, _ in self.lags[lag].ports}

    def set_distributing(self, lag: str, ports: Iterable[PortId]) -> None:
        """The ports of a LAG by which frames are sent."""
        self.lags[lag].distributing = tuple(ports)
        self._dirty.switches |= {dpid for dpid, _ in self.lags[lag].ports}
        if lag in self.configuration.link_edges:
            self._dirty.links = True
        else:
            self._dirty.lags.add(lag)
            self._dirty.edges.add(lag)

    def learn(self, address: str, port: PortId) -> bool:
        """A frame from ``address`` has come in by that port; whether that is news. Members of a LAG are one place."""
        edge = self.edge(port)
        if isinstance(edge, str):
            believed = port in self.lags[edge].collecting
        else:
            believed = self.ports.get(port[0], {}).get(port[1], False)
        if not believed or edge in self.configuration.link_edges or self.addresses.get(address) == edge:
            return False
        self._move(address, edge)
        return True

    def _move(self, address: str, edge: Edge | None) -> None:
        old = self.addresses.pop(address, None)
        if old is not None:
            self._behind[old].discard(address)
            self._dirty.edges.add(old)
        if edge is not None:
            self.addresses[address] = edge
            self._behind.setdefault(edge, set()).add(address)
            self._dirty.edges.add(edge)

    # --- names ----------------------------------------------------------------------------------------------

    def edge(self, port: PortId) -> Edge:
        """The LAG that a port is in, or the port."""
        return self.configuration.edge_of.get(port, port)

    def linked(self, dpid: int) -> bool:
        """Whether the switch has links to others, live or not."""
        return dpid in self._linked

    def _logical(self, edge: Edge) -> int:
        return self.lags[edge].logical if isinstance(edge, str) else edge[1]

    def _link(self, a: Edge, b: Edge) -> Link:
        first, second = sorted((self._owner(end), self._logical(end)) for end in (a, b))
        return Link(*first, *second)

    def _owner(self, edge: Edge) -> int:
        return self.lags[edge].ports[0][0] if isinstance(edge, str) else edge[0]

    # --- conclusions ----------------------------------------------------------------------------------------

    def conclude(self) -> bool:
        """Draw what follows from the changes; whether `widen` has to be called once all switches have confirmed.

        What is no longer wanted goes at once. What is new comes at once too, but not while some switch may still do
        what is no longer wanted; and a link is used once the switches at both ends take in what comes by it.
        """
        asks = False
        if self._dirty.links:
            self._dirty.links = False
            live = frozenset(link for link, ends in self.links.items() if all(map(self._lives, ends)))
            asks = bool(live - self.live)
            self.live, self._trusted = live, self._trusted & live
            self._set_graph(Graph(self.ports, self._trusted, self.ports.keys() - self.connected))
        for lag in self._dirty.lags:
            self._wanted[lag] = self._best_forwarders(lag)
        stays = {lag: now & self._wanted[lag] for lag, now in self.forwarders.items()}
        asks |= stays != self.forwarders or bool(self.tree - self.graph.tree)
        self._unconfirmed |= asks
        if self._unconfirmed:
            self._set_plan(self.tree & self.graph.tree, stays)
        else:
            self._set_plan(self.graph.tree, self._wanted)
        self._rebuild()
        return asks

    def widen(self) -> bool:
        """All switches have confirmed what `conclude` left them. Whether there has to be another such step."""
        self._unconfirmed = False
        self._trusted = self.live
        self._dirty.links = True
        return self.conclude()

    def isolated(self) -> frozenset[PortId]:
        """The LACP ports to be kept out of their LAGs, because the LAG has ports in a better part of the network.

        Better is the part with more switches that answer, then one that carries a LAG's traffic now (a switch that
        returns takes nothing away), then with more hosts, then with the lowest switch: the same part for every LAG,
        so that all hosts meet there.
        """
        component = self.graph.component
        if len({component[dpid] for dpid in self._linked}) < 2:
            return frozenset()
        found: set[PortId] = set()
        for lag in self.configuration.lags:
            if lag.lacp == "off" or lag.name in self.configuration.link_edges:
                continue
            ports = [port for port in self.lags[lag.name].ports if port[0] in self._isolating]
            places = {component[dpid] for dpid, number in ports if self.ports[dpid].get(number)}
            if len(places) > 1:
                best = max(places, key=self._merit)
                found |= {port for port in ports if component[port[0]] != best}
        return frozenset(found)

    def take_changes(self) -> dict[int, set[Hashable]]:
        """The parts of each switch that have changed since this was last asked; they may be gone."""
        changed, self._changed = self._changed, {}
        return changed

    # --- how they are drawn ---------------------------------------------------------------------------------

    def _lives(self, end: Edge) -> bool:
        """A cable lives while both ends have carrier, a LAG while both ends distribute on some member."""
        if isinstance(end, str):
            return bool(self.lags[end].distributing)
        return self.ports[end[0]].get(end[1], False)

    def _set_graph(self, graph: Graph) -> None:
        if graph != self.graph:
            self.graph = graph
            self._dirty.lags |= self._wanted.keys()
            self._dirty.edges |= {edge for edge, addresses in self._behind.items() if addresses}

    def _best_forwarders(self, lag: str) -> frozenset[int]:
        """In each part of the network the lowest switch that sends to the LAG."""
        senders = {dpid for dpid, _ in self.lags[lag].distributing}
        return frozenset(min(senders & part) for part in {self.graph.component[dpid] for dpid in senders})

    def _set_plan(self, tree: frozenset[Link], forwarders: Mapping[str, frozenset[int]]) -> None:
        self._dirty.switches |= {dpid for link in self.tree ^ tree for dpid in (link.a, link.b)}
        for lag, now in forwarders.items():
            self._dirty.switches |= self.forwarders[lag] ^ now
        self.tree, self.forwarders = tree, dict(forwarders)

    def _merit(self, part: frozenset[int]) -> tuple[int, bool, int, int]:
        carried = sum(not part.isdisjoint(now) for now in self._wanted.values())
        single = sum(self.ports[dpid][port] for dpid in part for port in self._host_ports(dpid))
        return len(part & self.connected), carried > 0, carried + single, -min(part)

    def _host_ports(self, dpid: int) -> tuple[int, ...]:
        """The ports of a switch that lead to hosts and are in no LAG."""
        return tuple(sorted(port for port in self.ports[dpid] if (dpid, port) not in self._no_host))

    def _rebuild(self) -> None:
        """Work out the parts anew that the changes concern."""
        for dpid in self._dirty.switches:
            self._set_part(dpid, BASE, forwarding.base(self._view(dpid)))
        for edge in self._dirty.edges:
            owners = {dpid for dpid, _ in self.lags[edge].ports} if isinstance(edge, str) else {edge[0]}
            for dpid in owners | self._linked:
                made_of = self._route(dpid, edge, dpid in owners), frozenset(self._behind.get(edge, ()))
                if self._made_of.get((dpid, edge)) != made_of:
                    self._made_of[dpid, edge] = made_of
                    self._set_part(dpid, edge, forwarding.at(*made_of, dpid in self._linked))
        self._dirty = Dirty(links=False)

    def _set_part(self, dpid: int, name: Hashable, part: Part) -> None:
        parts = self.parts.setdefault(dpid, {})
        if parts.get(name, Part()) != part:
            self._changed.setdefault(dpid, set()).add(name)
            if part == Part():
                del parts[name]
            else:
                parts[name] = part

    def _view(self, dpid: int) -> View:
        lags = {lag.logical: lag.on(dpid) for lag in self._lags_on.get(dpid, ())}
        leading = frozenset(link.port(dpid) for link in self.links if dpid in (link.a, link.b))
        cables = {port: (port,) for port in leading - lags.keys() if self.ports[dpid].get(port)}
        return View(
            hosts=self._host_ports(dpid),
            lags=lags,
            trunks=leading & lags.keys(),
            links={**cables, **{logical: lags[logical].collecting for logical in leading & lags.keys()}},
            tree=frozenset(link.port(dpid) for link in self.tree if dpid in (link.a, link.b)),
            delivers=frozenset(self.lags[lag].logical for lag, dpids in self.forwarders.items() if dpid in dpids),
            linked=dpid in self._linked,
        )

    def _route(self, dpid: int, edge: Edge, is_owner: bool) -> Route:
        if isinstance(edge, str):
            targets = {owner for owner, _ in self.lags[edge].distributing}
            origin = self.lags[edge].logical
        else:
            targets, origin = {edge[0]}, 0
        link = self.graph.next_links(targets - {dpid}).get(dpid)
        return Route(
            logical=self._logical(edge) if is_owner else 0,
            origin=origin,
            here=dpid in targets,
            link=None if link is None else link.port(dpid),
        )
