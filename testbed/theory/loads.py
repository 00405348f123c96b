"""What ways carry of a load, and what a packet costs on their links: by the technique and the failure alone. Pure.

    h1 ---- way 1 ---- h2      active-backup, spanning trees ...  1 link's worth, 1 copy
       ---- way 2 ----         hashes, packets in turn            2 links' worth, 1 copy
                               broadcast, PRP, HSR                1 link's worth, 2 copies

Usable is the maximum flow over what is left (testbed.theory.capacity), in what a link carries of the load's packets. A
packet costs the octets of the links that its copies cross, divided by those of one copy on a shortest way of the whole
network. Broadcast and balance-rr: bonding.rst, "mode"; PRP and HSR: IEC 62439-3, 4.1 and 5.1; the ways of switches:
testbed.theory.spanning and testbed.theory.detours, else the shortest.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from testbed.spec import Bond, Host, Link, SwitchSide, Topology
from testbed.spec.bond import PRIMARY_MODES
from testbed.theory.capacity import pair_mbps
from testbed.theory.detours import detours_of
from testbed.theory.goodput import ETHERNET_OVERHEAD_BYTES
from testbed.theory.spanning import tree_of
from testbed.theory.wire_cost import frame_octets, shortest_way

#: The load that fills the ways: so many flows, and so many times what all links of the client carry of payload.
FULL_FLOWS, FULL_TIMES = 128, 1.4
#: Every copy goes by every member; the others send a packet by one.
_COPYING = ("broadcast", "prp", "hsr")
#: A hash of each flow chooses the member.
_HASHING = ("802.3ad", "balance-xor", "ecmp")
_FLOODED = "bridges forget addresses for some time after a change, and flood what is not answered"
_NO_LAW = {
    "mptcp": "RFC 8684 leaves the scheduler open: no document says what it sends by which subflow",
}


@dataclass(frozen=True)
class Expected:
    """What theory says: links' worth that can be used, and copies that a packet costs; None: ``why`` it does not."""

    usable_links: float | None
    wire_cost: float | None
    why: str = ""


def nothing(why: str) -> Expected:
    """No law, and why."""
    return Expected(None, None, why)


def expected(
    topology: Topology,
    side: SwitchSide,
    payload_bytes: int,
    *,
    answered: bool,
    down: Collection[str] = (),
    silent: Collection[str] = (),
) -> Expected:
    """What theory says of loads between the measured pair once the technique has acted.

    ``down`` are the links and nodes that have failed, ``silent`` the links that lose everything, which the technique
    avoids. ``answered``: the bonds' LACP has a partner.
    """
    bond = topology.host(topology.client).bond
    if bond is not None and bond.mode in _NO_LAW:
        return nothing(_NO_LAW[bond.mode])
    if topology.switches and not side.known:
        return nothing("what the controller does is not known")
    if bond is not None and bond.mode == "802.3ad" and not answered:
        return nothing("without a partner in LACP a bond uses one member, and it is not known which")
    found = _Left(topology, side, frozenset(down), frozenset(silent)).expected(payload_bytes)
    if side.tree is not None and side.tree.protocol == "stp":
        return Expected(found.usable_links, None, _FLOODED)  # for Max Age and Forward Delay (802.1D-1998, 8.5.3.13)
    return found


def back(topology: Topology, side: SwitchSide) -> str:
    """Why a packet need not cost what it did once all is repaired; empty: it does.

    A change of a spanning tree makes bridges forget addresses for some seconds, again with each BPDU that says so
    (IEEE 802.1D-2004, 17.10): a load that is not answered is flooded until then.
    """
    if side.tree is not None:
        return _FLOODED
    bonds = [topology.host(name).bond for name in topology.pair]
    stays = [b for b in bonds if b and b.mode in PRIMARY_MODES and not (b.primary and b.primary_reselect == "always")]
    return "no primary is preferred at once: which member is active depends on what failed before" if stays else ""


