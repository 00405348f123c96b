"""Where packets go from machine to machine, by the subnets that these are in, their gateways and BGP's routes. Pure.

h1 --- segment --- e1 --- segment --- ia --- segment --- x --- segment --- h2
       switches and links that still join interfaces, or one link between two machines
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from testbed.spec import Attachment, Bgp, BgpSession, SwitchSide, Topology, Vrrp, addressing
from testbed.theory import bgp_routes
from testbed.theory.uses import Uses


@dataclass(frozen=True)
class Way:
    """Whether packets arrive; None: it is not known. ``why`` says why not, or why it is not known. ``machines`` are
    those that they pass, from the sender to what has the address, or to the last one before they are lost."""

    connected: bool | None
    why: str = ""
    machines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forwarding(Uses):
    """What remains of a network, seen from its machines."""

    def way(self, sender: str, receiver: str) -> Way:
        """Whether packets that one host sends arrive at the other, once everything has settled."""
        topology = self.topology
        for name in (sender, receiver):
            if name in self.failed or not any(self.segments(name, each) for each in topology.attachments(name)):
                return Way(False, f"{name} has no link left")
        ways = list(self._ways(sender, topology.host(receiver).ip))
        wrong = [way for way in ways if way.connected is not True]
        if not wrong:
            return ways[0]
        lost = len(wrong) == len(ways) and all(way.connected is False for way in ways)
        return Way(False if lost else None, wrong[0].why, wrong[0].machines)

    def passed(self, sender: str, address: str) -> Way:
        """The way of packets to an address, by the first of equal routes."""
        return next(self._ways(sender, address))

    def trail(self, sender: str, to: str) -> tuple[str, ...]:
        """The machines that packets to an address pass (`passed`); empty: they do not arrive."""
        way = self.passed(sender, to)
        return way.machines if way.connected else ()

    def next_hops(self, machine: str, to: str) -> list[str]:
        """The addresses to which a machine hands packets for an address; none: it has no route."""
        return self._hops(machine, "", to)[0]

    def segments(self, machine: str, attachment: Attachment) -> frozenset[str]:
        """The segments that an interface of a machine is in; none if its link does not work, or carries no frames.

        A bond of a host may be in two, where its members lead to parts of a network that failures have separated.
        """
        topology = self.topology
        if machine in self.failed:
            return frozenset()
        if attachment.interface not in topology.ports:
            return self.places_at(machine, attachment.interface)
        link = topology.link_of(attachment.interface)
        if not self.has_carrier(attachment.interface) or link.name in self.silent:
            return frozenset()
        if topology.far(attachment.interface).node in {switch.name for switch in topology.switches}:
            return self.places_at(machine, attachment.interface)
        return frozenset((link.name,))

    def session_up(self, session: BgpSession) -> bool:
        """Whether the two speakers of a session still reach each other in its subnet."""
        one, other = (
            self.segments(name, self.topology.attachment(name, session.subnet)) for name in (session.one, session.other)
        )
        return not one.isdisjoint(other)

    def _in(self, machine: str, vrf: str) -> list[Attachment]:
        """What a machine has in a VRF (empty: in none): a packet that came by one of these goes on by one of these."""
        return [each for each in self.topology.attachments(machine) if each.vrf == vrf]

    def _has(self, machine: str, vrf: str, address: str) -> bool:
        """Whether an address is one of a machine's own, or one that it translates as a firewall."""
        topology = self.topology
        own = {each.ip for each in self._in(machine, vrf)}
        walls = (group for group in topology.firewalls if machine in group.routers)
        published = (each.address for group in walls for each in group.publishes if each.translated)
        return address in {*own, topology.loopback(machine), topology.anycast(machine), *published}

    def _ways(self, machine: str, to: str, before: tuple[str, ...] = (), vrf: str = "") -> Iterator[Way]:
        """The ways of packets from a machine on, where they are in a VRF of it: one by each of equal routes, and at
        least one."""
        machines = (*before, machine)
        if self._has(machine, vrf, to):
            yield Way(True, machines=machines)
            return
        if machine in before:
            yield Way(False, f"packets to {to} go round: {' - '.join(machines)}", machines)
            return
        hops, why = self._hops(machine, vrf, to)
        if not hops:
            yield Way(False, why, machines)
        for hop in hops:
            holder, subnet, lost = self._next(machine, vrf, hop)
            if holder is None:
                yield dataclasses.replace(lost, machines=machines)
            elif hop == to:  # what is master of a virtual address has it
                yield Way(True, machines=(*machines, holder))
            else:
                yield from self._ways(holder, to, machines, self.topology.vrf_in(holder, subnet))

    def _hops(self, machine: str, vrf: str, to: str) -> tuple[list[str], str]:
        """The addresses to which a machine hands a packet next, each in a subnet of its own; none, and why."""
        topology = self.topology
        if any(addressing.inside(to, each.subnet) for each in self._in(machine, vrf)):
            return [to], ""
        if vrf:  # its table has its subnets alone: what would add to it is refused (testbed.spec.routing)
            return [], f"{machine} has no route to {to} in its VRF {vrf}"
        routes = self.routes.get(machine, {})
        fit = [prefix for prefix in routes if addressing.inside(to, prefix)]
        if fit:
            best = max(fit, key=lambda prefix: ipaddress.ip_network(prefix).prefixlen)
            return [path.next_hop for path in routes[best]], ""
        host = next((each for each in topology.hosts if each.name == machine), None)
        if host is not None and host.gateway:
            return [host.gateway], ""
        speaks = any(each.machine == machine for group in topology.bgp for each in group.speakers)
        lone = host is not None and not speaks
        return [], f"{machine} has no gateway" if lone else f"{machine} has no route to {to}"

    def _next(self, machine: str, vrf: str, hop: str) -> tuple[str | None, str, Way]:
        """The machine that has an address in a subnet of this one's, and that subnet; None, and why it has not, or why
        that is not known."""
        own = next(each for each in self._in(machine, vrf) if addressing.inside(hop, each.subnet))
        here = self.segments(machine, own)
        if not here:
            return None, "", Way(False, f"{machine} has lost its link to {own.subnet}")
        holder, why = self._holder(hop, own.subnet, here)
        return holder, own.subnet, Way(None if why else False, why or f"nothing that {machine} reaches has {hop}")

    def _holder(self, address: str, subnet: str, here: frozenset[str]) -> tuple[str | None, str]:
        """The machine in these segments that has an address; None, and why it is not known which it is."""
        if address in self._holders:
            machine, attachment = self._holders[address]
            return (None if here.isdisjoint(self.segments(machine, attachment)) else machine), ""
        group = next((each for each in self.topology.vrrp if each.address_in(subnet) == address), None)
        return (None, "") if group is None else self._master(group, subnet, here)

    @cached_property
    def _holders(self) -> dict[str, tuple[str, Attachment]]:
        """What has each address of an interface."""
        machines = [each.name for each in self.topology.machines()]
        return {each.ip: (name, each) for name in machines for each in self.topology.attachments(name)}

    def _master(self, group: Vrrp, subnet: str, here: frozenset[str]) -> tuple[str | None, str]:
        """The best machine of a group that is left in these segments."""
        topology = self.topology
        for name in group.ranked:
            attached = topology.attachments(name)
            lone = [each.interface for each in attached if each.interface in topology.ports]
            silent = [interface for interface in lone if topology.link_of(interface).name in self.silent]
            if silent:
                return None, f"{name} is not heard by {silent[0]} and goes on as master, beside another one"
            if name in self.failed or not self._fit(name, group, subnet):
                continue
            if not here.isdisjoint(self.segments(name, topology.attachment(name, subnet))):
                return name, ""
        return None, ""

    def _fit(self, name: str, group: Vrrp, subnet: str) -> bool:
        """Whether a machine may be master in a subnet: it has its interface there, and others that it has to follow."""
        watched = [
            each
            for each in self.topology.attachments(name)
            if each.subnet == subnet or (group.follow != "none" and group.address_in(each.subnet))
        ]
        return all(self.carries(name, each.interface) for each in watched)

    @cached_property
    def routes(self) -> dict[str, dict[str, Sequence[bgp_routes.Path]]]:
        """What each BGP speaker uses to each prefix that others announce."""
        found: dict[str, dict[str, Sequence[bgp_routes.Path]]] = {}
        for group in self.topology.bgp:
            up = [session for session in group.sessions if self.session_up(session)]
            own = {each.machine: self._own(each.machine, each.prefixes) for each in group.speakers}
            settled = bgp_routes.settled(self.topology, group, up, own)
            found |= {machine: dict(routes) for machine, routes in settled.items()}
        return found

    def _own(self, machine: str, announces: Sequence[str]) -> list[str]:
        """The prefixes that a speaker announces now: a subnet of an interface goes with its carrier."""
        attached = {each.subnet: each.interface for each in self.topology.attachments(machine)}
        return [each for each in announces if each not in attached or self.carries(machine, attached[each])]

    def lost_sessions(self) -> list[tuple[Bgp, BgpSession]]:
        """The sessions that failures have ended."""
        return [(group, each) for group in self.topology.bgp for each in group.sessions if not self.session_up(each)]

    def sees(self, session: BgpSession, machine: str) -> bool:
        """Whether a speaker of a session learns by its own carrier that it has ended."""
        own = self.topology.attachment(machine, session.subnet)
        return not self.carries(machine, own.interface)


def without(topology: Topology, *failed: str) -> Forwarding:
    """A network without these elements, by its machines alone: no switch forwards by a controller."""
    return Forwarding(topology, frozenset(failed), frozenset(), SwitchSide(), None)
