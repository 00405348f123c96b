"""The netlink attributes of bonds and of their members, all that linux/if_link.h has; pyroute2 knows the older ones."""

from __future__ import annotations

from pyroute2.netlink import nla
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from testbed.spec.bond.option import MAX_TARGETS


class Targets4(nla):  # type: ignore[misc]  # pyroute2 has no types
    """IFLA_BOND_ARP_IP_TARGET: addresses by their places."""

    nla_map = tuple((f"TARGET_{place}", "ip4addr") for place in range(MAX_TARGETS))


class Targets6(nla):  # type: ignore[misc]
    """IFLA_BOND_NS_IP6_TARGET: addresses by their places."""

    nla_map = tuple((f"TARGET_{place}", "ip6addr") for place in range(MAX_TARGETS))


class Aggregator(nla):  # type: ignore[misc]
    """IFLA_BOND_AD_INFO: the active aggregator."""

    nla_map = (
        ("IFLA_BOND_AD_INFO_UNSPEC", "none"),
        ("IFLA_BOND_AD_INFO_AGGREGATOR", "uint16"),
        ("IFLA_BOND_AD_INFO_NUM_PORTS", "uint16"),
        ("IFLA_BOND_AD_INFO_ACTOR_KEY", "uint16"),
        ("IFLA_BOND_AD_INFO_PARTNER_KEY", "uint16"),
        ("IFLA_BOND_AD_INFO_PARTNER_MAC", "l2addr"),
    )


class BondData(nla):  # type: ignore[misc]
    """IFLA_INFO_DATA of a bond."""

    prefix = "IFLA_"
    nla_map = (
        ("IFLA_BOND_UNSPEC", "none"),
        ("IFLA_BOND_MODE", "uint8"),
        ("IFLA_BOND_ACTIVE_SLAVE", "uint32"),
        ("IFLA_BOND_MIIMON", "uint32"),
        ("IFLA_BOND_UPDELAY", "uint32"),
        ("IFLA_BOND_DOWNDELAY", "uint32"),
        ("IFLA_BOND_USE_CARRIER", "uint8"),
        ("IFLA_BOND_ARP_INTERVAL", "uint32"),
        ("IFLA_BOND_ARP_IP_TARGET", "Targets4"),
        ("IFLA_BOND_ARP_VALIDATE", "uint32"),
        ("IFLA_BOND_ARP_ALL_TARGETS", "uint32"),
        ("IFLA_BOND_PRIMARY", "uint32"),
        ("IFLA_BOND_PRIMARY_RESELECT", "uint8"),
        ("IFLA_BOND_FAIL_OVER_MAC", "uint8"),
        ("IFLA_BOND_XMIT_HASH_POLICY", "uint8"),
        ("IFLA_BOND_RESEND_IGMP", "uint32"),
        ("IFLA_BOND_NUM_PEER_NOTIF", "uint8"),
        ("IFLA_BOND_ALL_SLAVES_ACTIVE", "uint8"),
        ("IFLA_BOND_MIN_LINKS", "uint32"),
        ("IFLA_BOND_LP_INTERVAL", "uint32"),
        ("IFLA_BOND_PACKETS_PER_SLAVE", "uint32"),
        ("IFLA_BOND_AD_LACP_RATE", "uint8"),
        ("IFLA_BOND_AD_SELECT", "uint8"),
        ("IFLA_BOND_AD_INFO", "Aggregator"),
        ("IFLA_BOND_AD_ACTOR_SYS_PRIO", "uint16"),
        ("IFLA_BOND_AD_USER_PORT_KEY", "uint16"),
        ("IFLA_BOND_AD_ACTOR_SYSTEM", "l2addr"),
        ("IFLA_BOND_TLB_DYNAMIC_LB", "uint8"),
        ("IFLA_BOND_PEER_NOTIF_DELAY", "uint32"),
        ("IFLA_BOND_AD_LACP_ACTIVE", "uint8"),
        ("IFLA_BOND_MISSED_MAX", "uint8"),
        ("IFLA_BOND_NS_IP6_TARGET", "Targets6"),
        ("IFLA_BOND_COUPLED_CONTROL", "uint8"),
        ("IFLA_BOND_BROADCAST_NEIGH", "uint8"),
        ("IFLA_BOND_LACP_STRICT", "uint8"),
    )
    Targets4, Targets6, Aggregator = Targets4, Targets6, Aggregator


class MemberData(nla):  # type: ignore[misc]
    """IFLA_INFO_SLAVE_DATA of a member of a bond."""

    prefix = "IFLA_"
    nla_map = (
        ("IFLA_BOND_SLAVE_UNSPEC", "none"),
        ("IFLA_BOND_SLAVE_STATE", "uint8"),
        ("IFLA_BOND_SLAVE_MII_STATUS", "uint8"),
        ("IFLA_BOND_SLAVE_LINK_FAILURE_COUNT", "uint32"),
        ("IFLA_BOND_SLAVE_PERM_HWADDR", "l2addr"),
        ("IFLA_BOND_SLAVE_QUEUE_ID", "uint16"),
        ("IFLA_BOND_SLAVE_AD_AGGREGATOR_ID", "uint16"),
        ("IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE", "uint8"),
        ("IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE", "uint16"),
        ("IFLA_BOND_SLAVE_PRIO", "int32"),
        ("IFLA_BOND_SLAVE_ACTOR_PORT_PRIO", "uint16"),
        ("IFLA_BOND_SLAVE_AD_CHURN_ACTOR_STATE", "uint8"),
        ("IFLA_BOND_SLAVE_AD_CHURN_PARTNER_STATE", "uint8"),
    )


#: What pyroute2 shall read and write for each kind of interface, instead of its own.
_OURS: dict[str, type[nla]] = {}


def register_kind(kind: str, data: type[nla]) -> None:
    """Make pyroute2 read and write IFLA_INFO_DATA of that kind by ``data``, in this process.

    `register_link_kind` puts back what pyroute2 itself has for every other kind, so ours are all given each time.
    """
    _OURS[kind] = data
    ifinfmsg.ifinfo.register_link_kind(module=dict(_OURS))


def register() -> None:
    """Make pyroute2 read and write the attributes of bonds and of their members, in this process."""
    register_kind("bond", BondData)
    ifinfmsg.ifinfo.bond_slave_data = MemberData
