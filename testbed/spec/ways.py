"""Whether the ways of a host that uses several at once are apart, as its mode wants them. Pure.

    PRP   h1 A ---- (LAN A) ---- A h2        HSR   h1 A ---- B n1 A ---- B h2        a ring of HSR nodes alone
             B ---- (LAN B) ---- B                    B ---- A n2 B ---- A

A LAN is what the switches join; a link between two hosts is one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from testbed.errors import SpecError
from testbed.spec.host import Host
from testbed.spec.link import Link, Port
from testbed.spec.switch import Switch

#: Both ends of every link by their interface.
Ports = Mapping[str, Port]


def check(hosts: Sequence[Host], switches: Iterable[Switch], ports: Ports) -> None:
    """Errors: SpecError for a host whose ways are not apart, or that has others between them than its mode wants."""
    for mode, checked in (
        ("prp", _check_lans),
        ("hsr", _check_ring),
        ("ecmp", _check_routed),
        ("mptcp", _check_routed),
    ):
        if any(host.bond is not None and host.bond.mode == mode for host in hosts):
            checked(hosts, switches, ports)


def lans(switches: Iterable[Switch], links: Iterable[Link]) -> dict[str, frozenset[str]]:
    """For each switch the switches of its LAN: those that links between switches join, itself among them."""
    part = {switch.name: frozenset({switch.name}) for switch in switches}
    for link in links:
        if link.a in part and link.b in part and part[link.a] != part[link.b]:
            both = part[link.a] | part[link.b]
            part |= dict.fromkeys(both, both)
    return part


def _lan(part: Mapping[str, frozenset[str]], port: Port, ports: Ports) -> frozenset[str]:
    """The LAN that a host's port leads to, by what is in it."""
    return part.get(ports[port.far].node, frozenset({port.link.a_interface, port.link.b_interface}))


def _check_lans(hosts: Sequence[Host], switches: Iterable[Switch], ports: Ports) -> None:
    """LANs A and B of PRP are independent, and port A of every node is on LAN A (IEC 62439-3, 4.1)."""
    part = lans(switches, [port.link for port in ports.values()])
    side: dict[frozenset[str], tuple[int, str]] = {}
    for host in hosts:
        if host.bond is None or host.bond.mode != "prp":
            continue
        for place, member in enumerate(host.bond.members):
            link = ports[member].link
            lan = _lan(part, ports[member], ports)
            if lan in side and side[lan][0] != place:
                other = side[lan][1]
                what = " and ".join(sorted(lan)) if lan & part.keys() else f"the link {link.name}"
                raise SpecError(
                    f"mode prp: {other} and {member} are both in the network of {what}, but one is port"
                    f" {'AB'[1 - place]} and the other port {'AB'[place]}; LANs A and B are independent, and port A of"
                    " every node is in LAN A (IEC 62439-3, 4.1)",
                    "For example: --topology two_ways",
                )
            side.setdefault(lan, (place, member))


def _check_routed(hosts: Sequence[Host], switches: Iterable[Switch], ports: Ports) -> None:
    """Every host is a router for itself, and its member of a place is in the subnet of that place."""
    part = lans(switches, [port.link for port in ports.values()])
    mode = next(host.bond.mode for host in hosts if host.bond is not None and host.bond.driver in ("nexthop", "mptcp"))
    first: dict[int, tuple[frozenset[str], str]] = {}
    for host in hosts:
        if host.bond is None or host.bond.mode != mode:
            what = f"mode {host.bond.mode}" if host.bond else "one link"
            raise SpecError(
                f"mode {mode}: host {host.name} has {what}, and no address on the other hosts' ways",
                "For example: --topology two_ways",
            )
        if host.ip_version != 4 or host.vlan:
            what = "IPv6" if host.ip_version == 6 else f"VLAN {host.vlan}"
            raise SpecError(
                f"mode {mode} is here for IPv4 without a VLAN, not for {what}: each way has a subnet of its own",
                "Leave ip and vlan out.",
            )
        for place, member in enumerate(host.bond.members):
            lan = _lan(part, ports[member], ports)
            there, other = first.setdefault(place, (lan, member))
            if lan != there:
                raise SpecError(
                    f"mode {mode}: {other} and {member} have one place among the members of their hosts, but not one"
                    " network: each way is a subnet of its own",
                    "For example: --topology two_ways",
                )
        if len(host.bond.members) != len(first):
            raise SpecError(
                f"mode {mode}: host {host.name} has {len(host.bond.members)} ways, and another host {len(first)}",
                "Give every host as many.",
            )


def _check_ring(hosts: Sequence[Host], switches: Iterable[Switch], ports: Ports) -> None:
    """An HSR ring has HSR nodes only: a switch would learn each address from both directions (IEC 62439-3, 5.1)."""
    del switches
    ring = [
        member for host in hosts if host.bond is not None and host.bond.mode == "hsr" for member in host.bond.members
    ]
    for member in ring:
        far = ports[ports[member].far]
        if far.interface not in ring:
            raise SpecError(
                f"mode hsr: {member} leads to {far.node}, which is no HSR node; a ring of HSR has no others"
                " (IEC 62439-3, 5.1)",
                "For example: --topology two_ways, or --topology back_to_back",
            )
