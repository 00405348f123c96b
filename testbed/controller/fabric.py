"""The network as a whole: from what is known of it to the parts of every switch. Pure; input is changes only.

     facts                                   computed                              parts (forwarding)
     ports with carrier, LAG members,  ----> live links, tree, designated   ----> groups and flows of each
     connected switches, addresses           forwarders, routes, ports held        switch, as far as they changed

Flooded frames follow a spanning tree of the live links. Each LAG gets them from its *designated forwarder*: the
lowest switch, of those that reach each other, that has a distributing member. Tree and forwarder change in two steps,
so that no frame loops or arrives twice while only some switches have changed: first to what the old and the new have
in common (`conclude`), and once all switches have confirmed that, to the new (`widen`).

A switch that has lost the controller forwards by its last flows. It stays in the network, but paths avoid it where
they can. Its LAG members leave when LACP times out at both ends, 3 s (fast) or 90 s (slow) after the last LACPDU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Hashable, Mapping

from testbed.controller import forwarding
from testbed.controller.config import Configuration, Edge, PortId
from testbed.controller.flow_tables import Part, Parts
from testbed.controller.forwarding import Route, View
from testbed.controller.forwarding_facts import Dirty, ForwardingFacts, LagState
from testbed.controller.graph import Graph, Link
from testbed.controller.parting import Parting

#: The name of the part that belongs to no edge and no address, and the first word of the names of those of addresses.
BASE, _ADDRESS = "base part", "address"


class Fabric(ForwardingFacts):
    """All switches of a configuration, and any other that connects."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self.graph = Graph(self.ports, ())
        self.tree: frozenset[Link] = frozenset()
        self.forwarders = {name: frozenset[int]() for name in self.lags.keys() - configuration.link_edges}
        self.parts: dict[int, Parts] = {}
        self._no_host: set[Edge] = {*configuration.edge_of, *configuration.link_edges}
        self._lags_on: dict[int, list[LagState]] = {}
        for lag in self.lags.values():
            for dpid in {dpid for dpid, _ in lag.ports}:
                self._lags_on.setdefault(dpid, []).append(lag)
        self.links = {self._link(a, b): (a, b) for a, b in configuration.trunks}
        self._linked = {dpid for link in self.links for dpid in (link.a, link.b)}
        self._isolating = {switch.dpid for switch in configuration.switches if switch.isolate} & self._linked
        self.live: frozenset[Link] = frozenset()
        self.trusted: frozenset[Link] = frozenset()  # live links whose two ends are confirmed to accept frames
        self._wanted = dict(self.forwarders)
        self._unconfirmed = False  # whether a switch may still have flows that are no longer wanted
        self._routes: dict[Edge, dict[int, Route]] = {}  # how each switch reaches an edge
        self._changed: dict[int, set[Hashable]] = {}

    def linked(self, dpid: int) -> bool:
        """Whether the switch has links to others, live or not."""
        return dpid in self._linked

    # --- computation ----------------------------------------------------------------------------------------

    def conclude(self) -> bool:
        """Compute the parts that the changes affect. Returns whether `widen` must follow the switches' confirmation.

        What is no longer wanted is removed at once. What is new is added at once too, except while a switch may still
        have what is no longer wanted. A link is used once the switches at both ends accept frames from it.
        """
        asks = False
        if self.dirty.links:
            self.dirty.links = False
            live = frozenset(link for link, ends in self.links.items() if all(map(self._lives, ends)))
            asks = bool(live - self.live)
            self.live, self.trusted = live, self.trusted & live
            self._set_graph(Graph(self.ports, self.trusted, self.ports.keys() - self.connected))
        for lag in self.dirty.lags:
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
        """All switches have confirmed the result of `conclude`. Returns whether another such step must follow."""
        self._unconfirmed = False
        self.trusted = self.live
        self.dirty.links = True
        return self.conclude()

    def resume(
        self, graph: Graph, tree: frozenset[Link], live: frozenset[Link], forwarders: Mapping[str, frozenset[int]]
    ) -> None:
        """Continue from what another controller computed from the same facts; `widen` has yet to follow.

        ``graph`` has the links that the other controller trusted. The resulting tables are those of the switches.
        """
        self.graph, self.tree = graph, tree
        self.live, self.trusted = live, frozenset(graph.links)
        self.forwarders, self._wanted = dict(forwarders), dict(forwarders)
        self._unconfirmed = True
        self.dirty = Dirty(True, set(self.ports), set(forwarders), set(self.behind), set(self.addresses))

    def isolated(self, deaf: Container[PortId] = (), fresh: Container[PortId] = ()) -> frozenset[PortId]:
        """The LACP ports to hold out of their LAGs, because the network is parted and the LAG is to be in another part.

        ``deaf`` ports hear no partner. ``fresh`` ports have been back for a short time only: such a port takes no
        traffic away from others. Which part each LAG is in: see parting.
        """
        component = self.graph.component
        if len({component[dpid] for dpid in self._linked}) < 2:
            return frozenset()
        parting = Parting(self._fixed_hosts(), self.connected)
        held_in: dict[str, list[PortId]] = {}
        for lag in self.configuration.lags:
            if lag.name in self.configuration.link_edges:
                continue
            carrying = [port for port in self.lags[lag.name].ports if self.ports[port[0]].get(port[1])]
            movable = [port for port in carrying if lag.lacp != "off" and port[0] in self._isolating]
            heard = [port for port in movable if port not in deaf] or movable
            settled = [port for port in heard if port not in fresh] or heard
            bound_to = {component[port[0]] for port in set(carrying) - set(movable)}
            parting.add(lag.name, Counter(component[port[0]] for port in settled), lag.min_links, bound_to)
            held_in[lag.name] = movable
        chosen = parting.chosen()
        held = {port for name, part in chosen.items() for port in held_in[name] if component[port[0]] != part}
        return frozenset(held)

    def take_changes(self) -> dict[int, set[Hashable]]:
        """The names of each switch's parts that have changed or gone since the last call."""
        changed, self._changed = self._changed, {}
        return changed

    # --- its steps ------------------------------------------------------------------------------------------

    def _lives(self, end: Edge) -> bool:
        """A cable is live while both ends have carrier, a LAG while both ends distribute on some member."""
        if isinstance(end, str):
            return bool(self.lags[end].distributing)
        return self.ports[end[0]].get(end[1], False)

    def _set_graph(self, graph: Graph) -> None:
        if graph != self.graph:
            self.graph = graph
            self.dirty.lags |= self._wanted.keys()
            self.dirty.edges |= {edge for edge, addresses in self.behind.items() if addresses}

    def _best_forwarders(self, lag: str) -> frozenset[int]:
        """The lowest switch that sends to the LAG, in each part of the network."""
        senders = {dpid for dpid, _ in self.lags[lag].distributing}
        return frozenset(min(senders & part) for part in {self.graph.component[dpid] for dpid in senders})

    def _set_plan(self, tree: frozenset[Link], forwarders: Mapping[str, frozenset[int]]) -> None:
        self.dirty.switches |= {dpid for link in self.tree ^ tree for dpid in (link.a, link.b)}
        for lag, now in forwarders.items():
            self.dirty.switches |= self.forwarders[lag] ^ now
        self.tree, self.forwarders = tree, dict(forwarders)

    def _fixed_hosts(self) -> Counter[frozenset[int]]:
        """How many ports with carrier in each part lead to hosts and are in no LAG."""
        found: Counter[frozenset[int]] = Counter()
        for dpid, part in self.graph.component.items():
            found[part] += sum(self.ports[dpid][port] for port in self._host_ports(dpid))
        return found

    def _host_ports(self, dpid: int) -> tuple[int, ...]:
        """The ports of a switch that lead to hosts and are in no LAG."""
        return tuple(sorted(port for port in self.ports[dpid] if (dpid, port) not in self._no_host))

    def _rebuild(self) -> None:
        """Compute the parts again that the changes affect."""
        for dpid in self.dirty.switches:
            self._set_part(dpid, BASE, forwarding.base(self._view(dpid)))
        for edge in self.dirty.edges:
            self._set_routes(edge)
        for name in self.dirty.addresses:
            self._set_address(name)
        self.dirty = Dirty(links=False)

    def _set_routes(self, edge: Edge) -> None:
        """Compute how each switch of its network reaches an edge; where that has changed, its addresses follow."""
        owners = {dpid for dpid, _ in self.lags[edge].ports} if isinstance(edge, str) else {edge[0]}
        network = frozenset().union(*(self.configuration.networks.get(dpid, frozenset()) for dpid in owners))
        known = self._routes.setdefault(edge, {})
        for dpid in sorted(owners | self._linked & network):
            route = self._route(dpid, edge, dpid in owners)
            if known.get(dpid) != route:
                known[dpid] = route
                self._set_part(dpid, edge, forwarding.towards(route))
                self.dirty.addresses |= self.behind.get(edge, set())

    def _set_address(self, name: str) -> None:
        """The parts of one address: of every switch that has a route to its place, and of no other."""
        edge, address = self.addresses.get(name), name.partition("%")[0]
        routes = {} if edge is None else self._routes[edge]
        for dpid in self.parts.keys() - routes.keys():
            self._set_part(dpid, (_ADDRESS, name), Part())
        for dpid, route in routes.items():
            self._set_part(dpid, (_ADDRESS, name), forwarding.at(route, address, dpid in self._linked))

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
            logical=self.logical(edge) if is_owner else 0,
            origin=origin,
            here=dpid in targets,
            link=None if link is None else link.port(dpid),
        )

    def _link(self, a: Edge, b: Edge) -> Link:
        first, second = sorted((self._owner(end), self.logical(end)) for end in (a, b))
        return Link(*first, *second)

    def _owner(self, edge: Edge) -> int:
        return self.lags[edge].ports[0][0] if isinstance(edge, str) else edge[0]
