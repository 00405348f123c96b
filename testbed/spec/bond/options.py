"""Every option of the kernel's bonding document as a field: with the kernel's name, and its unit if it has one.

Lists are words joined by '+'. docs/bonds.md has the options in a table (networking/bonding.rst).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.spec.bond.option import ARP_MODES, DRIVER_MODES, EVERY_MODE, INT_MAX, PEERS, PRIMARY_MODES, option

#: In the order of the kernel's numbers (linux/if_bonding.h, BOND_XMIT_POLICY_*).
XMIT_HASH_POLICIES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
LACP_RATES = ("slow", "fast")
PRIMARY_RESELECT = ("always", "better", "failure")
#: Modes in which the switch must treat the members as one LAG (bonding.rst, "Switch Configuration").
STATIC_LAG_MODES = ("balance-rr", "balance-xor", "broadcast")
#: What makes one interface of several: the bonding driver, the team driver with libteam's teamd, or what a mode names.
DRIVERS = ("bonding", "team", *dict.fromkeys(DRIVER_MODES.values()))

#: What tells a host in mode ecmp that a way has failed.
ECMP_DETECT = ("carrier", "bfd", "routing")
#: How often BIRD's OSPF announces links and computes routes, in seconds (`tick`, whose least value this is).
OSPF_TICK_S = 1

_LACP = ("802.3ad",)
_ADAPTIVE = ("balance-tlb", "balance-alb")
_LACP_ONLY = "it is an option of LACP, which only 802.3ad speaks"


@dataclass(frozen=True, kw_only=True)
class OptionValues:
    """A value for every option of a bond, not checked yet. Times are in milliseconds, as the kernel takes them.

    ``driver`` is ``bonding`` or ``team`` (``--set bond=``), or follows from the mode (`DRIVER_MODES`); what follows are
    the driver's options. ``primary_member`` and ``active_member`` are places among the members, from 0; -1: there is
    none. The first counts where the mode has a primary; the second is made the active member once, when all members
    have carrier. An option that has its default is left out where the mode does not use it.
    """

    mode: str = option("802.3ad", "MODE", "every bond has one", kernel="", words=EVERY_MODE, modes=EVERY_MODE)
    driver: str = field(default="bonding", metadata={"setting": "bond"})

    miimon_ms: int = option(100, "MIIMON", "how often the members' carrier is checked", kernel=0)
    updelay_ms: int = option(0, "UPDELAY", "the delays are counted in checks of the MII monitor", needs="miimon_ms")
    downdelay_ms: int = option(0, "DOWNDELAY", "the delays are counted in checks of the MII monitor", needs="miimon_ms")

    arp_interval_ms: int = option(
        0, "ARP_INTERVAL", "how often the ARP monitor sends requests", modes=ARP_MODES, refused=True
    )
    arp_ip_target: str = option(
        PEERS, "ARP_IP_TARGET", "the targets of the ARP monitor", kind="ipv4", modes=ARP_MODES, needs="arp_interval_ms"
    )
    ns_ip6_target: str = option(
        PEERS,
        "NS_IP6_TARGET",
        "the targets of the ARP monitor over IPv6",
        kind="ipv6",
        modes=ARP_MODES,
        needs="arp_interval_ms",
        since=(5, 19),
    )
    arp_validate: str = option(
        "none",
        "ARP_VALIDATE",
        "it says which answers the ARP monitor counts",
        words=("none", "active", "backup", "all", "filter", "filter_active", "filter_backup"),
        modes=ARP_MODES,
        refused=True,
        needs="arp_interval_ms",
    )
    arp_all_targets: str = option(
        "any",
        "ARP_ALL_TARGETS",
        "it says how many targets must answer the ARP monitor",
        words=("any", "all"),
        modes=("active-backup",),
        needs="arp_interval_ms",
    )
    arp_missed_max: int = option(
        2,
        "MISSED_MAX",
        "it counts the ARP monitor's rounds",
        low=1,
        high=255,
        modes=ARP_MODES,
        refused=True,
        needs="arp_interval_ms",
        since=(5, 17),
    )

    primary_member: int = option(
        0,
        "PRIMARY",
        "the others have no active member",
        kernel=-1,
        kind="place",
        low=-1,
        modes=PRIMARY_MODES,
        refused=True,
    )
    primary_reselect: str = option(
        "always", "PRIMARY_RESELECT", "when the primary takes over", words=PRIMARY_RESELECT, modes=PRIMARY_MODES
    )
    active_member: int = option(
        -1,
        "ACTIVE_SLAVE",
        "the others have no active member",
        kind="place",
        low=-1,
        modes=PRIMARY_MODES,
        refused=True,
    )
    prio: str = option(
        "",
        "PRIO",
        "the others have no active member",
        each=True,
        low=-INT_MAX - 1,
        modes=PRIMARY_MODES,
        refused=True,
        since=(6, 0),
    )
    fail_over_mac: str = option(
        "none",
        "FAIL_OVER_MAC",
        "whose MAC address the bond has",
        words=("none", "active", "follow"),
        modes=("active-backup",),
    )
    num_grat_arp: int = option(
        1,
        "NUM_PEER_NOTIF",
        "gratuitous ARPs and unsolicited neighbour advertisements after a failover (also num_unsol_na)",
        high=255,
        modes=("active-backup", "802.3ad"),
    )
    peer_notif_delay_ms: int = option(
        0,
        "PEER_NOTIF_DELAY",
        "the delay is counted in checks of the MII monitor",
        high=300_000,
        needs="miimon_ms",
        since=(5, 3),
    )
    resend_igmp: int = option(1, "RESEND_IGMP", "IGMP reports after a failover", high=255)
    all_slaves_active: bool = option(False, "ALL_SLAVES_ACTIVE", "whether inactive members' frames are accepted")

    packets_per_slave: int = option(
        1,
        "PACKETS_PER_SLAVE",
        "only balance-rr takes turns",
        high=65535,
        modes=("balance-rr",),
        refused=True,
    )
    xmit_hash_policy: str = option(
        "layer3+4",
        "XMIT_HASH_POLICY",
        "what of a frame decides its member",
        kernel="layer2",
        words=XMIT_HASH_POLICIES,
        modes=("balance-xor", "802.3ad", "balance-tlb"),
        words_since=(("vlan+srcmac", (5, 12)),),
    )
    tlb_dynamic_lb: bool = option(
        True,
        "TLB_DYNAMIC_LB",
        "the others do not move flows by load",
        modes=_ADAPTIVE,
        refused=True,
        since=(4, 3),
    )
    lp_interval_s: int = option(1, "LP_INTERVAL", "how often learning packets are sent", low=1, modes=_ADAPTIVE)

    lacp_rate: str = option(
        "fast", "AD_LACP_RATE", _LACP_ONLY, kernel="slow", words=LACP_RATES, modes=_LACP, refused=True
    )
    lacp_active: bool = option(True, "AD_LACP_ACTIVE", _LACP_ONLY, modes=_LACP, refused=True, since=(5, 16))
    #: bond_3ad_set_carrier() compares the ports that have a partner with min_links: with 0 there are always enough.
    lacp_strict: bool = option(
        False, "LACP_STRICT", _LACP_ONLY, modes=_LACP, refused=True, idle_without="min_links", since=(7, 2)
    )
    coupled_control: bool = option(True, "COUPLED_CONTROL", _LACP_ONLY, modes=_LACP, refused=True, since=(6, 9))
    broadcast_neighbor: bool = option(
        False, "BROADCAST_NEIGH", "only 802.3ad has it", modes=_LACP, refused=True, since=(6, 17)
    )
    min_links: int = option(0, "MIN_LINKS", "with how many members 802.3ad has carrier", modes=_LACP)
    ad_select: str = option(
        "stable",
        "AD_SELECT",
        "which aggregator is active",
        words=("stable", "bandwidth", "count", "actor_port_prio"),
        modes=_LACP,
        words_since=(("actor_port_prio", (6, 18)),),
    )
    ad_actor_sys_prio: int = option(
        65535, "AD_ACTOR_SYS_PRIO", _LACP_ONLY, low=1, high=65535, modes=_LACP, refused=True, since=(4, 2)
    )
    ad_actor_system: str = option(
        "", "AD_ACTOR_SYSTEM", _LACP_ONLY, kind="mac", modes=_LACP, refused=True, since=(4, 2)
    )
    ad_user_port_key: int = option(
        0, "AD_USER_PORT_KEY", _LACP_ONLY, high=1023, modes=_LACP, refused=True, since=(4, 2)
    )
    actor_port_prio: str = option(
        "", "ACTOR_PORT_PRIO", _LACP_ONLY, each=True, low=1, high=65535, modes=_LACP, refused=True, since=(6, 18)
    )
    ecmp_group: str = option(
        "hash-threshold",
        "",
        "how flows are spread over the next hops; resilient: flows of those that are left stay where they are",
        words=("hash-threshold", "resilient"),
        modes=("ecmp",),
        refused=True,
        since=(5, 13),
    )
    ecmp_buckets: int = option(
        64, "", "buckets of a resilient group", low=2, high=4096, modes=("ecmp",), refused=True, since=(5, 13)
    )
    ecmp_detect: str = option(
        "carrier",
        "",
        "what tells a host that a way has failed: the carrier of its own link; BFD (RFC 5880) with every other host"
        " by each way; or a routing protocol, OSPF (RFC 2328), by its hellos",
        words=ECMP_DETECT,
        modes=("ecmp",),
        refused=True,
    )
    ecmp_bfd_ms: int = option(
        100, "", "BFD's interval, to send and to receive", low=10, high=60_000, modes=("ecmp",), refused=True
    )
    ecmp_bfd_mult: int = option(
        3, "", "a way is left after so many intervals without a packet", low=1, high=255, modes=("ecmp",), refused=True
    )
    ecmp_hello_s: int = option(
        1, "", "OSPF's HelloInterval (RFC 2328, 9.5)", low=1, high=65_535, modes=("ecmp",), refused=True
    )
    ecmp_dead_s: int = option(
        4,
        "",
        "OSPF's RouterDeadInterval: a way is left after so long without a hello (RFC 2328, appendix C.3)",
        low=2,
        high=65_535,
        modes=("ecmp",),
        refused=True,
    )
    mptcp_backup: bool = option(
        False,
        "",
        "whether the subflows of all ways but the first carry data only when no other can (RFC 8684, 3.3.8)",
        modes=("mptcp",),
        refused=True,
        since=(6, 1),
    )
    mptcp_stale_losses: int = option(
        4,
        "",
        "timeouts in a row after which a subflow carries no new data (networking/mptcp-sysctl.rst, stale_loss_cnt)",
        high=255,
        modes=("mptcp",),
        refused=True,
        since=(5, 15),
    )
    queue_id: str = option("", "QUEUE_ID", "the queue that traffic control chooses a member by", each=True, high=16)

    @property
    def watched(self) -> bool:
        """Whether a service tells the host which of its ways work, and makes its routes; else their carrier does."""
        return self.mode == "ecmp" and self.ecmp_detect != "carrier"
