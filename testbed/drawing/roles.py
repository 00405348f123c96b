"""What each node of a network is there for, in a word, and the lines about its services. Pure."""

from __future__ import annotations

from testbed.spec import Balancer, Bgp, Firewall, Sites, StaticRoutes, Topology, Vrrp


def roles(topology: Topology) -> dict[str, str]:
    """The role of each node that has one beyond being a host or a switch.

    The first that fits: a machine that is a firewall stands in for another one by VRRP too. A provider is a router that
    announces nothing of its own, and tells its BGP neighbors what it heard from others; or has static routes, and no
    neighbor but routers.
    """
    found: dict[str, str] = {}
    if topology.entry is not None:
        found[topology.client] = "client"
    found |= {name: "firewall" for group in topology.firewalls for name in group.routers}
    found |= {name: "balancer" for group in topology.balancers for name in group.machines}
    found = {each.host: "server" for each in topology.servers} | found
    found |= {name: "name server" for each in topology.sites for name in each.name_servers}
    found = {name: "gateway" for group in topology.vrrp for name in group.routers} | found
    lone = {router.name for router in topology.lone_routers}
    passing = {each.machine for group in topology.bgp for each in group.speakers if each.transit and not each.prefixes}
    ends = {name for link in topology.links for name in (link.a, link.b) if link.beyond(name) not in lone}
    passing |= {name for group in topology.static for name in group.machines if name not in ends}
    return {name: "provider" if name in passing else "router" for name in sorted(lone)} | found


def group_text(group: Vrrp) -> str:
    """A VRRP group in a line: its virtual addresses, the priority of each router, and what is configured."""
    ranks = ", ".join(f"{name} {rank}" for name, rank in zip(group.routers, group.priorities, strict=True))
    return f"VRRP  {', '.join(group.addresses)}: {ranks}; every {group.advert_ms} ms, follow={group.follow}"


def vrf_texts(topology: Topology) -> list[str]:
    """A line for each VRF: the routers that have one of this name, and the subnets in it."""
    names = dict.fromkeys(vrf for router in topology.routers for vrf in router.vrfs)
    found = []
    for vrf in names:
        routers = [router for router in topology.routers if vrf in router.vrfs]
        subnets = dict.fromkeys(each.subnet for router in routers for each in router.attachments if each.vrf == vrf)
        found.append(f"VRF  {vrf} on {', '.join(router.name for router in routers)}: {', '.join(subnets)}")
    return found


def firewall_text(group: Firewall) -> str:
    """A group of firewalls in a line: between which subnets, what they share, and what they publish."""
    shares = {"ftfw": f"connections told by {group.sync} in {group.apart}"}.get(group.sync, "connections not told")
    nat = ", NAT" if group.nat else ""
    parts = [f"{', '.join(group.routers)} from {group.inside} to {group.outside}{nat}", shares]
    parts += [f"published {each.address}:{each.port} leads to {each.target}" for each in group.publishes]
    return f"firewalls  {'; '.join(parts)}"


def service_text(group: Balancer) -> str:
    """A balanced service in a line: its address, who balances and how, to whom, and the checks."""
    how = f"layer {group.layer}" + (f" {group.kind}" if group.kind else "")
    checks = f"{group.fall} checks every {group.check_ms} ms"
    where = f"{group.address}:{group.port}"
    return f"service  {where}: {', '.join(group.machines)} by {how} to {', '.join(group.servers)}; {checks}"


def said(topology: Topology, name: str) -> list[str]:
    """The words about a node's role, if it has one: of a client also where it asks for the web service."""
    role = roles(topology).get(name)
    if role == "client" and topology.entry is not None:
        return ["client of", f"{topology.entry[0]}:{topology.entry[1]}"]
    return [role] if role else []


def sites_text(topology: Topology, group: Sites) -> str:
    """A service at several sites in a line: how clients are led to it, its servers with their addresses, the checks."""
    checks = f"{group.fall} checks every {group.check_ms} ms"
    if group.switchover_s:
        checks = f"switched over by hand, {group.switchover_s:g} s after a failure"
    if group.name_servers:
        named = ", ".join(f"{name} {topology.host(name).ip}" for name in group.servers)
        return f"sites  {named} by DNS of {', '.join(group.name_servers)}, TTL {group.ttl_s} s; {checks}"
    shared = topology.anycast(group.servers[0])
    return f"sites  {shared} is at {', '.join(group.servers)}, by anycast; {checks}"


def bgp_text(group: Bgp) -> str:
    """What is configured of BGP speakers, in a line: their times, and their AS numbers."""
    watched = f", BFD {group.bfd_mult} x {group.bfd_ms} ms" if group.bfd_ms else ""
    numbers = ", ".join(f"{each.machine} {each.asn}" for each in group.speakers)
    ecmp = ", ECMP" if group.ecmp else ""
    daemon = ", by FRR" if group.daemon == "frr" else ""
    return f"BGP  AS {numbers}{daemon}; hold time {group.hold_s} s, keepalive {group.keepalive_s} s{watched}{ecmp}"


def static_text(group: StaticRoutes) -> str:
    """What is configured of static routes, in a line: who has them, and what takes a next hop out."""
    watched = f" {group.bfd_mult} x {group.bfd_ms} ms" if group.bfd_ms else ""
    return f"static routes  on {', '.join(group.machines)}; track {group.track}{watched}"


def group_texts(topology: Topology) -> list[str]:
    """A line for each group of machines that are one service together, in the order of a packet's way."""
    return [
        *map(group_text, topology.vrrp),
        *map(firewall_text, topology.firewalls),
        *map(service_text, topology.balancers),
        *(sites_text(topology, each) for each in topology.sites),
    ]
