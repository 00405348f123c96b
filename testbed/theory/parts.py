"""What remains of a network after failures: the links that still work, the parts that they join switches into. Pure.

spec, failed elements --> remaining links --> parts of the network, each still connected
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from testbed import theory
from testbed.errors import unknown
from testbed.faults.catalogue import CONTROL, CONTROLLER
from testbed.spec import Bond, Host, Lag, Link, SwitchSide, Topology
from testbed.theory import parting


@dataclass(frozen=True)
class Parts:
    """The parts of a network after failures (testbed.theory.reachability.expected says what each field is)."""

    topology: Topology
    failed: frozenset[str]
    silent: frozenset[str]
    side: SwitchSide
    controller_down_s: float | None

    def __post_init__(self) -> None:
        known = {*self.topology.nodes(), *(link.name for link in self.topology.links), CONTROLLER}
        known |= {i for link in self.topology.links for i in (link.a_interface, link.b_interface)}
        if self.side.controller and len(self.topology.switches) > 1:
            known |= {CONTROL + switch.name for switch in self.topology.switches}
        for name in sorted(self.failed | self.silent):
            if name not in known:
                raise unknown("element", name, known)

    def _up(self, link: Link) -> bool:
        """Whether the link has carrier, and both its nodes live."""
        return self.failed.isdisjoint(link.elements)

    def _lag(self, port: str) -> Lag | None:
        return self.topology.ports[port].lag

    def _negotiates(self, lag: Lag | None) -> bool:
        return lag is not None and lag.lacp != "off" and self.side.negotiates

    def _works(self, link: Link) -> bool:
        """Whether the link is in use and carries frames: LACP at its ends, or a spanning tree, takes a silent one out
        of use."""
        if not self._up(link):
            return False
        ends = (link.a_interface, link.b_interface)
        if self.cut_off and any(self.topology.owner(i) in self.cut_off for i in ends):
            return not all(self._detected(i) for i in ends)
        if link.name not in self.silent:
            return True
        return not all(self._detected(i) for i in ends)

    def _detected(self, interface: str) -> bool:
        """Whether this end of a link takes it out of use when it loses all frames: by LACP, or by a spanning tree.

        In a tree the end that no longer hears the other leaves the link, and says so over the ways that are left.
        """
        if self.side.tree is not None and self._between_switches(interface):
            return True
        owner = next((host for host in self.topology.hosts if host.name == self.topology.owner(interface)), None)
        if owner is not None:
            return owner.bond is not None and owner.bond.mode == "802.3ad" and self._answered(owner.bond)
        return self._negotiates(self._lag(interface))

    def _between_switches(self, interface: str) -> bool:
        """Whether a link joins two switches."""
        switches = {switch.name for switch in self.topology.switches}
        link = self.topology.link_of(interface)
        return link.a in switches and link.b in switches

    @cached_property
    def cut_off(self) -> frozenset[str]:
        """The switches that have been without the controller for so long that LACP has timed out at their ports."""
        return self._unreached if self._away_s > self._expiry.limit_s else frozenset()

    @property
    def may_be_cut_off(self) -> bool:
        """Whether a switch has been without the controller for so long that LACP has timed out at some ports only."""
        return bool(self._unreached) and self._expiry.low_s < self._away_s <= self._expiry.limit_s

    @property
    def _unreached(self) -> frozenset[str]:
        """The switches that the controller does not reach."""
        return frozenset(name.removeprefix(CONTROL) for name in self.failed if name.startswith(CONTROL))

    @property
    def _away_s(self) -> float:
        return float("inf") if self.controller_down_s is None else self.controller_down_s

    @cached_property
    def _expiry(self) -> theory.OutageBound:
        """When the slowest bond that speaks LACP to the switches has timed out."""
        rates = {host.bond.lacp_rate for host in self.topology.hosts if host.bond and host.bond.mode == "802.3ad"}
        return theory.bonding_lacp_bound("slow" if "slow" in rates else "fast")

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

    def _far(self, interface: str) -> str:
        """The port at the far end of an interface's link."""
        return self.topology.link_of(interface).other(interface)[1]

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

    def _splits(self, bond: Bond) -> bool:
        """Whether flows are lost once the bond has no LACP partner any more: it receives on one member only, unless
        all_slaves_active (bonding.rst), but each switch still sends to it on all that it has of the LAG.
        """
        far = Counter(self.topology.link_of(member).other(member)[0] for member in bond.members)
        return min(far.values()) > 1 and not bond.all_slaves_active
