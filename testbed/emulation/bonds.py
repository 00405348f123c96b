"""Bonding devices over netlink: set what the spec says, read it back, compare."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute

from testbed.errors import TrialError
from testbed.spec import LACP_RATES, MODES, PRIMARY_RESELECT, XMIT_HASH_POLICIES, Bond


def options(bond: Bond) -> dict[str, int]:
    """The bond's options as netlink attributes (linux/if_link.h, IFLA_BOND_*), the ones that its mode takes."""
    chosen = {
        "bond_mode": MODES.index(bond.mode),
        "bond_miimon": bond.miimon_ms,
        "bond_updelay": bond.updelay_ms,
        "bond_downdelay": bond.downdelay_ms,
        "bond_num_peer_notif": bond.num_grat_arp,
    }
    if bond.mode in ("balance-xor", "802.3ad", "balance-tlb"):
        chosen["bond_xmit_hash_policy"] = XMIT_HASH_POLICIES.index(bond.xmit_hash_policy)
    if bond.mode == "802.3ad":
        chosen["bond_ad_lacp_rate"] = LACP_RATES.index(bond.lacp_rate)
        chosen["bond_min_links"] = bond.min_links
    if bond.primary is not None:
        chosen["bond_primary_reselect"] = PRIMARY_RESELECT.index(bond.primary_reselect)
    return chosen


def create(netlink: IPRoute, bond: Bond, mac: str) -> int:
    """Make the bond over its members, which exist and are down; returns its interface index.

    Errors: TrialError naming an option that the kernel did not take as asked.
    """
    wanted = options(bond)
    netlink.link("add", ifname=bond.name, kind="bond", address=mac, **wanted)
    index = int(netlink.link_lookup(ifname=bond.name)[0])
    members = {name: int(netlink.link_lookup(ifname=name)[0]) for name in bond.members}
    for member in members.values():
        netlink.link("set", index=member, state="down", master=index)
    if bond.primary is not None:
        wanted["bond_primary"] = members[bond.primary]
        netlink.link("set", index=index, kind="bond", bond_primary=members[bond.primary])
    found = attributes(netlink, index)
    for name, value in wanted.items():
        key = "IFLA_" + name.upper()
        if found.get(key) != value:
            raise TrialError(f"bond {bond.name!r}: the kernel has {key} = {found.get(key)}, wanted {value}")
    netlink.link("set", index=index, state="up")
    return index


def attributes(netlink: IPRoute, index: int) -> dict[str, Any]:
    """The bond's IFLA_BOND_* attributes as the kernel tells them."""
    (message,) = netlink.get_links(index)
    return dict(message.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")["attrs"])


#: IEEE 802.1AX-2014, 6.4.2.3: the state bits synchronization, collecting and distributing.
_CARRYING = 0x08 | 0x10 | 0x20


@dataclass(frozen=True)
class Member:
    """What /proc/net/bonding tells of one member; states are LACP state octets, None where LACP is not spoken."""

    name: str
    mii_up: bool
    aggregator: int | None
    actor_state: int | None
    partner_state: int | None


@dataclass(frozen=True)
class Shown:
    """What /proc/net/bonding tells of a bond."""

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