@dataclass(frozen=True)
class _Left:
    """What is left of a network."""

    topology: Topology
    side: SwitchSide
    down: frozenset[str]
    silent: frozenset[str]

    def expected(self, payload_bytes: int) -> Expected:
        """What theory says of the loads."""
        client, server = (self.topology.host(name) for name in self.topology.pair)
        ways = self._ways(client, server)
        if isinstance(ways, str):
            return nothing(ways)
        if not ways:
            return Expected(0.0, None, "no way is left: nothing is delivered, and what is sent has no measure")
        frame = frame_octets(self.topology, payload_bytes)
        trailer = client.bond.trailer_bytes if client.bond else 0
        on_wire = frame + ETHERNET_OVERHEAD_BYTES
        usable = self._usable_links(client, server, len(ways), on_wire / payload_bytes)
        usable = None if usable is None else usable * on_wire / (on_wire + trailer)
        octets = (frame + trailer) / frame / shortest_way(self.topology)
        if server.bond and server.bond.mode == "balance-alb" and self._by_member(client, server) > 1:
            return Expected(
                usable, None, "balance-alb tells each peer one member's address, and no document says which"
            )
        mode = client.bond.mode if client.bond else ""
        if mode in _COPYING:
            return Expected(usable, octets * sum(ways))
        if mode == "balance-rr":
            return Expected(usable, octets * sum(ways) / len(ways))
        if len(set(ways)) == 1:
            return Expected(usable, octets * ways[0])
        return Expected(usable, None, f"ways of {min(ways)} and {max(ways)} links: {mode} decides what goes by which")

    def _usable_links(self, client: Host, server: Host, members: int, wire: float) -> float | None:
        """What arrives of the load that fills all ways, in what one link of the client carries."""
        own = self.topology.members(client.name)
        rate = max(self.topology.link_of(member).rate_mbps or 0.0 for member in own)
        most = pair_mbps(self.topology, client.name, server.name, without=self._lost)
        if most is None or not rate:
            return None
        if client.bond and client.bond.mode in _HASHING:
            return min(most / rate, hashed_links(FULL_FLOWS, members, FULL_TIMES * len(own) * wire))
        return most / rate

    @cached_property
    def _lost(self) -> frozenset[str]:
        """The links that carry nothing."""
        failed = self.down | self.silent
        return frozenset(link.name for link in self.topology.links if not link.elements.isdisjoint(failed))

    def _ways(self, client: Host, server: Host) -> list[int] | str:
        """The number of links of the way that begins with each member of the client which it uses; text: not known."""
        if client.bond is None and self.side.detour is not None and self.topology.switches:
            crossed = detours_of(self.topology).way(client.name, server.name, self._lost)
            own = [self.topology.link_of(i).name for host in (client, server) for i in self.topology.members(host.name)]
            return [len(crossed) + len(own)] if crossed is not None and self._lost.isdisjoint(own) else []
        if self._is_parted():
            return "the network of the switches is parted, and the LAGs are in one part"
        takes = self._takes(client, server)
        found = {i: length for i in self._usable(client) if (length := self._length(i, server, takes)) is not None}
        if client.bond is None or client.bond.mode != "active-backup":
            return list(found.values())
        chosen = self._active(client.bond, list(found))
        return [found[chosen]] if chosen else []

    def _by_member(self, client: Host, server: Host) -> int:
        """How many lengths the ways between the hosts' members have."""
        return len({self._length(i, server, (j,)) for i in self._usable(client) for j in self._usable(server)})

    def _usable(self, host: Host) -> list[str]:
        """The members of a host whose own link carries frames."""
        return [i for i in self.topology.members(host.name) if self.topology.link_of(i).name not in self._lost]

    def _active(self, bond: Bond, usable: list[str]) -> str | None:
        """The member that the driver makes active: the primary, else the one asked for, or the first (bonding.rst)."""
        return next((i for i in (bond.primary, bond.active, *usable) if i in usable), None)

    def _takes(self, client: Host, server: Host) -> tuple[str, ...]:
        """The members by which the server takes frames in."""
        usable, bond = self._usable(server), server.bond
        if bond is None or bond.mode not in ("active-backup", "balance-tlb"):
            return tuple(usable)
        if bond.arp_interval_ms:  # it sees whole ways
            own = self._usable(client)
            usable = [j for j in usable if any(self._length(i, server, (j,)) is not None for i in own)]
        active = self._active(bond, usable)
        return (active,) if active else ()

    def _is_parted(self) -> bool:
        """Whether a LAG of the measured hosts leads to switches that no longer reach each other."""
        for lag in self.topology.lags if self.side.lags else ():
            live = {self.topology.owner(p) for p in lag.ports if self.topology.link_of(p).name not in self._lost}
            first = min(live, default="")
            if any(self._distances(first).get(other) is None for other in live):
                return True
        return False

    def _length(self, member: str, server: Host, takes: Collection[str]) -> int | None:
        """The links from a member of the client to the nearest of the server's that take frames in; None: no way."""
        first = self.topology.link_of(member)
        ends = {self.topology.far(i).node: i for i in takes}
        if self.topology.link_of(member).name in {self.topology.link_of(i).name for i in takes}:
            return 1
        distances = self._distances(first.other(member)[0])
        reached = [distances[node] for node in ends if node in distances]
        return min(reached) + 2 if reached else None

    def _distances(self, begin: str) -> dict[str, int]:
        """The links to each node that passes frames on, from one of them."""
        passing = {switch.name for switch in self.topology.switches} | self.topology.relays()
        passing -= {*self.topology.pair, *self.down}
        found, waiting = ({begin: 0}, deque([begin])) if begin in passing else ({}, deque[str]())
        while waiting:
            here = waiting.popleft()
            for link in self._inner:
                if here in (link.a, link.b):
                    other = link.beyond(here)
                    if other in passing and other not in found:
                        found[other] = found[here] + 1
                        waiting.append(other)
        return found

    @cached_property
    def _inner(self) -> list[Link]:
        """The links by which frames are passed on: those of the tree, if there is one."""
        left = [link for link in self.topology.links if link.name not in self._lost]
        if self.side.tree is None:
            return left
        gone = frozenset(self.down).intersection(switch.name for switch in self.topology.switches)
        roles = tree_of(self.topology, self.side.tree, gone, self._lost).roles
        return [link for link in left if all(roles.get(end) in ("Root", "Designated") for _, end in link.ends)]


def hashed_links(flows: int, links: int, offered: float) -> float:
    """How many links' worth arrives of ``flows`` of equal rate, ``offered`` links' worth together, each of which a hash
    places on one of ``links``, all alike likely: n of them on a link, a binomial number, bring at most one link's.

    The mean (W. Feller, An Introduction to Probability Theory and Its Applications, volume 1, chapter VI).
    """
    if links < 2:
        return min(1.0, offered)
    share = 1 / links
    chances = (math.comb(flows, n) * share**n * (1 - share) ** (flows - n) for n in range(flows + 1))
    return links * math.fsum(chance * min(1.0, offered * n / flows) for n, chance in enumerate(chances))
