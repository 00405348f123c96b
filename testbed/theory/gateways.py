"""Which hosts in different subnets reach each other by the routers that are left. Pure.

h1 ---- (LAN of h1) ---- r1 ---- (LAN of h2) ---- h2      each host sends to its gateway, an address of a router or
                   `---- r2 ----'                         of a VRRP group, whose best router is master there
"""

from __future__ import annotations

from testbed.spec import Bgp, BgpSession, Topology, Vrrp
from testbed.theory import bgp, vrrp
from testbed.theory.forwarding import Forwarding
from testbed.theory.outage_bound import OutageBound


def apart(topology: Topology, a: str, b: str) -> bool:
    """Whether two hosts are in different subnets."""
    return topology.host(a).subnet != topology.host(b).subnet


def group_of(topology: Topology, host: str) -> Vrrp | None:
    """The VRRP group that has a host's gateway; None: no group has."""
    gateway = topology.host(host).gateway
    return next((group for group in topology.vrrp if gateway in group.ips), None)


def table_of(topology: Topology, group: Vrrp) -> str:
    """The VRF in which the routers of a group forward for it; empty: in none."""
    subnet = next(each.subnet for each in topology.attachments(group.routers[0]) if group.address_in(each.subnet))
    return topology.vrf_in(group.routers[0], subnet)


def tenants(topology: Topology) -> list[tuple[str, str]]:
    """The first two hosts in each VRF, those of the measured pair's first; none where there are no VRFs."""
    found: dict[str, list[str]] = {}
    for host in dict.fromkeys((*topology.pair, *(each.name for each in topology.hosts))):
        group = group_of(topology, host)
        if group is not None and (vrf := table_of(topology, group)):
            found.setdefault(vrf, []).append(host)
    return [(hosts[0], hosts[1]) for hosts in found.values() if len(hosts) > 1]


def parted(topology: Topology, a: str, b: str) -> str | None:
    """Why no packet passes between two hosts that are in VRFs, whatever fails: theirs differ; None if they do not."""
    groups = [group_of(topology, name) for name in (a, b)]
    one, other = (table_of(topology, group) if group is not None else "" for group in groups)
    if None in groups or one == other:
        return None
    within = " or ".join(f"--set pair={'+'.join(sorted(each))}" for each in tenants(topology))
    return f"{a} is in VRF {one} and {b} in VRF {other}: no packet passes between them; type: {within}"


def blocked(topology: Topology, sender: str, receiver: str) -> str | None:
    """Why one host can begin nothing with another: VRFs part them, or firewalls do not let it; None if it can."""
    if why := parted(topology, sender, receiver):
        return why
    for group in topology.firewalls:
        if apart(topology, sender, receiver) and topology.host(sender).subnet != group.inside:
            published = " and ".join(f"{each.address}:{each.port}" for each in group.publishes)
            but = f" but requests to {published}" if published else ""
            return f"the firewalls {' and '.join(group.routers)} let {sender}, which is outside, begin nothing{but}"
    return None


def blocked_either_way(topology: Topology, a: str, b: str) -> str | None:
    """Why one of two hosts can begin nothing with the other; None if each can."""
    return blocked(topology, a, b) or blocked(topology, b, a)


def between(left: Forwarding, a: str, b: str) -> tuple[bool | None, str]:
    """Whether two hosts in different subnets reach each other, both ways, once the routers have settled; and why not.

    None: theory does not say.
    """
    found = [_forth(left, *ends) for ends in ((a, b), (b, a))]
    lost = next((why for connected, why in found if connected is False), None)
    if lost is not None:
        return False, lost
    return next(((None, why) for connected, why in found if connected is None), (True, ""))


def _forth(left: Forwarding, sender: str, receiver: str) -> tuple[bool | None, str]:
    if why := blocked(left.topology, sender, receiver):
        return False, why
    way = left.way(sender, receiver)
    return way.connected, way.why


