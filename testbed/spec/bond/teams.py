"""A bond by the team driver: libteam's configuration (teamd.conf(5)) from the options of the bonding driver.

    mode            runner              mode            runner
    balance-rr      roundrobin          broadcast       broadcast
    active-backup   activebackup        802.3ad         lacp
    balance-xor     loadbalance         balance-tlb, balance-alb: none

The kernel notifies teamd of carrier by events, so there is no miimon. What has no counterpart is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testbed.errors import SpecError
from testbed.spec.bond.option import options, words

if TYPE_CHECKING:
    from testbed.spec.bond import Bond, BondOptions

RUNNERS = {
    "balance-rr": "roundrobin",
    "active-backup": "activebackup",
    "balance-xor": "loadbalance",
    "broadcast": "broadcast",
    "802.3ad": "lacp",
}
_TX_HASH = {"layer2": ["eth"], "layer2+3": ["eth", "ip"], "layer3+4": ["ip", "l4"]}
_VALIDATE = {"none": (False, False), "active": (True, False), "backup": (False, True), "all": (True, True)}
_HWADDR_POLICY = {"none": "same_all", "active": "by_active", "follow": "only_active"}
_RESELECT = {"always": False, "failure": True}  # whether ports are sticky
_AGGREGATOR = {"stable": "lacp_prio_stable", "bandwidth": "bandwidth", "count": "count"}
#: The options that teamd has in some form, and which of their values.
_KNOWN: dict[str, dict[str, Any]] = {
    "xmit_hash_policy": _TX_HASH,
    "arp_validate": _VALIDATE,
    "fail_over_mac": _HWADDR_POLICY,
    "primary_reselect": _RESELECT,
    "ad_select": _AGGREGATOR,
}
_TAKEN = {
    *("mode", "updelay_ms", "downdelay_ms", "arp_interval_ms", "arp_ip_target", "arp_missed_max", "primary_member"),
    *("active_member", "prio", "lacp_rate", "lacp_active", "min_links", "ad_actor_sys_prio"),
    *("actor_port_prio", "queue_id"),
}
_SPINS = "the driver retries an announcement without a pause, so virtual time may stand still for ever"
_WHY = {
    "miimon_ms": "the kernel notifies it of carrier by events",
    "ns_ip6_target": "its ports would need IPv6 addresses of their own",
    **dict.fromkeys(("num_grat_arp", "peer_notif_delay_ms", "resend_igmp"), _SPINS),
}
#: teamd's priority of the port that is the primary, above any that prio= gives.
_PRIMARY_PRIO = 2**31 - 1


def check(bond: BondOptions) -> None:
    """Errors: SpecError if teamd has no such runner, or has not what was asked for."""
    if bond.mode not in RUNNERS:
        raise SpecError(
            f"bond=team has no counterpart of mode {bond.mode}: no runner of teamd moves flows or neighbours by load",
            f"Use bond=bonding, or one of the modes {', '.join(RUNNERS)}.",
        )
    for name, _, value, asked in options(bond):
        if not asked or name in _TAKEN or (name == "miimon_ms" and value == 0):
            continue
        if name not in _KNOWN:
            why = f": {_WHY[name]}" if name in _WHY else ""
            raise SpecError(f"bond=team cannot have {name}{why}", f"Leave {name} out, or use bond=bonding.")
        if value not in _KNOWN[name]:
            raise SpecError(
                f"bond=team: teamd has no counterpart of {name}={value}; wanted {', '.join(_KNOWN[name])}",
                "Choose one of these, or use bond=bonding.",
            )


def config(
    bond: Bond, *, mac: str, ip: str = "0.0.0.0", targets: tuple[str, ...] = (), vlan: int = 0
) -> dict[str, Any]:
    """teamd's configuration of a bond whose interface has ``mac``, and which monitors its targets from ``ip``."""
    runner: dict[str, Any] = {"name": RUNNERS[bond.mode]}
    if bond.mode == "active-backup":
        runner["hwaddr_policy"] = _HWADDR_POLICY[bond.fail_over_mac]
    if bond.mode in ("balance-xor", "802.3ad"):
        runner["tx_hash"] = _TX_HASH[bond.xmit_hash_policy]
    if bond.mode == "802.3ad":
        runner |= {
            "active": bond.lacp_active,
            "fast_rate": bond.lacp_rate == "fast",
            "sys_prio": bond.ad_actor_sys_prio,
            "min_ports": max(1, bond.min_links),
            "agg_select_policy": _AGGREGATOR[bond.ad_select],
        }
    return {
        "device": bond.name,
        "hwaddr": mac,
        "runner": runner,
        "link_watch": _watch(bond, ip, targets, vlan),
        "ports": {member: _port(bond, place) for place, member in enumerate(bond.members)},
        # The driver announces a failover from a work item that queues itself again at once while another holds the
        # lock that it needs (team_notify_peers_work): where time stands still meanwhile, that never ends.
        "notify_peers": {"count": 0},
        "mcast_rejoin": {"count": 0},
    }


def _watch(bond: Bond, ip: str, targets: tuple[str, ...], vlan: int) -> Any:
    if not bond.arp_interval_ms:
        return {"name": "ethtool", "delay_up": bond.updelay_ms, "delay_down": bond.downdelay_ms}
    active, inactive = _VALIDATE[bond.arp_validate]
    common = {"interval": bond.arp_interval_ms, "missed_max": bond.arp_missed_max}
    arp = {"name": "arp_ping", **common, "validate_active": active, "validate_inactive": inactive, "source_host": ip}
    tag = {"vlanid": vlan} if vlan else {}
    return [{**arp, **tag, "target_host": target} for target in targets]


def _port(bond: Bond, place: int) -> dict[str, Any]:
    port: dict[str, Any] = {}
    if bond.mode == "active-backup":
        prio = int(words(bond.prio)[place]) if bond.prio else 0
        port["prio"] = _PRIMARY_PRIO if place == bond.primary_member else prio
        port["sticky"] = _RESELECT[bond.primary_reselect]
    if bond.actor_port_prio:
        port["lacp_prio"] = int(words(bond.actor_port_prio)[place])
    if bond.queue_id and words(bond.queue_id)[place] != "0":
        port["queue_id"] = int(words(bond.queue_id)[place])
    return port
