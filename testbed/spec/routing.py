"""Whether the subnets of a network fit together: routers with their interfaces, gateways, virtual addresses. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from testbed.errors import SpecError, unknown
from testbed.spec.firewall import Firewall
from testbed.spec.host import Host
from testbed.spec.router import Router
from testbed.spec.vrrp import Vrrp


def addresses(hosts: Sequence[Host], routers: Sequence[Router], vrrp: Sequence[Vrrp]) -> list[str]:
    """Every address that something has, without its prefix length."""
    virtual = [ip for group in vrrp for ip in group.ips]
    return [host.ip for host in hosts] + [own.ip for router in routers for own in router.attachments] + virtual


def check(
    hosts: Sequence[Host], routers: Sequence[Router], vrrp: Sequence[Vrrp], interfaces: Mapping[str, Sequence[str]]
) -> None:
    """Errors: SpecError for what does not fit; ``interfaces`` are those of each node."""
    for router in routers:
        own = interfaces.get(router.name, ())
        for attachment in router.attachments:
            if attachment.interface not in own:
                raise unknown(f"interface of router {router.name!r}", attachment.interface, own)
        for interface in own:
            if interface not in {each.interface for each in router.attachments}:
                raise SpecError(f"interface {interface} of router {router.name!r} has no address; wanted one on each")
    known = {router.name: router for router in routers}
    for group in vrrp:
        for name in group.routers:
            if name not in known:
                raise unknown("router of a VRRP group", name, known)
        _check_subnets(group, [known[name] for name in group.routers])
    gateways = set(addresses((), routers, vrrp))
    for host in hosts:
        if host.gateway and host.gateway not in gateways:
            raise SpecError(
                f"gateway {host.gateway} of host {host.name!r} is the address of no router, and no virtual address",
                f"Addresses of routers here: {', '.join(sorted(gateways)) or 'none'}.",
            )


def check_firewalls(routers: Sequence[Router], vrrp: Sequence[Vrrp], firewalls: Sequence[Firewall]) -> None:
    """Errors: SpecError for firewalls that are not two routers, of one VRRP group, in all subnets that they need."""
    known = {router.name: router for router in routers}
    for group in firewalls:
        who = " and ".join(group.routers)
        for name in group.routers:
            if name not in known:
                raise unknown("router of a group of firewalls", name, known)
            own = [each.subnet for each in known[name].attachments]
            for subnet in (group.inside, group.outside, *([group.apart] if group.sync != "none" else [])):
                if subnet not in own:
                    raise unknown(f"subnet of firewall {name!r}", subnet, own)
        if len(group.routers) != 2 and group.sync != "none":
            raise SpecError(
                f"the firewalls {who} are {len(group.routers)}; wanted two: conntrackd shares with one other",
                "Type: --set firewall_sync=none",
            )
        if group.nat and not any(set(each.routers) == set(group.routers) for each in vrrp):
            raise SpecError(f"the firewalls {who} are no VRRP group, so there is no virtual address to translate to")


def _check_subnets(group: Vrrp, routers: Sequence[Router]) -> None:
    """Each virtual address is in a subnet that every router of the group is in (RFC 5798, 5.2.9)."""
    for address in group.addresses:
        virtual = ipaddress.ip_interface(address)
        for router in routers:
            own = [ipaddress.ip_interface(each.address).network for each in router.attachments]
            if virtual.network not in own:
                raise SpecError(
                    f"virtual address {address} is in no subnet of router {router.name!r}, which has"
                    f" {', '.join(map(str, own))}",
                    "A virtual address is in a subnet that all routers of its group are in.",
                )
