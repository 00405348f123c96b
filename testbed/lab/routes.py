"""Whether the kernels of BGP speakers have the routes that theory gives them while nothing fails."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from testbed.theory import lines

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: The kernel's main routing table (linux/rtnetlink.h, RT_TABLE_MAIN).
_MAIN = 254


def lacking(lab: Lab) -> str:
    """The routes that are not as they should be, each with its next hops; empty once all are."""
    found = []
    for machine, routes in lines.routes(lab.topology).items():
        there = _kernel(lab, machine)
        for prefix, wanted in routes.items():
            if (has := there.get(prefix, set())) != set(wanted):
                found.append(f"{machine} reaches {prefix} by {' and '.join(sorted(has)) or 'nothing'}")
    return "; ".join(found)


def unsettled(lab: Lab) -> str:
    """What of the services is still under way, and which routes are lacking; empty for nothing."""
    return "; ".join(filter(None, (*(each.unsettled() for each in lab.services), lacking(lab))))


def in_use(lab: Lab, machine: str, to: str) -> list[str]:
    """The next hops by which a machine's kernel sends packets to an address; none: it has no such route."""
    there, target = _kernel(lab, machine), ipaddress.ip_address(to)
    fit = [ipaddress.ip_network(prefix) for prefix in there if target in ipaddress.ip_network(prefix)]
    return sorted(there[str(max(fit, key=lambda each: each.prefixlen))]) if fit else []


def _kernel(lab: Lab, machine: str) -> dict[str, set[str]]:
    """The next hops of each route of a machine's kernel."""
    found: dict[str, set[str]] = {}
    for route in lab.network.netlink(machine).get_routes(family=socket.AF_INET, table=_MAIN):
        prefix = str(ipaddress.ip_network(f"{route.get_attr('RTA_DST') or '0.0.0.0'}/{route['dst_len']}"))
        several = [dict(hop["attrs"]).get("RTA_GATEWAY") for hop in route.get_attr("RTA_MULTIPATH") or ()]
        found[prefix] = {str(each) for each in (*several, route.get_attr("RTA_GATEWAY")) if each}
    return found
