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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from testbed import theory
from testbed.faults.catalogue import CONTROL, CONTROLLER
from testbed.spec import STATIC_LAG_MODES, Bond, Host, Link, SwitchSide, Topology
from testbed.theory import gateways, routed, seamless, separate, trunks, ways
from testbed.theory.forwarding import Forwarding
from testbed.theory.uses import Use

Pair = tuple[str, str]


@dataclass(frozen=True)
class Expectation:
    """What theory says of two hosts: whether they reach each other, and after which outage; None: it does not say.

    The ``bound`` holds if they reach each other: where that is not known, the outage is not known either. ``why`` is
    the reason if they do not, or may not, where it is another than that no path is left. ``doubt`` is why theory does
    not say whether they do.
    """

    connected: bool | None
    bound: theory.OutageBound | None
    why: str = ""
    doubt: str = ""


def expected(
    topology: Topology,
    failed: Iterable[str],
    *,
    side: SwitchSide = SwitchSide(),
    silent: Iterable[str] = (),
    controller_down_s: float | None = None,
    pairs: Iterable[Pair] | None = None,
) -> dict[Pair, Expectation]:
    """What theory says of every two hosts, in the order of the spec, or of ``pairs``, once the network has settled.

    ``failed`` elements are down and their neighbours lose carrier; ``silent`` links lose all frames and keep their
    carrier. A failed controller is back after ``controller_down_s``, or (None) never. Errors: SpecError for an unknown
    element.
    """
    if topology.switches and not side.known:
        pairs = itertools.combinations((host.name for host in topology.hosts), 2)
        return dict.fromkeys(pairs, Expectation(None, None))
    left = Remains(topology, frozenset(failed), frozenset(silent), side, controller_down_s)
    every = itertools.combinations((host.name for host in topology.hosts), 2)
    return {(a, b): left.expectation(a, b) for a, b in (every if pairs is None else pairs)}


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
class Remains(Forwarding):
    """Which hosts still reach each other by what remains of a network."""

    def expectation(self, a: str, b: str) -> Expectation:
        """What theory says of two hosts."""
        if gateways.apart(self.topology, a, b):
            connected, why = gateways.between(self, a, b)
            if connected is None:
                return Expectation(None, None, doubt=why)
            return Expectation(connected, gateways.bound(self, a, b), why)
        if self.side.detour is not None and self.topology.switches:
            up = {link.name for link in self.topology.links if self._up(link)}
            if not self.failed.isdisjoint((a, b)):
                return Expectation(False, None)
            reached, found = ways.left(self.topology, self.side, (a, b), up=up, silent=self.silent)
            return Expectation(reached, None, found) if isinstance(found, str) else Expectation(reached, found)
        connected = self.connected(a, b)
        why = self._why(a, b) if connected is not True else ""
        bound = None if connected is None and why else self.bound(a, b)
        return Expectation(connected, bound, why, self._doubt(a, b) if connected is None else "")

    def _doubt(self, a: str, b: str) -> str:
        """Why it is not known whether the two hosts reach each other."""
        uses = [use for use in (self._use(self.topology.host(name)) for name in (a, b)) if use is not None]
        return next((use.doubt for use in uses if use.doubt), "theory does not say which members are in use then")

    def _why(self, a: str, b: str) -> str:
        """Why the two hosts do not reach each other, if their bonds or LAGs are the reason."""
        one = self.topology.host(a).bond
        if one is not None and one.driver in ("nexthop", "mptcp"):
            return self._routed(a, b).why
        for host in (self.topology.host(name) for name in (a, b)):
            bond, use = host.bond, self._use(host)
            if use is not None and use.why:
                return use.why
            if bond is None or use is not None or host.name in self.failed or not self._ends(host):
                continue
            if bond.driver == "hsr":
                continue
            lag = self._lag(self.topology.far(bond.members[0]).interface) if self.side.lags else None
            if not bond.miimon_ms and not bond.arp_interval_ms:
                return theory.UNMONITORED
            if lag is not None and self._negotiates(lag) and bond.mode != "802.3ad":
                return f"LAG {lag.name} speaks LACP and {host.name} does not (fallback={lag.fallback})"
            if bond.arp_interval_ms:
                return f"no target of {host.name}'s ARP monitor answers, so it takes all members out"
            return f"fewer members of {host.name} are left than min_links asks for"
        return ""

    def connected(self, a: str, b: str) -> bool | None:
        """Whether the two hosts must reach each other, both ways; None if theory does not say."""
        one, other = self.topology.host(a), self.topology.host(b)
        if any(host.bond and host.bond.driver == "hsr" for host in (one, other)):
            return self._seamlessly(one, other)
        if one.bond and one.bond.driver in ("nexthop", "mptcp"):
            return self._routed(a, b).connected
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
        doubt = uses[0].doubt or uses[1].doubt
        if not (self._reaches(uses[0], uses[1]) and self._reaches(uses[1], uses[0])):
            return None if doubt else False
        watched = [self._watched(host) for host in (one, other)]
        if False in watched:
            return False
        if doubt or None in watched:
            return None if self._despite_silence(one, other) is not False else False
        if any(name.startswith(CONTROL) for name in self.failed):
            return self._partly_controlled(one, other)
        if CONTROLLER in self.failed and self.side.controller:
            return self._without_controller(one, other)
        return self._despite_silence(one, other)

    def _reaches(self, sender: Use, receiver: Use) -> bool:
        if sender.copies:
            return not sender.sends.isdisjoint(receiver.takes)
        return sender.sends <= receiver.takes

    def _seamlessly(self, one: Host, other: Host) -> bool | None:
        """Two hosts of which one sends everything both ways; the other does too, or has one link."""
        if not self.failed.isdisjoint((one.name, other.name)):
            return False
        if any(host.bond and host.bond.driver != "hsr" for host in (one, other)):
            return None  # it is not known which of the two copies a bond takes in
        found = seamless.reached(self.topology, self.failed - self._control, self.silent, one.name, other.name)
        return found if found is False or self._flows_stay else None

    def _routed(self, a: str, b: str) -> routed.Ways:
        """Two hosts whose ways are joined by routing; flows that are in place go on without a controller."""
        found = routed.between(self.topology, self.failed - self._control, self.silent, a, b)
        return found if found.connected is False or self._flows_stay else routed.Ways(None)

    @cached_property
    def _control(self) -> frozenset[str]:
        """The controller and the control channels that have failed."""
        return frozenset(name for name in self.failed if name == CONTROLLER or name.startswith(CONTROL))

    @property
    def _flows_stay(self) -> bool:
        """Whether the switches forward as they should: with control, or by flows in place that nothing else changes."""
        return not self._control or not (self.failed - self._control or self.silent)

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
                if self._away_s > expiry.low_s:
                    return False if self._away_s > expiry.limit_s and self._splits(bond) else None
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

    def _partly_controlled(self, one: Host, other: Host) -> bool | None:
        """Some switches have lost the controller, which the others have: they forward by the flows that they have.

        Once LACP has timed out at their ports, they still send by these: so a host that has no other switch no longer
        reaches one that takes nothing in by them.
        """
        if not self.cut_off:
            return None if self._away_s > self._expiry.low_s else True if len(self.failed) == 1 else None
        if len(self.failed) > 1 or self.silent:
            return None
        for host, peer in ((one, other), (other, one)):
            lone = {node for _, node in self._ends(host)} <= self.cut_off
            deaf = peer.bond is not None and any(
                self.topology.far(i).node in self.cut_off and not self._works(self.topology.link_of(i))
                for i in peer.bond.members
            )
            if lone and deaf:
                return False
        return True

    def _parted(self, bond: Bond) -> bool:
        """Whether the bond has working links that our controller takes out of the LAG by LACP."""
        lag = self._lag(self._far(bond.members[0]))
        if lag is None:
            return False
        live = [port for port in map(self._far, bond.members) if self.topology.owner(port) in self._part]
        held = [port for port in live if self._moves(lag, port) and self._in_use(port)]
        return any(self._part[self.topology.owner(port)] != self._chosen.get(lag.name) for port in held)

    def bound(self, a: str, b: str) -> theory.OutageBound | None:
        """The longest outage that these failures may cause between two hosts that still reach each other."""
        bonds = [host.bond for host in map(self.topology.host, (a, b)) if host.bond]
        drivers = {bond.driver for bond in bonds}
        lost = {name for name in self.failed | self.silent if not name.startswith(CONTROLLER)}
        if "hsr" in drivers:
            return seamless.SEAMLESS if seamless.untouched(self.topology, lost, a, b) else None
        if "nexthop" in drivers:
            return routed.longest(self.topology, self.failed, lost, (a, b))
        if "mptcp" in drivers:
            own = [theory.handover(self.topology.bond(name), "silent_loss") for name in (a, b)]
            known = [each for each in own if isinstance(each, theory.OutageBound)]
            return max(known, key=lambda each: each.limit_s) if len(known) == len(own) else None
        if any(separate.searches(self.topology, bond) for bond in bonds):
            return None  # as `testbed.theory.separate.SEARCHING` says
        at_once = theory.OutageBound(0.0, 0.0, "the switches react at once")
        nodes = {switch.name for switch in self.topology.switches}
        inner = any(link.a in nodes and link.b in nodes and not self._up(link) for link in self.topology.links)
        bounds: list[theory.OutageBound | None] = [at_once.rerouted() if inner else at_once]
        for name in self.silent:
            if (found := trunks.ends(self.topology, self.side, name)) and self._up(found[0]):
                bounds.append(trunks.silent(self.side, found[1]))
        if self.side.tree is not None:
            up = {link.name for link in self.topology.links if self._up(link)}
            bounds.append(ways.by_tree(self.topology, self.side.tree, (a, b), self.failed, up=up, silent=self.silent))
        for name in (a, b):
            bond = self.topology.host(name).bond
            if bond is None:
                continue
            links = [self.topology.link_of(member) for member in bond.members]
            answered = self._answered(bond)
            lag = self._lag(links[0].other(bond.members[0])[1])
            lags = self.side.lags and lag is not None
            lag_rate = lag.rate if lag is not None else ""
            if bond.arp_interval_ms and self._left_by_arp(self.topology.host(name)):
                bounds.append(theory.arp_bound(bond))
            if answered and any(self.topology.far(i).node in self.cut_off for i in bond.members):
                bounds.append(theory.apart_bound(bond.lacp_rate))
            if any(not self._up(link) for link in links):
                carrier = theory.failover_bound(bond, "carrier_loss", lacp=answered, lags=lags)
                spread = lags and len({self.topology.far(i).node for i in bond.members}) > 1
                carrier = carrier.rerouted() if carrier is not None and spread else carrier
                bounds.append(carrier.learned() if carrier is not None and self.side.learns else carrier)
            if self._parted(bond):
                bounds.append(theory.excluded_bound(quiet=len(self.failed | self.silent) == 1))
            if any(link.name in self.silent for link in links):
                bounds.append(theory.failover_bound(bond, "silent_loss", lacp=answered, lag_rate=lag_rate))
        known = [bound for bound in bounds if bound is not None]
        return max(known, key=lambda bound: bound.limit_s) if len(known) == len(bounds) else None

    def _left_by_arp(self, host: Host) -> bool:
        """Whether the ARP monitor moves the host away from a member whose own link is up."""
        bond = host.bond
        if bond is None or bond.mode != "active-backup":
            return False
        first = bond.primary or bond.members[0]
        node = self.topology.far(first).node
        return self._up(self.topology.link_of(first)) and self._heard(host, self._part.get(node)) is False
