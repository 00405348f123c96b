"""Bonding devices over netlink: set what the spec says, read it back, compare."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from testbed.emulation import bondlink
from testbed.errors import TrialError
from testbed.spec.bond import PRIMARY_MODES, Bond, newer, options, words

bondlink.register()  # pyroute2 learns the newer attributes

#: Delays that the driver keeps as whole multiples of miimon, rounded down (bonding.rst, "updelay").
_MULTIPLES = ("BOND_UPDELAY", "BOND_DOWNDELAY", "BOND_PEER_NOTIF_DELAY")
#: The same by the names of options.
MULTIPLES = ("updelay_ms", "downdelay_ms", "peer_notif_delay_ms")
#: Options that are set after the others: they name members, which must exist first.
_MEMBERS = ("primary_member", "active_member")


def attributes(bond: Bond, targets: Sequence[str] = ()) -> dict[str, Any]:
    """The bond's options as netlink attributes (linux/if_link.h, without IFLA_): those that its mode uses.

    An option that has the kernel's own default is left out; so an older kernel without that option is not
    asked to set it. ``targets`` are the addresses that the ARP monitor asks.
    """
    chosen: dict[str, Any] = {}
    for name, option, value, _ in options(bond):
        if option.each or name in _MEMBERS or bond.mode not in option.modes or option.kind in ("ipv4", "ipv6"):
            continue
        if value != option.kernel:
            chosen[f"BOND_{option.attribute}"] = option.number(value)
    if not bond.miimon_ms:  # modes that ARP does not serve would else get 100 (bond_option_mode_set)
        chosen["BOND_MIIMON"] = 0
    if bond.arp_interval_ms:
        for attribute, colon in (("BOND_ARP_IP_TARGET", False), ("BOND_NS_IP6_TARGET", True)):
            if found := [target for target in targets if (":" in target) == colon]:
                chosen[attribute] = {"attrs": [(f"TARGET_{i}", target) for i, target in enumerate(found)]}
    return chosen


def member_attributes(bond: Bond) -> dict[str, dict[str, int]]:
    """For each member its own options as netlink attributes (IFLA_BOND_SLAVE_*, without IFLA_)."""
    found: dict[str, dict[str, int]] = {member: {} for member in bond.members}
    for _, option, value, _ in options(bond):
        if option.each and value:
            for member, word in zip(bond.members, words(value), strict=True):
                found[member][f"BOND_SLAVE_{option.attribute}"] = int(word)
    return found


class KernelBond:
    """A live bond of the bonding driver; ``netlink`` and ``read`` act in its host's namespace."""

    def __init__(self, bond: Bond, netlink: Callable[[], IPRoute], read: Callable[[str], str]) -> None:
        self._bond, self._netlink, self._read = bond, netlink, read

    def text(self) -> str:
        """The text of /proc/net/bonding/NAME."""
        return self._read(f"bonding/{self._bond.name}")

    def shown(self) -> Shown:
        """The same, read."""
        return parse(self.text())

    def set_active(self, member: str) -> None:
        """Make a member the active one (`set_active`)."""
        set_active(self._netlink(), self._bond, member)


def create(netlink: IPRoute, bond: Bond, mac: str, targets: Sequence[str] = (), *, up: bool = True) -> int:
    """Make the bond over its members, which exist and are down; returns its interface index.

    The members are then up, and the bond is unless ``up`` is False.

    Errors: TrialError naming an option that the kernel did not take as asked, and the kernel that would.
    """
    wanted = attributes(bond, targets)
    try:
        netlink.link("add", ifname=bond.name, kind="bond", address=mac, **_keys(wanted))
    except NetlinkError as error:
        raise TrialError(f"bond {bond.name!r}: the kernel refuses {wanted}: {error.args[-1]}{_newer(bond)}") from None
    index = int(netlink.link_lookup(ifname=bond.name)[0])
    members = {name: int(netlink.link_lookup(ifname=name)[0]) for name in bond.members}
    for member in members.values():
        netlink.link("set", index=member, state="down", master=index)
    if bond.primary is not None:
        wanted["BOND_PRIMARY"] = members[bond.primary]
        netlink.link("set", index=index, kind="bond", bond_primary=members[bond.primary])
    _compare(bond, bond.name, _rounded(wanted), shown(netlink, index, "IFLA_INFO_DATA"))
    for name, own in member_attributes(bond).items():
        if own:
            data = [(f"IFLA_{attribute}", value) for attribute, value in own.items()]
            info = [("IFLA_INFO_SLAVE_KIND", "bond"), ("IFLA_INFO_SLAVE_DATA", {"attrs": data})]
            netlink.link("set", index=members[name], IFLA_LINKINFO={"attrs": info})
            _compare(bond, name, own, shown(netlink, members[name], "IFLA_INFO_SLAVE_DATA"))
    if up:
        netlink.link("set", index=index, state="up")
    return index


