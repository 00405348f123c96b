"""Where the hosts of a parted network send, and where they can be reached: by their bonds and LAGs. Pure.

    members that each bond uses --> the parts in which a host sends, and can be reached

A bond works as bonding.rst says of its mode, a LAG as IEEE 802.1AX-2014, clause 6 says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from testbed.spec import Bond, Host, Lag
from testbed.theory.parts import Parts

_PEERS = "{} in balance-alb gives each peer the address of one member, and it is not known which"
#: Of ports whose partner is silent a LAG uses one that it chooses, or all.
_FALLBACK = "LAG {} hears no LACP and uses its ports as fallback={} says, not as {} uses its members"


@dataclass(frozen=True)
class Use:
    """A host as the network sees it: the parts in which it sends, and those in which it can be reached.

    ``copies``: every part gets a copy of every frame, so one that arrives is enough. ``doubt`` says why it is not known
    which member it uses; empty: it is. ``why`` says what keeps it where it is.
    """

    sends: frozenset[str]
    takes: frozenset[str]
    copies: bool = False
    doubt: str = ""
    why: str = ""


@dataclass(frozen=True)
class Uses(Parts):
    """The hosts' use of what remains."""

    def places(self, host: Host) -> frozenset[str]:
        """The parts of the network in which a host can be reached."""
        use = self._use(host)
        return use.takes if use is not None else frozenset()

    def place_of(self, interface: str) -> str | None:
        """The part of the network that an interface leads to; None if its link does not work."""
        link = self.topology.link_of(interface)
        return self._part.get(self.topology.far(interface).node) if self._works(link) else None

    def places_at(self, machine: str, interface: str) -> frozenset[str]:
        """The parts of the network in which a machine can be reached by an interface, which may be its bond's."""
        if interface in self.topology.ports:
            place = self.place_of(interface) if machine not in self.failed else None
            return frozenset() if place is None else frozenset({place})
        return self.places(self.topology.host(machine))

    def has_carrier(self, interface: str) -> bool:
        """Whether the link of an interface has carrier."""
        return self._up(self.topology.link_of(interface))

    def carries(self, machine: str, interface: str) -> bool:
        """Whether an interface of a machine has carrier: that of a bond while one of its members has."""
        own = [interface] if interface in self.topology.ports else self.topology.members(machine)
        return any(self.has_carrier(each) for each in own)

    def _active(self, bond: Bond, usable: list[str]) -> str:
        """The member that the driver makes active (bonding.rst, "primary"): the primary, or the first usable."""
        return bond.primary if bond.primary in usable else usable[0]

    def _use(self, host: Host) -> Use | None:
        """Where the host sends and can be reached; None if nowhere."""
        return self._use_of[host.name]

    @cached_property
    def _use_of(self) -> dict[str, Use | None]:
        return {host.name: self._used(host) for host in self.topology.hosts}

    def _used(self, host: Host) -> Use | None:
        ends = {i: self._part[node] for i, node in self._ends(host) if node in self._part}
        if host.name in self.failed or not ends:
            return self._uncontrolled(host)
        bond, parts = host.bond, frozenset(ends.values())
        if bond is None:
            return Use(parts, parts)
        lag = self._lag(self.topology.far(bond.members[0]).interface) if self.side.lags else None
        if bond.mode in ("active-backup", "balance-tlb") or (bond.mode == "802.3ad" and not self._answered(bond)):
            return self._by_one(host, bond, ends, lag)
        if lag is not None:
            if lag.lacp != "off" and bond.mode != "802.3ad":
                return self._unanswered(host, lag, ends)
            place = self._chosen.get(lag.name)
            ends = {i: part for i, part in ends.items() if part == place or not self._moves(lag, self._far(i))}
            if len(ends) < lag.min_links:
                return None
        if bond.mode == "802.3ad" and len(ends) < bond.min_links:
            return None
        parts = frozenset(ends.values())
        # balance-alb gives each peer one member's address; which, is not known.
        blind = not bond.miimon_ms and not bond.arp_interval_ms and len(ends) < len(bond.members)
        doubt = _PEERS.format(host.name) if bond.mode == "balance-alb" and (lag is not None or blind) else ""
        # Of a static LAG a bond of Open vSwitch in active-backup drops what comes in by its backup members.
        drops = lag is not None and lag.lacp == "off" and lag.ovs_bond_mode == "active-backup"
        if lag is not None and drops and bond.mode != "broadcast" and len(ends) > 1:
            doubt = f"LAG {lag.name} drops what {host.name} sends to its backup members, which a hash decides"
        return Use(parts, parts, copies=bond.mode == "broadcast", doubt=doubt)

    def _uncontrolled(self, host: Host) -> Use | None:
        """A host whose switches have all lost the controller continues with one member alone, whichever it chooses."""
        if host.name in self.failed or host.bond is None or not self.cut_off or self._splits(host.bond):
            return None
        far = {self.topology.far(i).node for i in host.bond.members if self._up(self.topology.link_of(i))}
        parts = frozenset(self._part[node] for node in far if node in self._part)
        doubt = f"without the controller {host.name} keeps one member, and it is not known which"
        return Use(parts, parts, doubt=doubt) if parts and far <= self.cut_off else None

    def _by_one(self, host: Host, bond: Bond, ends: dict[str, str], lag: Lag | None) -> Use | None:
        """A host that receives by one member, which its driver chooses: the active one."""
        heard = {i: self._heard(host, part) for i, part in ends.items()}
        usable = [i for i, found in heard.items() if found is not False]
        if not usable:
            return None
        active = self._active(bond, usable)
        sends = frozenset(ends.values()) if bond.mode == "balance-tlb" else frozenset({ends[active]})
        unheard = (
            f"whether the ARP monitor of {host.name} hears other hosts is not known (arp_validate={bond.arp_validate})"
        )
        doubt, why = unheard if heard[active] is None else "", ""
        if not bond.miimon_ms and not bond.arp_interval_ms and len(ends) < len(bond.members):
            first = bond.active or bond.primary  # without a monitor the driver stays with the one that it began with
            if first is not None and first not in ends:
                return None
            doubt = (
                "" if first else f"without a monitor {host.name} stays with a member, and it is not known with which"
            )
        if self._returns(host, bond, ends, heard):
            doubt = why = (
                f"{host.name} goes back to {bond.primary}, which as a backup counts what other bonds ask there"
                f" (arp_validate={bond.arp_validate})"
            )
        elif heard[active] and not self._answers(host, ends[active]):
            why = (
                f"the ARP monitor of {host.name} takes the frames of other hosts for answers"
                f" (arp_validate={bond.arp_validate}), and stays with {active}"
            )
        if lag is not None and len(bond.members) > 1:
            if self._negotiates(lag) and bond.mode != "802.3ad":
                # Of ports whose partner is silent, the LAG uses none, one that it chooses itself, or all.
                takes = frozenset({ends[active]})
                doubt = _FALLBACK.format(lag.name, lag.fallback, host.name) if len(ends) > 1 else ""
                return None if lag.fallback == "none" else Use(sends, takes, doubt=doubt)
            if len(ends) < lag.min_links:
                return None
            # A static LAG sends by all its ports, as its hash says; a bond drops what comes in by the others, unless
            # all_slaves_active (bonding.rst).
            if len(ends) > 1 and not bond.all_slaves_active:
                doubt = f"LAG {lag.name} sends by all its ports, as a hash says, and {host.name} takes in by one"
        return Use(sends, frozenset({ends[active]}), doubt=doubt, why=why)

    def _returns(self, host: Host, bond: Bond, ends: dict[str, str], heard: dict[str, bool | None]) -> bool:
        """Whether a primary that its ARP monitor has left is up again as a backup, where nothing validates what it
        hears: the requests of other bonds (bonding.rst, arp_validate; bond_arp_rcv)."""
        primary = bond.primary
        if primary is None or heard.get(primary) is not False or bond.primary_reselect != "always":
            return False
        asking = [h for h in self.topology.hosts if h.name != host.name and h.bond and h.bond.arp_interval_ms]
        near = any(self._part.get(node) == ends[primary] for other in asking for _, node in self._ends(other))
        return bond.arp_validate in ("active", "filter_active") and near

    def _unanswered(self, host: Host, lag: Lag, ends: dict[str, str]) -> Use | None:
        """A host that speaks no LACP, and uses all its members, before a LAG that does."""
        if not self._negotiates(lag) or lag.fallback == "none":
            return None if self._negotiates(lag) else Use(frozenset(ends.values()), frozenset(ends.values()))
        parts = frozenset(ends.values())
        alone = lag.fallback == "individual" and len(ends) > 1
        return Use(parts, parts, doubt=_FALLBACK.format(lag.name, lag.fallback, host.name) if alone else "")

    def _watched(self, host: Host) -> bool | None:
        """Whether the ARP monitor of a bond that uses all its members still gets answers."""
        bond = host.bond
        if bond is None or bond.mode == "active-backup":
            return True  # which member an active-backup bond uses, the monitor has decided
        heard = {self._heard(host, self._part.get(node)) for _, node in self._ends(host)}
        return True if True in heard else None if None in heard else False

    def _heard(self, host: Host, part: str | None) -> bool | None:
        """Whether the host's ARP monitor, if it has one, takes a member to this part for up.

        With arp_validate only targets count (arp_all_targets: one of them, or all). Without it any frame does: those
        of another bond that asks there, or of any other host, of which it is not known (bonding.rst).
        """
        bond, answers = host.bond, self._answers(host, part)
        if bond is None or answers:
            return True
        if bond.arp_validate in ("active", "all", "filter_active"):
            return False
        asks = any(
            other.name != host.name
            and other.bond
            and other.bond.mode == "active-backup"
            and other.bond.arp_interval_ms
            and self._part.get(self.topology.far(other.bond.primary or other.bond.members[0]).node) == part
            and self._up(self.topology.link_of(other.bond.primary or other.bond.members[0]))
            for other in self.topology.hosts
        )
        return True if asks else None

    def _answers(self, host: Host, part: str | None) -> bool:
        """Whether targets of the host's ARP monitor are in this part, as many as it wants; without one: yes."""
        bond = host.bond
        targets = self.topology.monitored(host.name) if bond is not None and bond.arp_interval_ms else ()
        if bond is None or not targets:
            return True
        known = {other.ip: other for other in self.topology.hosts}
        alive = [ip in known and self._within(known[ip], {part}) for ip in targets]
        return all(alive) or (any(alive) and bond.arp_all_targets == "any")

    def _within(self, target: Host, parts: set[str | None]) -> bool:
        """Whether a host is up and has a link to one of these parts."""
        return target.name not in self.failed and any(self._part.get(node) in parts for _, node in self._ends(target))
