"""What the users of a service at several sites feel when a site fails, or the name server that leads to them. Pure.

check    c     c X   c     c     c               F failures in a row, I apart, each after the time-out T if silent:
                     1     2     3 -> out        (F - 1) I to F I after the fault, and T
anycast                            |             the server's BGP speaker withdraws the address: an event
dns                                |-1 s-|--TTL--|         other answers, and then what resolvers keep ends

gdnsd gives its answers the state of its checks a second after it has changed: kick_sttl_update_timer in
src/plugins/mon.c of 3.8.1 collects changes for so long. A resolver keeps an answer for its TTL (RFC 1035, 3.2.1), and a
fault does not know how old it is. Checks are due on a fixed grid: ev_timer_set in src/plugins/http_status.c there, and
testbed.services.site_check_program. By hand there are no checks: an operator switches over. Of two name servers the
loss of the first costs the time-out of the resolver, each time that a kept answer has ended (RFC 1035, 7.2).
"""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.faults.catalogue import FAULTS
from testbed.spec import Sites, Topology
from testbed.spec.site import RESOLVER_WAITS_S
from testbed.theory import lines, sites
from testbed.theory.forwarding import without
from testbed.theory.laws import Sum
from testbed.theory.outage_bound import OutageBound, of_law
from testbed.theory.tcp import DELAYED_ACK_S

#: What fails: the first client's server or the router of its site, or the name server.
PLACES = ("server", "site", "names")
#: The faults after which a machine's kernel, or the router before it, says at once that nothing is there.
_SAID = ("service_crash", "router_crash")
#: How long gdnsd keeps a change of state from its answers.
HELD_S = 1.0
#: What a check, a process that is woken, and BGP's messages may add, in seconds.
_LATE_S = 0.010


def service(topology: Topology) -> str:
    """The anycast address of the service; empty: it is found by DNS, or is not at several sites."""
    return sites.service(topology)


def first(topology: Topology) -> str:
    """The server that the first client reaches while nothing fails; empty: there is no service at several sites."""
    if not topology.sites or len(topology.sites[0].servers) < 2:
        return ""
    group = topology.sites[0]
    return group.order(topology.host(topology.client).ip)[0] if group.name_servers else _trail(topology)[-1]


def _trail(topology: Topology) -> tuple[str, ...]:
    """The machines from the first client to its server, both included."""
    group = topology.sites[0]
    to = topology.host(first(topology)).ip if group.name_servers else service(topology)
    return without(topology).trail(topology.client, to)


def element(topology: Topology, fault: str, place: str) -> str:
    """What a fault hits. Errors: SpecError where there is no such element, with what to type instead."""
    group = topology.sites[0]
    of_daemon = FAULTS[fault].element == "service"
    if place == "names":
        if not group.name_servers:
            raise SpecError("place=names: no name server leads to these sites", "Type: --set sites_by=dns")
        if FAULTS[fault].element == "site":
            raise SpecError(f"{fault} hits no name server: they are at no site", "Type: --set place=site")
        return f"{group.name_servers[0]}:gdnsd" if of_daemon else group.name_servers[0]
    if FAULTS[fault].element == "site":
        if place != "site":
            raise SpecError(f"{fault} hits all machines of the site", "Type: --set place=site")
        return sites.whole(topology, first(topology))
    if place == "server":
        return f"{first(topology)}:http" if of_daemon else first(topology)
    if of_daemon:
        raise SpecError(f"{fault} hits a daemon of the server: it is no fault of the site", "Type: --set place=server")
    return _trail(topology)[-2]


def detection(group: Sites, *, silent: bool) -> OutageBound:
    """How long after a server has failed its check finds it out of service; ``silent``: nothing comes from it."""
    every_s, waits_s = group.check_ms / 1e3, group.timeout_ms / 1e3 if silent else 0.0
    label = f"{group.fall} checks fail, {every_s:g} s apart" + (f", time-out {waits_s:g} s" if silent else "")
    return of_law(Sum((group.fall - 1) * every_s + waits_s, (every_s,)), label, _LATE_S)


def outage(topology: Topology, fault: str, place: str) -> OutageBound | str:
    """How long requests of the first client fail, or wait; text: theory does not say, and why.

    Of the only name server: from the fault until requests begin to fail, as answers that are kept serve on. Of the
    first of several: how long a request waits that needs an answer, which another one gives.
    """
    group = topology.sites[0]
    if place == "names" and len(group.name_servers) > 1:
        if fault in _SAID:
            return OutageBound(0.0, 0.0, "the next name server is asked at once", tolerance_s=_LATE_S)
        return of_law(Sum(RESOLVER_WAITS_S), "the resolver's time-out, then the next name server", _LATE_S)
    if place == "names":
        return of_law(Sum(0.0, (float(group.ttl_s),)), f"kept answers, TTL {group.ttl_s} s", _LATE_S)
    of_daemon = FAULTS[fault].element == "service"
    if not group.name_servers and not of_daemon:
        return sites.outage(topology, fault, place)
    if group.by_hand:
        ends = (float(group.ttl_s),) if group.name_servers else ()
        label = f"the operator, after {group.switchover_s:g} s" + (f"; TTL {group.ttl_s} s" if ends else "")
        late_s = _LATE_S if ends else _LATE_S + DELAYED_ACK_S  # as in testbed.theory.sites
        return of_law(Sum(group.switchover_s, ends), label, late_s)
    found = detection(group, silent=fault in ("service_pause", "router_hang"))
    if not group.name_servers:
        return found
    ttl_s, label = float(group.ttl_s), f"{found.label}; answers 1 s later; TTL {group.ttl_s} s"
    if place == "site" and fault == "router_hang":
        return _until_unreachable(topology, group, label)
    return of_law(Sum(found.low_s + HELD_S, (group.check_ms / 1e3, ttl_s)), label, _LATE_S)


def _until_unreachable(topology: Topology, group: Sites, label: str) -> OutageBound:
    """Of a router that hangs: checks time out until BGP has left it, then fail at once (RFC 1122, 3.2.2.1)."""
    early, late = detection(group, silent=False), detection(group, silent=True)
    noticed_s, ttl_s = lines.noticed_s(topology.bgp[0]), float(group.ttl_s)
    if noticed_s <= early.low_s:
        return of_law(Sum(early.low_s + HELD_S, (group.check_ms / 1e3, ttl_s)), label, _LATE_S)
    return OutageBound(early.low_s + HELD_S, late.bound_s + HELD_S + ttl_s, label, tolerance_s=_LATE_S)


def reinstated_s(group: Sites) -> float:
    """How long a server that works again may take to be used again: successes in a row, and what is kept."""
    own_s = (group.rise + 1) * group.check_ms / 1e3
    held_s = 0.0 if group.by_hand else HELD_S
    return own_s + (held_s + group.ttl_s if group.name_servers else 0.0)
