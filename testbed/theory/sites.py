"""Which site of a service a client reaches, what fails of it, and what that costs. Pure.

client --- internet === line === site's router === server      the service's address is on the servers of all sites;
                   `=== line === site's router === server      BGP leads each client to the nearest that announces it
"""

from __future__ import annotations

from dataclasses import replace

from testbed.errors import SpecError
from testbed.faults.catalogue import FAULTS
from testbed.spec import Topology
from testbed.theory import bgp, lines
from testbed.theory.forwarding import without
from testbed.theory.laws import Longest, Sum
from testbed.theory.outage_bound import OutageBound, of_law
from testbed.theory.tcp import DELAYED_ACK_S

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


def both_serve(topology: Topology) -> Topology:
    """The same network once an operator has had the site that stands by announce as well."""
    groups = (replace(g, speakers=tuple(replace(each, by_hand=False) for each in g.speakers)) for g in topology.bgp)
    return replace(topology, bgp=tuple(groups), sites=())


def whole(topology: Topology, machine: str) -> str:
    """The site that a machine is at, as an element. Errors: SpecError if that site cannot be lost as a whole."""
    names = [name for group in topology.sites for name in group.whole if machine in name.split("+")]
    if not names:
        raise SpecError(f"topology {topology.name!r} does not say which machines are at the site of {machine}")
    return names[0]


def element(topology: Topology, fault: str, place: str) -> str:
    """What a fault hits of the site that the first client reaches. Errors: SpecError where there is no such element."""
    *_, before, router, server = trail(topology, topology.client)
    at_site = place == "site"
    if FAULTS[fault].element == "site":
        if not at_site:
            raise SpecError(f"{fault} hits all machines of the site", "Type: --set place=site")
        return whole(topology, server)
    if at_site and FAULTS[fault].element in ("service", "BGP speaker"):
        raise SpecError(f"{fault} hits the server's daemon: it is no fault of the site", "Type: --set place=server")
    machine, cable = (router, (before, router)) if at_site else (server, (router, server))
    return lines.hit(topology, fault, machine, server, cable)


def outage(topology: Topology, fault: str, place: str) -> OutageBound | str:
    """The outage of packets from the first client to the service; text: there is no bound, and why.

    One speaker notices, the last one before what failed, and tells those before it. With the server's cable its router
    loses the subnet there as well, which it announces, too. By hand the operator's time counts as well.
    """
    found = _rerouted(topology, "router_crash" if fault == "site_loss" else fault, place)
    hands = next((group for group in topology.sites if group.by_hand and not group.name_servers), None)
    if hands is None or isinstance(found, str):
        return found
    at_s, label = hands.switchover_s, f"the operator, after {hands.switchover_s:g} s"
    # BIRD says that it announces all anew (RFC 7313, 4), and TCP may hold what follows (RFC 896, RFC 1122 4.2.3.2).
    late_s = found.tolerance_s + DELAYED_ACK_S
    if fault == "service_pause":  # the kernel forwards until the routes are gone
        gone = bgp.detection(topology.bgp[0])
        low_s, high_s = (max(0.0, at_s - noticed_s) for noticed_s in (gone.bound_s, gone.low_s))
        return OutageBound(low_s, high_s, f"{label}, less {gone.label}", tolerance_s=late_s)
    if fault in bgp.OF_DAEMON:
        return of_law(Sum(at_s), label, late_s)
    noticed = Sum(found.low_s, (found.bound_s - found.low_s,)) if found.law is None else found.law
    return of_law(Longest((Sum(at_s), noticed)), f"{label}; {found.label}", late_s)


def _rerouted(topology: Topology, fault: str, place: str) -> OutageBound | str:
    """The outage until BGP has another way, or would have one."""
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
