"""Whether a web service still answers its client after failures, and how soon: layer by layer, from the spec. Pure.

client --- routes of BGP ---> firewall, master by VRRP: the published address becomes the balancers' own
                              ---> balancer, master by VRRP ---> a server that passes its health checks
server --- its gateway, the firewall that is master inside ---> routes of BGP ---> client

A chain of layers: it is up while each has a part left that the next one reaches.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from testbed.spec import Balancer, SwitchSide, Topology
from testbed.theory import gateways, health_checks
from testbed.theory.forwarding import Forwarding, Way
from testbed.theory.outage_bound import OutageBound
from testbed.theory.reachability import Expectation, Pair, Remains

_NOTHING = OutageBound(0.0, 0.0, "no layer is hit")
#: After how long a machine asks again for a neighbor that has not answered, in seconds (networking/ip-sysctl.rst,
#: retrans_time_ms; RFC 4861, 10, RETRANS_TIMER).
_NEIGHBOR_S = 1.0


def expected(
    topology: Topology,
    failed: Iterable[str],
    *,
    side: SwitchSide = SwitchSide(),
    controller_down_s: float | None = None,
) -> dict[Pair, Expectation]:
    """What theory says of the client and its web service once everything has settled (`reachability.expected`).

    A server that has failed costs some requests until health checks have found out; it is up before and after. A switch
    that fails may turn packets to a machine that does not know its next neighbor yet: the question, or the answer, is
    lost if a bond has not left the switch, and it asks again later.
    """
    assert topology.entry is not None
    pair = (topology.client, topology.entry[0])
    if topology.switches and not side.known:
        return {pair: Expectation(None, None)}
    left = Remains(topology, frozenset(failed), frozenset(), side, controller_down_s)
    way = _way(left)
    if way.connected is None:
        return {pair: Expectation(None, None, doubt=way.why)}
    return {pair: Expectation(way.connected, _bound(left) if way.connected else None, way.why)}


def _way(left: Remains) -> Way:
    """The way of a request, and that of its answer."""
    topology, forwarding = left.topology, Forwarding(left)
    client, address = topology.ends()
    if client in left.failed:
        return Way(False, f"{client} has failed")
    trail, why = forwarding.passed(client, address)
    if not trail:
        return why
    target = address
    for group in topology.firewalls:
        moved = {each.address: each.target for each in group.publishes}
        if trail[-1] in group.routers and address in moved:
            target = moved[address]
            more, why = forwarding.passed(trail[-1], target)
            if not more:
                return why
            trail += more[1:]
    placing = next(each for each in topology.balancers if each.address == target)
    return _served(left, forwarding, placing, trail)


def _served(left: Remains, forwarding: Forwarding, group: Balancer, trail: tuple[str, ...]) -> Way:
    """Whether one of the servers is reached by the balancer at the trail's end, and its answers reach the client."""
    found: list[Way] = []
    for name in group.servers:
        there, why = forwarding.passed(trail[-1], left.topology.host(name).ip)
        back, why_back = forwarding.passed(name, left.topology.host(trail[0]).ip) if there else ((), why)
        joined = _joined(left, (*trail, *there[1:])) if back else False
        found.append(Way(joined) if joined is not False else (why_back if there else why))
    if any(way.connected for way in found):
        return Way(True)
    return next((way for way in found if way.connected is None), found[0])


def _joined(left: Remains, trail: tuple[str, ...]) -> bool | None:
    """Whether bonded hosts that come one after the other reach each other by the switches."""
    bonded = {host.name for host in left.topology.hosts if host.bond is not None}
    said = [left.connected(a, b) for a, b in itertools.pairwise(trail) if {a, b} <= bonded and a != b]
    return False if False in said else None if None in said else True


def _bound(left: Remains) -> OutageBound | None:
    """The longest that these failures may leave the client without an answer."""
    topology = left.topology
    bounds: list[OutageBound | None] = [_NOTHING, gateways.settled(left)]
    bonded = [host.name for host in topology.hosts if host.bond is not None and host.name not in left.failed]
    bounds += [left.bound(a, b) for a, b in itertools.pairwise(bonded)]
    for group in topology.balancers:
        if not left.failed.isdisjoint(_of_servers(topology, group)):
            found = health_checks.detection(group, health_checks.UNHEARD)
            bounds.append(found if isinstance(found, OutageBound) else None)
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return None
    longest = max(known, key=lambda bound: bound.limit_s)
    if left.failed.isdisjoint(switch.name for switch in topology.switches):
        return longest
    label = f"{longest.label}, and a neighbor that is asked for again after {_NEIGHBOR_S:g} s"
    return OutageBound(0.0, longest.bound_s + _NEIGHBOR_S, label, tolerance_s=longest.tolerance_s)


def _of_servers(topology: Topology, group: Balancer) -> set[str]:
    """The servers of a balancer, each with what it needs alone: its only link, where it has no bond."""
    own = {name for name in group.servers}
    for name in group.servers:
        if topology.host(name).bond is None:
            own |= {*topology.interfaces(name), *(topology.link_of(i).name for i in topology.interfaces(name))}
    return own
