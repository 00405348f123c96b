"""Whether servers, balancers and sites fit into a network: machines, an address that moves, a way back; and whether
firewalls publish services that are there. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from testbed.errors import SpecError, unknown
from testbed.spec import validation
from testbed.spec.balancer import Balancer
from testbed.spec.bgp import Bgp
from testbed.spec.firewall import Firewall
from testbed.spec.host import Host
from testbed.spec.router import Router
from testbed.spec.server import Server
from testbed.spec.site import Sites
from testbed.spec.vrrp import Vrrp


def check(
    hosts: Sequence[Host],
    routers: Sequence[Router],
    vrrp: Sequence[Vrrp],
    servers: Sequence[Server],
    balancers: Sequence[Balancer],
) -> None:
    """Errors: SpecError for what does not fit."""
    known = {host.name: host for host in hosts}
    validation.unique("hosts of servers", [each.host for each in servers])
    validation.unique("balancers", [name for group in balancers for name in group.machines])
    validation.unique("balanced services", [f"{group.address}:{group.port}" for group in balancers])
    for server in servers:
        if server.host not in known:
            raise unknown("host of a server", server.host, known)
    ports = {each.host: each.port for each in servers}
    for group in balancers:
        who = " and ".join(group.machines)
        shared = next((each for each in vrrp if set(each.routers) == set(group.machines)), None)
        if shared is None or group.address not in shared.ips:
            raise SpecError(
                f"the balancers {who} share {group.address}, which is no virtual address of a VRRP group of theirs",
                "VRRP moves the address of a service from one balancer to another: it has to be one of that group's.",
            )
        if group.layer == 7 and shared.bfd_ms:
            raise SpecError(
                f"vrrp_bfd_ms on the balancers {who}: BFD does not notice that HAProxy has failed, and while it is up"
                " no other balancer takes the address",
                "Type: --set balancer_layer=4, or leave vrrp_bfd_ms out.",
            )
        if ":" in group.address:
            raise SpecError(f"the balancers {who} share {group.address}; wanted an IPv4 address", "Type: --set ip=4")
        for name in group.servers:
            if name not in ports:
                raise unknown(f"server of the balancers {who}", name, ports)
            if name in group.machines:
                raise SpecError(f"{name} is a balancer and a server of it; wanted one or the other")
            if group.kind == "dr":
                _check_routed(group, known[name], ports[name])
            if group.kind == "nat" and known[name].gateway not in {*shared.ips} - {group.address}:
                raise SpecError(
                    f"the gateway of server {name!r} is {known[name].gateway or 'none'}; wanted another virtual address"
                    f" of the balancers {who}: with balancer_kind=nat answers go back by the balancer",
                    "Type: --set balancer_kind=dr",
                )
        if group.kind == "nat" and not set(group.machines) <= {router.name for router in routers}:
            raise SpecError(f"the balancers {who} are no routers; wanted some that forward, with balancer_kind=nat")


def check_sites(
    hosts: Sequence[Host],
    machines: Sequence[str],
    servers: Sequence[Server],
    bgp: Sequence[Bgp],
    sites: Sequence[Sites],
) -> None:
    """Errors: SpecError for sites without web servers, without an address that all have, or without a name server, and
    for ones that an operator is to switch over to, but that announce by themselves; ``machines`` are all there are."""
    known, ports = [host.name for host in hosts], {each.host: each.port for each in servers}
    shared = {each.machine: each.anycast for group in bgp for each in group.speakers}
    for group in sites:
        who = " and ".join(group.servers)
        for name in group.servers:
            if name not in ports:
                raise unknown(f"server of the sites of {who}", name, ports)
        if len({ports[name] for name in group.servers}) > 1:
            raise SpecError(f"the servers {who} of several sites listen at different ports; wanted one")
        for name in group.name_servers:
            if name not in known or name in group.servers:
                raise SpecError(
                    f"the name server of {who} is {name!r}; wanted a host that is none of them",
                    f"Hosts here: {', '.join(known)}.",
                )
        for name in (name for own in group.places for name in own):
            if name not in machines:
                raise unknown(f"machine of the sites of {who}", name, machines)
        if group.name_servers:
            continue
        if len(addresses := {shared.get(name, "") for name in group.servers}) > 1 or "" in addresses:
            raise SpecError(f"the servers {who} share no anycast address that each of them announces by BGP")
        waits = [each.machine for one in bgp for each in one.speakers if each.by_hand]
        if waits != list(group.servers[1:] if group.by_hand else ()):
            raise SpecError(
                f"the speakers that wait for an operator are {' and '.join(waits) or 'none'}; of the servers {who}"
                f" {group.servers[1] if group.by_hand else 'none'} does"
            )


def check_published(firewalls: Sequence[Firewall], servers: Sequence[tuple[str, int]]) -> None:
    """Errors: SpecError for a published service that is not in the subnet inside, or at which nothing listens;
    ``servers`` are the addresses and ports of what does."""
    for group in firewalls:
        who = " and ".join(group.routers)
        for each in group.publishes:
            if ipaddress.ip_address(each.target) not in ipaddress.ip_network(group.inside):
                raise SpecError(
                    f"the firewalls {who} publish {each.target}, which is not in their subnet inside, {group.inside}"
                )
            if (each.target, each.port) not in servers:
                there = ", ".join(f"{address}:{port}" for address, port in servers) or "none"
                raise SpecError(
                    f"the firewalls {who} publish {each.target}:{each.port}, at which nothing listens",
                    f"Services here: {there}.",
                )


def _check_routed(group: Balancer, host: Host, port: int) -> None:
    """A packet that goes to a server as it is reaches it in the balancers' own subnet, at the service's own port."""
    if ipaddress.ip_address(group.address) not in ipaddress.ip_network(host.subnet):
        raise SpecError(
            f"server {host.name!r} is in {host.subnet}, and the service's address is {group.address};"
            " wanted one subnet, with balancer_kind=dr: a packet keeps its destination",
            "Type: --set balancer_kind=nat",
        )
    if port != group.port:
        raise SpecError(
            f"server {host.name!r} listens at port {port}, and the service is at port {group.port};"
            " wanted one port, with balancer_kind=dr: a packet keeps its destination",
        )
