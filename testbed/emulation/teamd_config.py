"""teamd's configuration of a bond (teamd.conf(5)), as a value to be written in JSON."""

from __future__ import annotations

from typing import Any

from testbed.spec import Bond
from testbed.spec.bond import words
from testbed.spec.bond.teams import AGGREGATOR, HWADDR_POLICY, RESELECT, TX_HASH, VALIDATE, runner

#: teamd's priority of the port that is the primary, above any that prio= gives.
_PRIMARY_PRIO = 2**31 - 1


def config(
    bond: Bond, *, mac: str, ip: str = "0.0.0.0", targets: tuple[str, ...] = (), vlan: int = 0
) -> dict[str, Any]:
    """teamd's configuration of a bond whose interface has ``mac``, and which monitors its targets from ``ip``."""
    runs: dict[str, Any] = {"name": runner(bond)}
    if bond.mode == "active-backup":
        runs["hwaddr_policy"] = HWADDR_POLICY[bond.fail_over_mac]
    if bond.mode in ("balance-xor", "802.3ad"):
        runs["tx_hash"] = TX_HASH[bond.xmit_hash_policy]
    if bond.mode == "802.3ad":
        runs |= {
            "active": bond.lacp_active,
            "fast_rate": bond.lacp_rate == "fast",
            "sys_prio": bond.ad_actor_sys_prio,
            "min_ports": max(1, bond.min_links),
            "agg_select_policy": AGGREGATOR[bond.ad_select],
        }
    return {
        "device": bond.name,
        "hwaddr": mac,
        "runner": runs,
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
    active, inactive = VALIDATE[bond.arp_validate]
    common = {"interval": bond.arp_interval_ms, "missed_max": bond.arp_missed_max}
    arp = {"name": "arp_ping", **common, "validate_active": active, "validate_inactive": inactive, "source_host": ip}
    tag = {"vlanid": vlan} if vlan else {}
    return [{**arp, **tag, "target_host": target} for target in targets]


def _port(bond: Bond, place: int) -> dict[str, Any]:
    port: dict[str, Any] = {}
    if bond.mode == "active-backup":
        prio = int(words(bond.prio)[place]) if bond.prio else 0
        port["prio"] = _PRIMARY_PRIO if place == bond.primary_member else prio
        port["sticky"] = RESELECT[bond.primary_reselect]
    if bond.actor_port_prio:
        port["lacp_prio"] = int(words(bond.actor_port_prio)[place])
    if bond.queue_id and words(bond.queue_id)[place] != "0":
        port["queue_id"] = int(words(bond.queue_id)[place])
    return port