def set_active(netlink: IPRoute, bond: Bond, member: str) -> None:
    """Make a member the active one, as `ip link set BOND type bond active_slave MEMBER` does.

    Errors: TrialError if the bond has no active member, or the kernel does not take this one: its link is down.
    """
    if bond.mode not in PRIMARY_MODES:
        raise TrialError(f"bond {bond.name!r} has no active member: its mode is {bond.mode}")
    (index,) = netlink.link_lookup(ifname=bond.name)
    (place,) = netlink.link_lookup(ifname=member)
    try:
        netlink.link("set", index=index, kind="bond", bond_active_slave=place)
    except NetlinkError as error:
        raise TrialError(f"bond {bond.name!r} does not make {member} its active member: {error.args[-1]}") from None
    found = shown(netlink, index, "IFLA_INFO_DATA").get("IFLA_BOND_ACTIVE_SLAVE")
    if found != place:
        raise TrialError(f"bond {bond.name!r} has active member {found}, wanted {place} ({member})")


def shown(netlink: IPRoute, index: int, data: str) -> dict[str, Any]:
    """The kernel's attributes of a bond (``IFLA_INFO_DATA``) or of a member (``IFLA_INFO_SLAVE_DATA``)."""
    (message,) = netlink.get_links(index)
    return dict(message.get_nested("IFLA_LINKINFO", data)["attrs"])


def _keys(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in attributes.items()}


def _rounded(wanted: dict[str, Any]) -> dict[str, Any]:
    miimon = wanted.get("BOND_MIIMON", 0)
    return {name: value // miimon * miimon if name in _MULTIPLES else value for name, value in wanted.items()}


def _compare(bond: Bond, interface: str, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    for name, value in wanted.items():
        there = found.get(f"IFLA_{name}")
        if isinstance(value, dict):  # a list of targets
            there = {"attrs": [tuple(pair) for pair in there["attrs"]]} if there else None
        if there != value:
            raise TrialError(f"{interface}: the kernel has IFLA_{name} = {there}, wanted {value}{_newer(bond)}")


def _newer(bond: Bond) -> str:
    """What to add to an error where options are newer than the running kernel."""
    release = platform.release()
    version = re.match(r"(\d+)\.(\d+)", release)
    lacking = newer(bond, (int(version[1]), int(version[2]))) if version else []
    return f"; this kernel is {release}, and these options are newer: {', '.join(lacking)}" if lacking else ""


#: IEEE 802.1AX-2014, 6.4.2.3: the state bits synchronization, collecting and distributing.
_CARRYING = 0x08 | 0x10 | 0x20


@dataclass(frozen=True)
class Member:
    """What /proc/net/bonding shows of one member; states are LACP state octets, None where LACP is not spoken."""

    name: str
    mii_up: bool
    aggregator: int | None
    actor_state: int | None
    partner_state: int | None


@dataclass(frozen=True)
class Shown:
    """What /proc/net/bonding shows of a bond."""

    active_member: str | None
    active_aggregator: int | None
    members: tuple[Member, ...]

    def not_carrying(self, mode: str) -> list[str]:
        """The members that do not carry traffic, or could not if asked to, each with the reason."""
        lacking = []
        for member in self.members:
            if not member.mii_up:
                lacking.append(f"{member.name} has no link by MII")
            elif mode == "802.3ad":
                states = (("actor", member.actor_state), ("partner", member.partner_state))
                bad = [f"{side} 0x{state or 0:02x}" for side, state in states if (state or 0) & _CARRYING != _CARRYING]
                if bad:
                    lacking.append(f"{member.name} has LACP state {' and '.join(bad)}, wanted 0x38 set in it")
                elif member.aggregator != self.active_aggregator:
                    lacking.append(f"{member.name} is in aggregator {member.aggregator}, not in the active one")
        return lacking


def parse(text: str) -> Shown:
    """Read the text of /proc/net/bonding/NAME (bonding.rst, "Bonding Driver Status")."""
    head, *parts = re.split(r"^Slave Interface: ", text, flags=re.MULTILINE)
    active = re.search(r"^Currently Active Slave: (\S+)", head, re.MULTILINE)
    return Shown(
        active_member=None if active is None or active[1] == "None" else active[1],
        active_aggregator=_number(r"Active Aggregator Info:\s+Aggregator ID: (\d+)", head),
        members=tuple(
            Member(
                name=part.split(maxsplit=1)[0],
                mii_up=re.search(r"^MII Status: up$", part, re.MULTILINE) is not None,
                aggregator=_number(r"^Aggregator ID: (\d+)", part),
                actor_state=_number(r"details actor lacp pdu:.*?port state: (\d+)", part),
                partner_state=_number(r"details partner lacp pdu:.*?port state: (\d+)", part),
            )
            for part in parts
        ),
    )


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    return None if found is None else int(found[1])
