"""Which hosts in different subnets reach each other by the routers that are left. Pure.

h1 ---- (LAN of h1) ---- r1 ---- (LAN of h2) ---- h2      each host sends to its gateway, an address of a router or
                   `---- r2 ----'                         of a VRRP group, whose best router is master there
"""

from __future__ import annotations

from testbed.spec import Host, Topology, Vrrp
from testbed.theory import vrrp
from testbed.theory.outage_bound import OutageBound
from testbed.theory.uses import Uses


def apart(topology: Topology, a: str, b: str) -> bool:
    """Whether two hosts are in different subnets."""
    return topology.host(a).subnet != topology.host(b).subnet


def blocked(topology: Topology, sender: str, receiver: str) -> str | None:
    """Why firewalls let one host begin nothing with another; None if they do, or if there are none between the two."""
    for group in topology.firewalls:
        if apart(topology, sender, receiver) and topology.host(sender).subnet != group.inside:
            return f"the firewalls {' and '.join(group.routers)} let {sender}, which is outside, begin nothing"
    return None


def blocked_either_way(topology: Topology, a: str, b: str) -> str | None:
    """Why firewalls let one of two hosts begin nothing with the other; None if each may."""
    return blocked(topology, a, b) or blocked(topology, b, a)


def between(left: Uses, a: str, b: str) -> tuple[bool | None, str]:
    """Whether two hosts in different subnets reach each other, both ways, once the routers have settled; and why not.

    None: theory does not say.
    """
    one, other = left.topology.host(a), left.topology.host(b)
    found = [_forth(left, one, other), _forth(left, other, one)]
    lost = next((why for connected, why in found if connected is False), None)
    if lost is not None:
        return False, lost
    return next(((None, why) for connected, why in found if connected is None), (True, ""))


def _forth(left: Uses, sender: Host, receiver: Host) -> tuple[bool | None, str]:
    if not sender.gateway:
        return False, f"{sender.name} has no gateway"
    if why := blocked(left.topology, sender.name, receiver.name):
        return False, why
    for host in (sender, receiver):
        if not left.places(host):
            return False, f"{host.name} has no link left"
    router, why = _master(left, sender)
    if not router:
        return (None if why else False), why or f"no router has {sender.gateway}, the gateway of {sender.name}"
    for attachment in left.topology.attachments(router):
        if attachment.subnet == receiver.subnet:
            reached = not left.places_at(router, attachment.interface).isdisjoint(left.places(receiver))
            return (
                reached,
                "" if reached else f"{router}, the gateway of {sender.name}, does not reach {receiver.name}",
            )
    return False, f"{router}, the gateway of {sender.name}, is not in the subnet of {receiver.name}"


def _master(left: Uses, host: Host) -> tuple[str, str]:
    """The router that has a host's gateway, where the host is; none, and why it is not known which it is."""
    subnet, topology = host.subnet, left.topology
    for router in topology.routers:
        own = next((each for each in router.attachments if each.ip == host.gateway), None)
        if own is not None:
            here = left.places_at(router.name, own.interface)
            return ("" if here.isdisjoint(left.places(host)) else router.name), ""
    group = next((each for each in topology.vrrp if each.address_in(subnet) == host.gateway), None)
    if group is None:
        return "", ""
    for name in group.ranked:
        attached = topology.attachments(name)
        lone = [each.interface for each in attached if each.interface in topology.ports]
        silent = [interface for interface in lone if topology.link_of(interface).name in left.silent]
        if silent:
            return "", f"{name} is not heard by {silent[0]} and goes on as master, beside another one"
        if name in left.failed or not _fit(left, name, group, subnet):
            continue
        own = next(each for each in attached if each.subnet == subnet)
        if not left.places_at(name, own.interface).isdisjoint(left.places(host)):
            return name, ""
    return "", ""


def _fit(left: Uses, router: str, group: Vrrp, subnet: str) -> bool:
    """Whether a router may be master in a subnet: it has its interface there, and the others that it has to follow."""
    watched = [
        each.interface
        for each in left.topology.attachments(router)
        if each.subnet == subnet or (group.follow != "none" and group.address_in(each.subnet))
    ]
    return all(left.carries(router, interface) for interface in watched)


def bound(left: Uses) -> OutageBound | None:
    """The longest outage that these failures may cause between hosts in different subnets that still reach each other.

    Nothing is lost while the best router of each group is as it was; otherwise the next one waits as VRRP has it.
    """
    found = OutageBound(0.0, 0.0, "no router is hit")
    for group in left.topology.vrrp:
        best = group.ranked[0]
        own = left.topology.attachments(best)
        if best in left.failed or not all(left.carries(best, each.interface) for each in own):
            longest = vrrp.outage(group, "router_crash")
            if isinstance(longest, str):
                return None
            found = OutageBound(0.0, longest.bound_s, longest.label, tolerance_s=longest.tolerance_s)
    if not left.failed.isdisjoint(switch.name for switch in left.topology.switches):
        return None
    return found
