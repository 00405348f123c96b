"""Which site of a service a client reaches, what fails of it, and what that costs. Pure.

client --- internet === line === site's router === server      the service's address is on the servers of all sites;
                   `=== line === site's router === server      BGP leads each client to the nearest that announces it
"""

from __future__ import annotations

from dataclasses import replace

from testbed.errors import SpecError
from testbed.faults.catalogue import FAULTS
from testbed.spec import Topology
from testbed.theory import bgp
from testbed.theory.forwarding import without
from testbed.theory.outage_bound import OutageBound, of_law

#: What of a site fails: its router, or the cable that it is reached by; its server, or the cable of that.
PLACES = ("site", "server")
#: What a host or a router between client and server is at least: client, internet, router, server.
_MACHINES = 4


def service(topology: Topology) -> str:
    """The address that several machines share; empty: none."""
    return next((each.anycast for group in topology.bgp for each in group.speakers if each.anycast), "")


def servers(topology: Topology) -> list[str]:
    """The machines that have the service's address."""
    own = service(topology)
    return [each.machine for group in topology.bgp for each in group.speakers if own and each.anycast == own]


def trail(topology: Topology, client: str) -> tuple[str, ...]:
    """The machines from a client to the server that it reaches while nothing fails; empty: it reaches none."""
    found = without(topology).trail(client, service(topology)) if service(topology) else ()
    return found if len(found) >= _MACHINES else ()


def element(topology: Topology, fault: str, place: str) -> str:
    """What a fault hits of the site that the first client reaches. Errors: SpecError where there is no such element."""
    *_, before, router, server = trail(topology, topology.client)
    if FAULTS[fault].element == "router":
        return router if place == "site" else server
    if FAULTS[fault].element in ("service", "BGP speaker"):
        return f"{server}:bird"
    ends = {before, router} if place == "site" else {router, server}
    link = next((link for link in topology.links if {link.a, link.b} == ends), None)
    if link is None:
        raise SpecError(f"topology {topology.name!r} has no one cable between {' and '.join(sorted(ends))}")
    return link.name


def outage(topology: Topology, fault: str, place: str) -> OutageBound | str:
    """The outage of packets from the first client to the service; text: there is no bound, and why.

    One speaker notices, the last one before what failed, and tells those before it. With the server's cable its router
    loses the subnet there as well, which it announces, too.
    """
    group = topology.bgp[0]
    *_, before, router, _ = found = trail(topology, topology.client)
    noticing = before if place == "site" else router
    delay_s = sum(link.delay_ms for link in topology.links if {link.a, link.b} <= {*found}) / 1e3
    both = bgp.outage(group, fault, delay_s=delay_s)
    if isinstance(both, str):
        return both
    if fault in ("carrier_loss", "router_crash") and place == "server":
        return replace(bgp.BESIDE_A_SUBNET, tolerance_s=both.tolerance_s)
    if both.law is None:
        return both
    one = bgp.detection(group, len(group.of(noticing)) - 1)
    assert one.law is not None
    return of_law(one.law, one.label, both.tolerance_s)
