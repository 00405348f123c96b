"""Which hosts must still reach each other when elements of the network have failed, and how soon: from the spec alone.

    spec, failed elements --> remaining links --> parts of the network, each still connected
                              members that each bond uses --> the parts in which a host sends, and can be reached

Two hosts reach each other if every frame that either sends, by whichever member, arrives. A bond works as bonding.rst
says of its mode, a LAG as IEEE 802.1AX-2014, clause 6 says, and our switches without their controller by groups that
watch their ports (docs/lacp.md). Where none of these decides, the answer is None: not known.

What an element is: testbed.faults.elements.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from testbed import theory
from testbed.errors import unknown
from testbed.faults.catalogue import CONTROLLER
from testbed.spec import STATIC_LAG_MODES, Bond, Host, Lag, Link, SwitchSide, Topology
from testbed.theory import parting

Pair = tuple[str, str]


@dataclass(frozen=True)
class Expectation:
    """What theory says of two hosts: whether they reach each other, and after which outage; None: it does not say."""

    connected: bool | None
    bound: theory.OutageBound | None


def expected(
    topology: Topology,
    failed: Iterable[str],
    *,
    side: SwitchSide = SwitchSide(),
    silent: Iterable[str] = (),
    controller_down_s: float | None = None,
) -> dict[Pair, Expectation]:
    """What theory says of every two hosts, in the order of the spec, once the network has settled.

    ``failed`` elements are down and their neighbours lose carrier; ``silent`` links lose all frames and keep their
    carrier. A failed controller is back after ``controller_down_s``, or (None) never. Errors: SpecError for an unknown
    element.
    """
    if topology.switches and not side.known:
        pairs = itertools.combinations((host.name for host in topology.hosts), 2)
        return dict.fromkeys(pairs, Expectation(None, None))
    left = _Remains(topology, frozenset(failed), frozenset(silent), side, controller_down_s)
    pairs = itertools.combinations((host.name for host in topology.hosts), 2)
    return {(a, b): Expectation(left.connected(a, b), left.bound(a, b)) for a, b in pairs}


def between(found: Mapping[Pair, Expectation], a: str, b: str) -> Expectation:
    """What is expected of two hosts, named in either order."""
    return found[(a, b) if (a, b) in found else (b, a)]


def must_connect(found: Mapping[Pair, Expectation], hosts: Iterable[str]) -> bool | None:
    """Whether all of these hosts must still reach each other; None if theory does not say."""
    wanted = set(hosts)
    said = [each.connected for pair, each in found.items() if wanted.issuperset(pair)]
    return None if None in said and False not in said else all(said)


def longest_bound(found: Mapping[Pair, Expectation], hosts: Iterable[str]) -> theory.OutageBound | None:
    """The longest outage between any two of these hosts; None where one pair has no bound."""
    wanted = set(hosts)
    bounds = [each.bound for pair, each in found.items() if wanted.issuperset(pair)]
    known = [bound for bound in bounds if bound is not None]
    return max(known, key=lambda bound: bound.limit_s) if known and len(known) == len(bounds) else None


def agrees(expectation: bool | None, seen: bool) -> bool | None:
    """Whether the observation is as expected; None where theory expects nothing."""
    return None if expectation is None else expectation == seen


@dataclass(frozen=True)
class _Use:
    """A host as the network sees it: the parts in which it sends, and those in which it can be reached.

    ``copies``: every part gets a copy of every frame, so one that arrives is enough.
    """

    sends: frozenset[str]
    takes: frozenset[str]
    copies: bool = False


@dataclass(frozen=True)
class _Remains:
    """What remains of a network after failures."""

    topology: Topology
    failed: frozenset[str]
    silent: frozenset[str]
    side: SwitchSide
    controller_down_s: float | None

    def __post_init__(self) -> None:
        known = {*self.topology.nodes(), *(link.name for link in self.topology.links), CONTROLLER}
        known |= {i for link in self.topology.links for i in (link.a_interface, link.b_interface)}
        for name in sorted(self.failed | self.silent):
            if name not in known:
                raise unknown("element", name, known)

    # --- links ----------------------------------------------------------------------------------------------

    def _up(self, link: Link) -> bool:
        """Whether the link has carrier, and both its nodes live."""
        return self.failed.isdisjoint((link.name, link.a, link.b, link.a_interface, link.b_interface))

    def _lag(self, port: str) -> Lag | None:
        return self.topology.ports[port].lag

    def _negotiates(self, lag: Lag | None) -> bool:
        return lag is not None and lag.lacp != "off" and self.side.negotiates

    def _works(self, link: Link) -> bool:
        """Whether the link is in use and carries frames: LACP at its ends takes a silent one out of use."""
        if not self._up(link):
            return False
        if link.name not in self.silent:
            return True
        return not all(self._detected(i) for i in (link.a_interface, link.b_interface))

    def _detected(self, interface: str) -> bool:
        """Whether LACP at this end of a link takes it out of use when it loses all frames."""
        owner = next((host for host in self.topology.hosts if host.name == self.topology.owner(interface)), None)
        if owner is not None:
            return owner.bond is not None and owner.bond.mode == "802.3ad" and self._answered(owner.bond)
        return self._negotiates(self._lag(interface))

    @cached_property
    def _part(self) -> dict[str, str]:
        """For each living switch a switch that stands for the part of the network that it is in: the first of it."""
        switches = [switch.name for switch in self.topology.switches if switch.name not in self.failed]
        part = {name: name for name in switches}
        for link in self.topology.links:
            if link.a in part and link.b in part and self._works(link) and self._enough(link):
                here, there = part[link.a], part[link.b]
                first = min(here, there, key=switches.index)
                part = {name: first if found in (here, there) else found for name, found in part.items()}
        return part

    def _enough(self, link: Link) -> bool:
        """Whether the LAGs at both ends have as many links as they want (IEEE 802.1AX-2014, min_links is ours)."""
        for port in (link.a_interface, link.b_interface):
            lag = self._lag(port)
            if lag is not None and self.side.lags:
                live = sum(self._works(self.topology.link_of(each)) for each in lag.ports)
                if live < lag.min_links:
                    return False
        return True

    @cached_property
    def _chosen(self) -> dict[str, str]:
        """The part of the network in which our controller keeps each LAG."""
        return parting.chosen(self.topology, self._part, self._in_use, self._moves)

    def _in_use(self, port: str) -> bool:
        """Whether a switch port has carrier and, where LACP watches it, hears a partner."""
        link = self.topology.link_of(port)
        return self._works(link) if self._negotiates(self._lag(port)) else self._up(link)

    def _moves(self, lag: Lag, port: str) -> bool:
        """Whether our controller may take the port out of its LAG for the sake of a better part."""
        return self._negotiates(lag) and parting.may_leave(self.topology, port)

    # --- hosts ----------------------------------------------------------------------------------------------

    def _ends(self, host: Host) -> list[tuple[str, str]]:
        """The host's interfaces whose links work, each with the node at the far end."""
        own = host.bond.members if host.bond else self.topology.interfaces(host.name)
        links = [(i, self.topology.link_of(i)) for i in own]
        return [(i, link.other(i)[0]) for i, link in links if self._works(link)]

    def _answered(self, bond: Bond) -> bool:
        """Whether the bond's members have one LACP partner."""
        far = {self.topology.link_of(member).other(member)[1] for member in bond.members}
        others = [host.bond for host in self.topology.hosts if host.bond and host.bond.mode == "802.3ad"]
        if any(far <= set(other.members) for other in others):
            return True
        return any(self._negotiates(lag) and far <= set(lag.ports) for lag in self.topology.lags)

    def _active(self, bond: Bond, usable: list[str]) -> str:
        """The member that the driver makes active (bonding.rst, "primary"): the primary, or the first usable."""
        return bond.primary if bond.primary in usable else usable[0]

    def _use(self, host: Host) -> _Use | None:
        """Where the host sends and can be reached; None if nowhere."""
        ends = {i: self._part[node] for i, node in self._ends(host) if node in self._part}
        if host.name in self.failed or not ends:
            return None
        bond, parts = host.bond, frozenset(ends.values())
        if bond is None:
            return _Use(parts, parts)
        if bond.mode in ("active-backup", "balance-tlb") or (bond.mode == "802.3ad" and not self._answered(bond)):
            active = frozenset({ends[self._active(bond, list(ends))]})
            return _Use(parts if bond.mode == "balance-tlb" else active, active)
        lag = self._lag(self.topology.link_of(bond.members[0]).other(bond.members[0])[1])
        if lag is not None and self.side.lags:
            place = self._chosen.get(lag.name)
            ends = {i: part for i, part in ends.items() if part == place or not self._moves(lag, self._far(i))}
            if len(ends) < lag.min_links:
                return None
        if bond.mode == "802.3ad" and len(ends) < bond.min_links:
            return None
        parts = frozenset(ends.values())
        return _Use(parts, parts, copies=bond.mode == "broadcast")

    def _far(self, interface: str) -> str:
        """The port at the far end of an interface's link."""
        return self.topology.link_of(interface).other(interface)[1]

    # --- pairs ----------------------------------------------------------------------------------------------

    def connected(self, a: str, b: str) -> bool | None:
        """Whether the two hosts must reach each other, both ways; None if theory does not say."""
        one, other = self.topology.host(a), self.topology.host(b)
        direct = [link for link in self.topology.links if {link.a, link.b} == {a, b}]
        if direct:
            return self._directly(one, other, direct)
        uses = self._use(one), self._use(other)
        if uses[0] is None or uses[1] is None:
            return False
        if any(
            h.bond and h.bond.mode == "balance-alb" and len(use.sends) > 1
            for h, use in ((one, uses[0]), (other, uses[1]))
        ):
            return None  # each of its peers knows the address of one member; it is not known which
        if not (self._reaches(uses[0], uses[1]) and self._reaches(uses[1], uses[0])):
            return False
        watched = [self._watched(host) for host in (one, other)]
        if False in watched:
            return False
        if None in watched:
            return None
        if CONTROLLER in self.failed and self.side.controller:
            return self._without_controller(one, other)
        return self._despite_silence(one, other)

    def _watched(self, host: Host) -> bool | None:
        """Whether the host's ARP monitor, if it has one, still gets answers: without any it takes all members down.

        With arp_validate only targets answer (arp_all_targets: one of them, or all). Without it any frame counts, and
        whether others send any is not known (bonding.rst).
        """
        bond = host.bond
        targets = self.topology.monitored(host.name) if bond is not None and bond.arp_interval_ms else ()
        if bond is None or not targets:
            return True
        own = {self._part.get(node) for _, node in self._ends(host)} - {None}
        known = {other.ip: other for other in self.topology.hosts}
        alive = [ip not in known or self._within(known[ip], own) for ip in targets]
        if all(alive) or (any(alive) and bond.arp_all_targets == "any"):
            return True
        return False if bond.arp_validate in ("active", "all", "filter_active") else None

    def _within(self, target: Host, parts: set[str | None]) -> bool:
        """Whether a host is up and has a link to one of these parts."""
        return target.name not in self.failed and any(self._part.get(node) in parts for _, node in self._ends(target))

    def _reaches(self, sender: _Use, receiver: _Use) -> bool:
        if sender.copies:
            return not sender.sends.isdisjoint(receiver.takes)
        return sender.sends <= receiver.takes

    def _directly(self, one: Host, other: Host, links: list[Link]) -> bool | None:
        """Two hosts joined without a switch."""
        if not self.failed.isdisjoint((one.name, other.name)):
            return False
        usable = [link for link in links if self._works(link)]
        if not usable or any(host.bond and len(usable) < host.bond.min_links for host in (one, other)):
            return False
        if one.bond is None or other.bond is None or one.bond.mode != other.bond.mode:
            return None if one.bond or other.bond else True
        if one.bond.mode == "active-backup":
            active = [
                self.topology.link_of(self._active(host.bond, [link.end(host.name) for link in usable]))
                for host in (one, other)
                if host.bond
            ]
            return active[0] == active[1] and active[0].name not in self.silent
        return self._despite_silence(one, other)

    def _despite_silence(self, one: Host, other: Host) -> bool | None:
        """Whether silent links that no mechanism takes out of use separate two hosts that are otherwise connected."""
        hashed = False
        for host in (one, other):
            links = [self.topology.link_of(i) for i, _ in self._ends(host)]
            lost = [link for link in links if link.name in self.silent]
            if not lost:
                continue
            if host.bond is not None and host.bond.mode == "broadcast":
                hashed = True  # what it sends goes every way; what the switch sends it, the way that a hash says
                continue
            if host.bond is not None and theory.failover_bound(host.bond, "silent_loss", lacp=False) is not None:
                continue  # its ARP monitor detects it
            if host.bond is None or host.bond.mode not in ("active-backup", "balance-tlb"):
                return False
            if self.topology.link_of(self._active(host.bond, [link.end(host.name) for link in links])) in lost:
                return False
        between = [link for link in self.topology.links if {link.a, link.b} <= self._part.keys()]
        return None if hashed or any(link.name in self.silent and self._works(link) for link in between) else True

    def _without_controller(self, one: Host, other: Host) -> bool | None:
        """The switches forward by the flows they have; a group avoids a port that is down; nothing else changes."""
        for host in (one, other):
            bond = host.bond
            if bond is not None and bond.mode == "802.3ad" and self._answered(bond) and len(bond.members) > 1:
                expiry = theory.bonding_lacp_bound(bond.lacp_rate)
                gone_s = float("inf") if self.controller_down_s is None else self.controller_down_s
                if gone_s > expiry.low_s:
                    return False if gone_s > expiry.limit_s and self._splits(bond) else None
        others = self.failed - {CONTROLLER}
        if not others and not self.silent:
            return True
        members = {
            name
            for host in self.topology.hosts
            if host.bond and (host.bond.mode == "802.3ad" or host.bond.mode in STATIC_LAG_MODES)
            for member in host.bond.members
            for name in (member, self.topology.link_of(member).name)
        }
        return True if others <= members and not self.silent else None

    def _parted(self, bond: Bond) -> bool:
        """Whether the bond has working links that our controller takes out of the LAG by LACP."""
        lag = self._lag(self._far(bond.members[0]))
        if lag is None:
            return False
        live = [port for port in map(self._far, bond.members) if self.topology.owner(port) in self._part]
        held = [port for port in live if self._moves(lag, port) and self._in_use(port)]
        return any(self._part[self.topology.owner(port)] != self._chosen.get(lag.name) for port in held)

    def _splits(self, bond: Bond) -> bool:
        """Whether flows are lost once the bond has no LACP partner any more: it receives on one member only, unless
        all_slaves_active (bonding.rst), but each switch still sends to it on all that it has of the LAG.
        """
        far = Counter(self.topology.link_of(member).other(member)[0] for member in bond.members)
        return min(far.values()) > 1 and not bond.all_slaves_active

    def bound(self, a: str, b: str) -> theory.OutageBound | None:
        """The longest outage that these failures may cause between two hosts that still reach each other."""
        bounds: list[theory.OutageBound | None] = [theory.OutageBound(0.0, 0.0, "the switches react at once")]
        for name in (a, b):
            bond = self.topology.host(name).bond
            if bond is None:
                continue
            links = [self.topology.link_of(member) for member in bond.members]
            answered = self._answered(bond)
            lag = self._lag(links[0].other(bond.members[0])[1])
            lags = self.side.lags and lag is not None
            lag_rate = lag.rate if lag is not None else ""
            if any(not self._up(link) for link in links):
                bounds.append(theory.failover_bound(bond, "carrier_loss", lacp=answered, lags=lags))
            if self._parted(bond):
                bounds.append(theory.excluded_bound(quiet=len(self.failed | self.silent) == 1))
            if any(link.name in self.silent for link in links):
                bounds.append(theory.failover_bound(bond, "silent_loss", lacp=answered, lag_rate=lag_rate))
        known = [bound for bound in bounds if bound is not None]
        return max(known, key=lambda bound: bound.limit_s) if len(known) == len(bounds) else None
