"""Whether a web service still answers its client after failures, and how soon: layer by layer, from the spec. Pure.

client --- routes of BGP ---> firewall, master by VRRP: the published address becomes the balancers' own
                              ---> balancer, master by VRRP ---> a server that passes its health checks
server --- its gateway, the firewall that is master inside ---> routes of BGP ---> client

A chain of layers: it is up while each has a part left that the next one reaches.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable

from testbed.faults.catalogue import CONTROL
from testbed.spec import Balancer, SwitchSide, Topology, addressing
from testbed.theory import apart_bound, gateways, health_checks
from testbed.theory.forwarding import Way
from testbed.theory.outage_bound import OutageBound
from testbed.theory.reachability import Expectation, Pair, Remains

_NOTHING = OutageBound(0.0, 0.0, "no layer is hit")
_NO_PARTNER = "LACP may have timed out at all members of a bond, which then goes on by one of them"
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
    living = {switch.name for switch in topology.switches} - left.failed
    if left.may_be_cut_off or (left.cut_off and living <= left.cut_off):
        return {pair: Expectation(None, None, doubt=_NO_PARTNER)}
    left, apart = _without_cut_off(left)
    way = _way(left)
    if way.connected is None:
        return {pair: Expectation(None, None, doubt=way.why)}
    return {pair: Expectation(way.connected, _bound(left, apart) if way.connected else None, way.why)}


def _without_cut_off(left: Remains) -> tuple[Remains, OutageBound]:
    """The network without the switches that have lost the controller for longer than LACP's timeout, and for how long
    its bonds have not all left them.

    Such a switch goes on sending by ports that the bonds, and the other switches, have left.
    """
    if not left.cut_off:
        return left, _NOTHING
    failed = {name for name in left.failed if name.removeprefix(CONTROL) not in left.cut_off} | left.cut_off
    rates = {host.bond.lacp_rate for host in left.topology.hosts if host.bond}
    apart = max((apart_bound(rate) for rate in rates), key=lambda each: each.limit_s)
    return dataclasses.replace(left, failed=frozenset(failed)), apart


def unreached(topology: Topology, side: SwitchSide) -> str | None:
    """Why the client does not reach its web service while nothing fails; None if it does, or theory does not say."""
    parts = {name for group in topology.balancers for name in (*group.machines, *group.servers)}
    if topology.client in parts:
        return f"{topology.client} is a part of the web service, and cannot be its client"
    (found,) = expected(topology, (), side=side).values()
    return f"{topology.client} does not reach the web service: {found.why}" if found.connected is False else None


def _way(left: Remains) -> Way:
    """The way of a request, and that of its answer."""
    topology = left.topology
    client, address = topology.ends()
    if client in left.failed:
        return Way(False, f"{client} has failed")
    way, target = left.passed(client, address), address
    if way.connected:
        walls = (group for group in topology.firewalls if way.machines[-1] in group.routers)
        moved = (each.target for group in walls for each in group.publishes if each.address == address)
        target = next(moved, address)
    if target != address:
        more = left.passed(way.machines[-1], target)
        way = dataclasses.replace(more, machines=way.machines + more.machines[1:])
    if not way.connected:
        return way
    placing = next(each for each in topology.balancers if each.address == target)
    return _served(left, placing, way.machines)


def _served(left: Remains, group: Balancer, trail: tuple[str, ...]) -> Way:
    """Whether one of the servers is reached by the balancer at the trail's end, and its answers reach the client."""
    found = [_answered(left, group, trail, name) for name in group.servers]
    best = (way for wanted in (True, None) for way in found if way.connected is wanted)
    return next(best, found[0])


def _answered(left: Remains, group: Balancer, trail: tuple[str, ...], server: str) -> Way:
    """The way from the balancer to a server, and that of the answer: at layer 7 it ends at the balancer, which answers
    the client."""
    topology, placing = left.topology, trail[-1]
    client_ip, server_ip = (topology.host(name).ip for name in (trail[0], server))
    there = left.passed(placing, server_ip)
    back = [(server, client_ip)]
    if group.layer == 7:
        own = topology.attachments(placing)
        near = next((each.ip for each in own if addressing.inside(server_ip, each.subnet)), own[0].ip)
        back = [(server, near), (placing, client_ip)]
    for way in (there, *(left.passed(*leg) for leg in back)):
        if not way.connected:
            return way
    machines = (*trail, *there.machines[1:])
    joined = _joined(left, machines)
    names = " - ".join(machines)
    whys = {
        True: "",
        False: f"the switches do not join {names}",
        None: f"whether the switches join {names} is not known",
    }
    return Way(joined, whys[joined], machines)


def _joined(left: Remains, trail: tuple[str, ...]) -> bool | None:
    """Whether bonded hosts that come one after the other reach each other by the switches."""
    bonded = {host.name for host in left.topology.hosts if host.bond is not None}
    said = [left.connected(a, b) for a, b in itertools.pairwise(trail) if {a, b} <= bonded and a != b]
    return False if False in said else None if None in said else True


def _bound(left: Remains, apart: OutageBound) -> OutageBound | None:
    """The longest that these failures may leave the client without an answer; the layer may not be in use just now.

    ``apart``: for how long some bonds have left a switch by which others still send.
    """
    topology = left.topology
    bounds: list[OutageBound | None] = [_NOTHING, gateways.settled(left)]
    bonded = [host.name for host in topology.hosts if host.bond is not None and host.name not in left.failed]
    bounds += [left.bound(a, b) for a, b in itertools.pairwise(bonded)]
    for group in topology.balancers:
        if _loses_a_server(left, group):
            found = health_checks.detection(group, health_checks.UNHEARD)
            bounds.append(found if isinstance(found, OutageBound) else None)
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return None
    longest = max(known, key=lambda bound: bound.limit_s)
    bound_s, label = longest.bound_s, longest.label
    if not left.failed.isdisjoint(switch.name for switch in topology.switches):
        bound_s += _NEIGHBOR_S
        label = f"{label}, and a neighbor that is asked for again after {_NEIGHBOR_S:g} s"
    if apart.bound_s:
        bound_s, label = bound_s + apart.bound_s, f"{label}, and {apart.bound_s:g} s between the timeouts of the bonds"
    return OutageBound(0.0, bound_s, label, tolerance_s=longest.tolerance_s + apart.tolerance_s)


def _loses_a_server(left: Remains, group: Balancer) -> bool:
    """Whether a server has failed, or has no link left: until health checks have found out it gets requests."""
    attached = ((name, each) for name in group.servers for each in left.topology.attachments(name))
    return any(not left.segments(name, each) for name, each in attached)
