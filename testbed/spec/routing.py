"""Whether the subnets of a network fit together: routers with their interfaces, gateways, virtual addresses. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from testbed.errors import SpecError, unknown
from testbed.spec import validation
from testbed.spec.bgp import Bgp, BgpSpeaker
from testbed.spec.firewall import Firewall
from testbed.spec.host import Host
from testbed.spec.router import Attachment, Router
from testbed.spec.vrrp import Vrrp


def addresses(hosts: Sequence[Host], routers: Sequence[Router], vrrp: Sequence[Vrrp]) -> list[str]:
    """Every address that something has, without its prefix length; a host that forwards has its own once."""
    virtual = [ip for group in vrrp for ip in group.ips]
    own = {(host.name, host.ip) for host in hosts}
    more = [each.ip for router in routers for each in router.attachments if (router.name, each.ip) not in own]
    return [host.ip for host in hosts] + more + virtual


def check(
    hosts: Sequence[Host], routers: Sequence[Router], vrrp: Sequence[Vrrp], interfaces: Mapping[str, Sequence[str]]
) -> None:
    """Errors: SpecError for what does not fit; ``interfaces`` are those of each node."""
    known = {host.name: host for host in hosts}
    validation.unique("names of routers", [router.name for router in routers])
    for router in routers:
        if len(router.attachments) < 2 and not (router.name in known and known[router.name].bond is None):
            number = "one subnet" if router.attachments else "no subnet"
            raise SpecError(f"router {router.name!r} is in {number}; wanted two or more to forward between")
        _check_vrfs(router, known, vrrp, interfaces.get(router.name, ()))
        if router.name in known:
            _check_forwarding(known[router.name], router)
            if not known[router.name].loopback:
                continue
        own = interfaces.get(router.name, ())
        for attachment in router.attachments:
            if attachment.interface not in own:
                raise unknown(f"interface of router {router.name!r}", attachment.interface, own)
        for interface in own:
            if interface not in {each.interface for each in router.attachments}:
                raise SpecError(f"interface {interface} of router {router.name!r} has no address; wanted one on each")
    subnets = {host.name: [host.subnet] for host in hosts}
    subnets |= {router.name: [each.subnet for each in router.attachments] for router in routers}
    for group in vrrp:
        for name in group.routers:
            if name not in subnets:
                raise unknown("router of a VRRP group", name, subnets)
        _check_subnets(group, subnets)
    _check_identifiers(vrrp)
    _check_shared(routers, vrrp)
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
        if group.nat and any(each.bfd_ms and set(each.routers) == set(group.routers) for each in vrrp):
            raise SpecError(
                f"vrrp_bfd_ms on the firewalls {' and '.join(group.routers)}, which translate addresses: their BFD"
                " packets leave outside from an address inside, and would be translated, too",
                "Type: --set firewall_nat=false, or leave vrrp_bfd_ms out.",
            )
        if group.nat and not any(set(each.routers) == set(group.routers) for each in vrrp):
            raise SpecError(f"the firewalls {who} are no VRRP group, so there is no virtual address to translate to")


def check_bgp(groups: Sequence[Bgp], attached: Mapping[str, Sequence[Attachment]], vrrp: Sequence[Vrrp]) -> None:
    """Errors: SpecError for speakers that are no machine, sessions in no subnet of both, next hops that no machine
    has; ``attached`` is what each machine has on its interfaces."""
    speakers = [speaker for group in groups for speaker in group.speakers]
    validation.unique("machines that speak BGP", [speaker.machine for speaker in speakers])
    for speaker in speakers:
        if speaker.machine not in attached:
            raise unknown("machine that speaks BGP", speaker.machine, attached)
    for group in groups:
        for session in group.sessions:
            for name in (session.one, session.other):
                own = [each.subnet for each in attached[name]]
                if session.subnet not in own:
                    raise unknown(f"subnet of a BGP session of {name!r}", session.subnet, own)
                if ipaddress.ip_network(session.subnet).version != 4:
                    raise SpecError(f"a BGP session of {name!r} is in {session.subnet}; wanted IPv4")
        for speaker in group.speakers:
            own = [each.subnet for each in attached[speaker.machine]]
            if group.daemon == "frr" and (others := [each for each in speaker.announces if each not in own]):
                raise SpecError(
                    f"bgp_daemon is frr, and {speaker.machine!r} announces {', '.join(others)}, in which it has no"
                    " interface; wanted subnets of its interfaces",
                    "Type: --set bgp_daemon=bird",
                )
            if speaker.next_hop:
                _check_next_hop(group, speaker, attached, vrrp)


def _check_vrfs(router: Router, hosts: Mapping[str, Host], vrrp: Sequence[Vrrp], interfaces: Sequence[str]) -> None:
    """Errors: SpecError for VRFs on a host, with the name of an interface, with one subnet, or that a group is in two
    of."""
    for vrf in router.vrfs:
        if router.name in hosts:
            raise SpecError(
                f"router {router.name!r} is a host, and has a VRF, {vrf!r}: its daemons and its own traffic know one"
                " routing table",
                "VRFs are for routers that are nodes of their own.",
            )
        if vrf in interfaces or vrf == "lo":
            raise SpecError(f"VRF {vrf!r} of router {router.name!r} has the name of an interface; wanted another")
        own = [each for each in router.attachments if each.vrf == vrf]
        if len(own) < 2:
            raise SpecError(f"VRF {vrf!r} of router {router.name!r} has one interface; wanted two to forward between")
    table = {each.subnet: each.vrf for each in router.attachments}
    for group in vrrp:
        subnets = [str(ipaddress.ip_interface(each).network) for each in group.addresses]
        found = {table[each] for each in subnets if each in table}
        if router.name in group.routers and len(found) > 1:
            raise SpecError(
                f"the VRRP group of {', '.join(group.addresses)} is in several VRFs of router {router.name!r}:"
                f" {', '.join(sorted(each or 'none' for each in found))}; wanted one group for each"
            )


def _check_shared(routers: Sequence[Router], vrrp: Sequence[Vrrp]) -> None:
    """Errors: SpecError for groups of one machine that its one keepalived does not tell apart, or in which it differs
    in what it has once."""
    found: dict[str, tuple[int, float]] = {}
    subnets: set[tuple[str, str]] = set()
    tables = {router.name: router.attachments for router in routers}
    for group in vrrp:
        for name in group.routers:
            own_subnets = {(name, str(ipaddress.ip_interface(each).network)) for each in group.addresses}
            if both := sorted(own_subnets & subnets):
                raise SpecError(
                    f"router {name!r} is in two VRRP groups in {both[0][1]}; wanted one: keepalived's instances have"
                    " the names of interfaces here"
                )
            subnets |= own_subnets
            if group.bfd_ms and (name in found or any(each.vrf for each in tables.get(name, ()))):
                raise SpecError(
                    f"vrrp_bfd_ms is {group.bfd_ms}, and router {name!r} is in several VRRP groups, or in VRFs:"
                    " keepalived has its BFD sessions in the usual routing table, one with each router",
                    "Type: --set vrrp_bfd_ms=0, or --set tenants=1",
                )
            own = group.refresh_s, group.startup_delay_s
            if found.setdefault(name, own) != own:
                raise SpecError(
                    f"router {name!r} is in VRRP groups with different vrrp_refresh_s or vrrp_startup_delay_s; wanted"
                    " the same: its keepalived has one of each (keepalived.conf(5), global definitions)"
                )


def check_one_table(routers: Sequence[Router], others: Mapping[str, str]) -> None:
    """Errors: SpecError for a router with VRFs that is something else besides: ``others`` has what, by its name."""
    for router in routers:
        if router.vrfs and router.name in others:
            raise SpecError(
                f"router {router.name!r} has VRFs, and is a {others[router.name]}, which knows one routing table",
                "Leave the VRFs out, or give that to another machine.",
            )


def _check_next_hop(
    group: Bgp, speaker: BgpSpeaker, attached: Mapping[str, Sequence[Attachment]], vrrp: Sequence[Vrrp]
) -> None:
    """A next hop is an address that something has, in the subnet of a session of the speaker (RFC 4271, 5.1.3)."""
    known = {ip for found in vrrp for ip in found.ips} | {each.ip for own in attached.values() for each in own}
    sessions = group.of(speaker.machine)
    if speaker.next_hop not in known or not any(speaker.next_hop_in(session.subnet) for session in sessions):
        raise SpecError(
            f"next hop {speaker.next_hop!r} of BGP speaker {speaker.machine!r} is no address that something has in the"
            " subnet of one of its sessions",
            f"Its sessions are in {', '.join(session.subnet for session in sessions)}.",
        )


def _check_forwarding(host: Host, router: Router) -> None:
    """A host that forwards has a bond, its own address, and each other subnet on a VLAN of the bond; or its address on
    its loopback interface, and links as a router has."""
    if host.loopback:
        return
    if host.bond is None or host.bond.driver not in ("bonding", "team"):
        mode = host.bond.mode if host.bond else "none"
        raise SpecError(f"router {router.name!r} is a host with mode={mode}, on which there are no VLANs")
    own = host.on(host.bond.name)
    for each in router.attachments:
        bond, _, vlan = each.interface.partition(".")
        if each.interface == own and each.address != host.address:
            raise SpecError(f"router {router.name!r} has {each.address} on {own}; as a host it has {host.address}")
        if each.interface != own and (bond != host.bond.name or not vlan.isdecimal() or not 1 <= int(vlan) <= 4094):
            raise SpecError(
                f"interface {each.interface!r} of router {router.name!r} is no VLAN on its bond",
                f"For example: {host.bond.name}.2",
            )
    if own not in {each.interface for each in router.attachments}:
        raise SpecError(f"router {router.name!r} lacks the address that it has as a host: {host.address} on {own}")


def _check_identifiers(vrrp: Sequence[Vrrp]) -> None:
    """In one subnet each virtual router has an identifier of its own, by which routers know what is said to them
    (RFC 5798, 5.2.3)."""
    found: dict[tuple[str, int], str] = {}
    for group in vrrp:
        for address, identifier in zip(group.addresses, group.identifiers, strict=True):
            place = str(ipaddress.ip_interface(address).network), identifier
            if place in found:
                raise SpecError(
                    f"the virtual addresses {found[place]} and {address} both have the virtual router identifier"
                    f" {identifier} in {place[0]}; wanted two different ones (RFC 5798, 5.2.3)",
                    "Give one of the groups another: VrrpOptions.over(..., first_id=61).",
                )
            found[place] = address


def _check_subnets(group: Vrrp, subnets: Mapping[str, Sequence[str]]) -> None:
    """Each virtual address is in a subnet that every router of the group is in (RFC 5798, 5.2.9)."""
    for address in group.addresses:
        virtual = ipaddress.ip_interface(address)
        for name in group.routers:
            if str(virtual.network) not in subnets[name]:
                raise SpecError(
                    f"virtual address {address} is in no subnet of router {name!r}, which has"
                    f" {', '.join(subnets[name])}",
                    "A virtual address is in a subnet that all routers of its group are in.",
                )