def bound(left: Forwarding, a: str, b: str) -> OutageBound | None:
    """The longest outage that these failures may cause between hosts in different subnets that still reach each other.

    None where a switch has failed, by which they may have gone.
    """
    if not left.failed.isdisjoint(_passable(left.topology, a)):
        return None
    return settled(left, (a, b))


def _passable(topology: Topology, host: str) -> set[str]:
    """The switches by which packets of a host may go, whatever fails: a router passes them on within their VRF."""
    switches = {switch.name for switch in topology.switches}
    forwards = {router.name for router in topology.routers}
    waiting, seen = list(topology.interfaces(host)), set[str]()
    while waiting:
        interface = waiting.pop()
        if interface in seen:
            continue
        seen.add(interface)
        far = topology.far(interface)
        if far.node in switches:
            waiting += topology.interfaces(far.node)
        elif far.node in forwards:
            table = {each.interface: each.vrf for each in topology.attachments(far.node)}
            own = table.get(far.interface, "")
            waiting += [each for each in topology.interfaces(far.node) if table.get(each, "") == own]
    return {far for far in (topology.far(interface).node for interface in seen) if far in switches}


def settled(left: Forwarding, pair: tuple[str, str] | None = None) -> OutageBound | None:
    """How long the routers take to settle after these failures; None if theory has no limit.

    Of a pair of hosts only the VRRP groups that forward in its VRF count.

    Nothing is lost while the best router of each group is as it was; otherwise the next one waits as VRRP has it. A BGP
    session that failures have ended is left as its speakers notice: by their carrier, by BFD, by the hold time.
    """
    found = OutageBound(0.0, 0.0, "no router is hit")
    for speakers, session in left.lost_sessions():
        alive = [name for name in (session.one, session.other) if name not in left.failed]
        deaf = [name for name in alive if not left.sees(session, name)]
        beside = any(session.subnet in speakers.speaker(name).announces for name in alive)
        event = bgp.BESIDE_A_SUBNET if beside else bgp.AT_THE_EVENT
        noticed = bgp.moved(speakers, bgp.detection(speakers) if deaf else event, _farthest(speakers, session))
        found = max(found, noticed, key=lambda each: each.limit_s)
    for routes in left.topology.static:
        for machine, hop in ((each.machine, each.next_hops[0]) for each in routes.routes):
            if machine not in left.failed and not left.tracked(routes, machine, hop):
                silent = left.carries_to(machine, hop)
                noticed = bgp.by_watching(routes) if silent else bgp.AT_THE_EVENT
                found = max(found, noticed, key=lambda each: each.limit_s)
    gateways = [group_of(left.topology, name) for name in pair or ()]
    of_pair = {table_of(left.topology, group) for group in gateways if group is not None}
    for group in left.topology.vrrp:
        best = group.ranked[0]
        tables = {each.vrf for each in left.topology.attachments(best) if group.address_in(each.subnet)}
        if of_pair and of_pair.isdisjoint(tables):
            continue
        own = [each for each in left.topology.attachments(best) if each.vrf in tables]
        if best in left.failed or not all(left.carries(best, each.interface) for each in own):
            # By BFD the loss of a cable takes longer; without, the next router waits as for a crash.
            cable = group.bfd_ms and best not in left.failed
            longest = vrrp.outage(group, "carrier_loss" if cable else "router_crash")
            if isinstance(longest, str):
                return None
            waits = OutageBound(0.0, longest.bound_s, longest.label, tolerance_s=longest.tolerance_s)
            found = max(found, waits, key=lambda each: each.limit_s)
    return found


def _farthest(group: Bgp, lost: BgpSession) -> int:
    """How many speakers tell each other of the end of a session until the last one knows."""
    known, hops = {lost.one, lost.other}, 0
    while more := {
        each.beyond(name)
        for name in known
        for each in group.of(name)
        if each != lost and each.beyond(name) not in known
    }:
        known |= more
        hops += 1
    return hops
