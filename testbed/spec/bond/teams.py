"""A bond by the team driver: libteam's configuration (teamd.conf(5)) from the options of the bonding driver.

    mode            runner              mode            runner
    balance-rr      roundrobin          broadcast       broadcast
    active-backup   activebackup        802.3ad         lacp
    balance-xor     loadbalance         balance-tlb, balance-alb: none
    balance-rr with packets_per_slave=0: random

The kernel notifies teamd of carrier by events, so there is no miimon. What has no counterpart is refused.
"""

from __future__ import annotations

from typing import Any

from testbed.errors import SpecError
from testbed.spec.bond.option import options
from testbed.spec.bond.options import OptionValues

RUNNERS = {
    "balance-rr": "roundrobin",
    "active-backup": "activebackup",
    "balance-xor": "loadbalance",
    "broadcast": "broadcast",
    "802.3ad": "lacp",
}
TX_HASH = {"layer2": ["eth"], "layer2+3": ["eth", "ip"], "layer3+4": ["ip", "l4"]}
VALIDATE = {"none": (False, False), "active": (True, False), "backup": (False, True), "all": (True, True)}
HWADDR_POLICY = {"none": "same_all", "active": "by_active", "follow": "only_active"}
RESELECT = {"always": False, "failure": True}  # whether ports are sticky
AGGREGATOR = {"stable": "lacp_prio_stable", "bandwidth": "bandwidth", "count": "count"}
#: By the packets that a bond sends by a member before the next one: 0 means a member by chance (bonding.rst).
IN_TURN = {1: RUNNERS["balance-rr"], 0: "random"}
#: The options that teamd has in some form, and which of their values.
_KNOWN: dict[str, dict[Any, Any]] = {
    "xmit_hash_policy": TX_HASH,
    "arp_validate": VALIDATE,
    "fail_over_mac": HWADDR_POLICY,
    "primary_reselect": RESELECT,
    "ad_select": AGGREGATOR,
    "packets_per_slave": IN_TURN,
}
_TAKEN = {
    *("mode", "updelay_ms", "downdelay_ms", "arp_interval_ms", "arp_ip_target", "arp_missed_max", "primary_member"),
    *("active_member", "prio", "lacp_rate", "lacp_active", "min_links", "ad_actor_sys_prio"),
    *("actor_port_prio", "queue_id"),
}
_SPINS = "the driver retries an announcement without a pause, so virtual time may never advance"
_WHY = {
    "miimon_ms": "the kernel notifies it of carrier by events",
    "ns_ip6_target": "its ports would need IPv6 addresses of their own",
    **dict.fromkeys(("num_grat_arp", "peer_notif_delay_ms", "resend_igmp"), _SPINS),
}


def runner(bond: OptionValues) -> str:
    """The name of teamd's runner for a bond that passes `check`."""
    return IN_TURN[bond.packets_per_slave] if bond.mode == "balance-rr" else RUNNERS[bond.mode]


def takes(name: str) -> bool:
    """Whether teamd has an option in some form."""
    return name in _TAKEN or name in _KNOWN


def check(bond: OptionValues) -> None:
    """Errors: SpecError if teamd has no such runner, or not the options that were set."""
    if bond.mode not in RUNNERS:
        raise SpecError(
            f"bond=team has no counterpart of mode {bond.mode}: no runner of teamd moves flows or neighbours by load",
            f"Use bond=bonding, or one of the modes {', '.join(RUNNERS)}.",
        )
    for name, _, value, asked in options(bond):
        if not asked or name in _TAKEN or (name == "miimon_ms" and value == 0 and bond.arp_interval_ms):
            continue
        if name not in _KNOWN:
            why = f": {_WHY[name]}" if name in _WHY else ""
            raise SpecError(f"bond=team cannot have {name}{why}", f"Leave {name} out, or use bond=bonding.")
        if value not in _KNOWN[name]:
            raise SpecError(
                f"bond=team: teamd has no counterpart of {name}={value}; wanted {', '.join(map(str, _KNOWN[name]))}",
                "Choose one of these, or use bond=bonding.",
            )
