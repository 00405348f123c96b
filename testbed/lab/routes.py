"""Whether the kernels of BGP speakers have the routes that theory gives them while nothing fails; their faults."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from testbed.emulation.waiting import wait_for
from testbed.lab import convergence, steps
from testbed.spec import Topology
from testbed.theory import OutageBound, brownouts, lines

if TYPE_CHECKING:
    from testbed.design.factor import Level
    from testbed.lab.lab import Lab
    from testbed.spec import Topology

#: The kernel's main routing table (linux/rtnetlink.h, RT_TABLE_MAIN).
_MAIN = 254
#: A fault's instant is drawn over so many intervals of what watches: keepalives and BFD are random, too, so that one
#: interval after a session began would not show all phases alike.
_INTERVALS = 4
#: How long the flows have to resume before the repair, and how long the network rests after the return.
_RESUMED_S, _AFTER_S = 0.5, 0.5


def wait_settled(lab: Lab, what: str, topology: Topology | None = None) -> None:
    """Wait until nothing of the services is under way, and all routes are there, as theory has them, of the trial's
    topology or of this one. Errors: TrialError if it takes too long."""
    wanted = lines.routes(topology or lab.topology)

    def unsettled() -> str:
        return "; ".join(filter(None, (*(each.unsettled() for each in lab.services), _lacking(lab, wanted))))

    wait_for(what, unsettled, deadline_s=convergence.settled_by_s(lab.services), step_s=0.1)


def _lacking(lab: Lab, wanted: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """The machines' routes that are not as wanted, each with its next hops; empty once all are."""
    found = []
    for machine, routes in wanted.items():
        there = _kernel(lab, machine)
        for prefix, hops in routes.items():
            if (has := there.get(prefix, set())) != set(hops):
                found.append(f"{machine} reaches {prefix} by {' and '.join(sorted(has)) or 'nothing'}")
    return "; ".join(found)


def wait_as_before(lab: Lab) -> None:
    """Wait after a repair (`wait_settled`), and note it."""
    wait_settled(lab, "everything is as before")
    lab.note("network", "routed_again")


def again_s(topology: Topology, case: Mapping[str, Level], found: OutageBound | str) -> float:
    """About how long `fail_again` takes."""
    period_s, lasts_s = _period_s(topology, case), _lasts_s(topology, case, found)
    return steps.faults_last_s(case, period_s=period_s, lasts_s=lasts_s, after_s=_AFTER_S)


def _period_s(topology: Topology, case: Mapping[str, Level]) -> float:
    """Over how long the instant of each fault is drawn."""
    return _INTERVALS * lines.period_s(lines.group_of(topology), str(case["fault"]))


def _lasts_s(topology: Topology, case: Mapping[str, Level], found: OutageBound | str) -> float:
    """How long each fault lasts."""
    fault = str(case["fault"])
    lasts_s = (found.limit_s if isinstance(found, OutageBound) else steps.UNNOTICED_S) + _RESUMED_S
    if fault in brownouts.FAULTS:
        lasts_s = float(case.get("fault_s", brownouts.LASTS_S))
    if fault == "service_pause":
        lasts_s += lines.noticed_s(lines.group_of(topology), fault)
    return lasts_s


def fail_again(
    lab: Lab,
    element: str,
    found: OutageBound | str,
    hops: Callable[[], list[list[str]]],
    *,
    meanwhile: Callable[[float], object] = lambda begun_s: None,
    repaired: Callable[[], object] = lambda: None,
) -> None:
    """The case's faults of an element (`steps.faults`), each until its outage ``found`` by theory is over.

    ``meanwhile`` is called during each with the time of its beginning, ``repaired`` after its end. Before that the next
    hops of the speakers that choose a way, ``hops``, are noted.
    """
    for _ in steps.faults(
        lab,
        element,
        period_s=_period_s(lab.topology, lab.case),
        lasts_s=_lasts_s(lab.topology, lab.case, found),
        meanwhile=meanwhile,
        before_repair=lambda: lab.note("network", "next_hops", hops=hops()),
    ):
        repaired()
        wait_as_before(lab)
        lab.sleep_until(lab.now() + _AFTER_S)


def in_use(lab: Lab, machine: str, to: str) -> list[str]:
    """The next hops by which a machine's kernel sends packets to an address; none: it has no such route."""
    there, target = _kernel(lab, machine), ipaddress.ip_address(to)
    fit = [ipaddress.ip_network(prefix) for prefix in there if target in ipaddress.ip_network(prefix)]
    return sorted(there[str(max(fit, key=lambda each: each.prefixlen))]) if fit else []


def _kernel(lab: Lab, machine: str) -> dict[str, set[str]]:
    """The next hops of each route of a machine's kernel, of the version of IP that the client has."""
    six = lab.topology.host(lab.client).ip_version == 6
    family, nothing = (socket.AF_INET6, "::") if six else (socket.AF_INET, "0.0.0.0")
    found: dict[str, set[str]] = {}
    for route in lab.network.netlink(machine).get_routes(family=family, table=_MAIN):
        prefix = str(ipaddress.ip_network(f"{route.get_attr('RTA_DST') or nothing}/{route['dst_len']}"))
        several = [dict(hop["attrs"]).get("RTA_GATEWAY") for hop in route.get_attr("RTA_MULTIPATH") or ()]
        found[prefix] = {str(each) for each in (*several, route.get_attr("RTA_GATEWAY")) if each}
    return found
