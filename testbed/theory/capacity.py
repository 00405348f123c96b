"""What the links between two hosts can carry together, each end by its bond. Pure; rates in 10^6 bit/s of line rate.

client ===(its bond)=== switches ===(links)=== switches ===(its bond)=== server        maximum flow (L. Ford,
                                                                                        D. Fulkerson, 1956)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable
from typing import TypeVar

from testbed.spec import Host, Topology
from testbed.theory.goodput import ONE_MEMBER_MODES

Node = TypeVar("Node", bound=Hashable)

_SOURCE, _SINK = "", " "  # no node has such a name
#: The modes that give each of their members an equal share of the packets, whatever its rate (bonding.rst).
_IN_TURN = ("balance-rr",)


def pair_mbps(topology: Topology, client: str, server: str, *, without: Collection[str] = ()) -> float | None:
    """The most that ``client`` can send to ``server`` by all links between them; None if one of them has no rate.

    The links ``without`` carry nothing.

    A bond whose mode gives a pair of hosts one member's rate (`ONE_MEMBER_MODES`) has that of the member which it
    prefers; one that takes turns is held up by its slowest member; all others have the sum of their members.
    """
    edges: dict[str, dict[str, float]] = {}

    def add(a: str, b: str, mbps: float) -> None:
        edges.setdefault(a, {}).setdefault(b, 0.0)
        edges.setdefault(b, {}).setdefault(a, 0.0)
        edges[a][b] += mbps

    passing = {switch.name for switch in topology.switches} | topology.relays()
    for link in topology.links:
        if link.name not in without and {link.a, link.b} <= passing | {client, server}:
            if link.rate_mbps is None:
                return None
            add(link.a, link.b, link.rate_mbps)
            add(link.b, link.a, link.rate_mbps)
    add(_SOURCE, client, _own_mbps(topology, topology.host(client), without))
    add(server, _SINK, _own_mbps(topology, topology.host(server), without))
    return max_flow(edges, _SOURCE, _SINK)


def _own_mbps(topology: Topology, host: Host, without: Collection[str]) -> float:
    usable = [member for member in topology.members(host.name) if topology.link_of(member).name not in without]
    rates = [topology.link_of(member).rate_mbps or 0.0 for member in usable]
    bond = host.bond
    if bond is None or len(rates) < 2:
        return sum(rates)
    if bond.mode == "active-backup":
        preferred = next(member for member in (bond.active, bond.primary, *usable) if member in usable)
        return topology.link_of(preferred).rate_mbps or 0.0
    if bond.mode in ONE_MEMBER_MODES:
        return max(rates)
    return len(rates) * min(rates) if bond.mode in _IN_TURN else sum(rates)


def max_flow(left: dict[Node, dict[Node, float]], source: Node, sink: Node) -> float:
    """The maximum flow by the shortest augmenting path each time (J. Edmonds, R. Karp, 1972).

    ``left`` gives the rate of each edge, and has the reverse of each; it holds what is left of them afterwards.
    """
    total = 0.0
    while True:
        came: dict[Node, Node] = {source: source}
        queue = deque([source])
        while queue and sink not in came:
            node = queue.popleft()
            for other, mbps in left[node].items():
                if mbps > 0 and other not in came:
                    came[other] = node
                    queue.append(other)
        if sink not in came:
            return total
        path, node = [], sink
        while node != source:
            path.append((came[node], node))
            node = came[node]
        amount = min(left[a][b] for a, b in path)
        for a, b in path:
            left[a][b] -= amount
            left[b][a] += amount
        total += amount
