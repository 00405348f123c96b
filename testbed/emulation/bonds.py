"""Bonding devices over netlink: set what the spec says, read it back, compare."""

from __future__ import annotations

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
