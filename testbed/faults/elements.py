"""The elements of a network that may fail. Pure.

An element is named by its name: a link (``h1-eth0--s1-eth1``), an interface, a host, a switch, the controller (``c0``),
the connection of a switch to the controller (``c0-s1``).
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.errors import unknown
from testbed.faults.catalogue import CONTROL, CONTROLLER
from testbed.spec import SwitchSide, Topology

#: The kinds of elements.
KINDS = ("link", "member", "interface", "node", "router", "balancer", "server", "switch", "controller", "control")


@dataclass(frozen=True)
class Element:
    """An element that may fail; ``kind`` is member (a link of a bond or LAG), link, interface, node (of a ring of HSR,
    between the hosts that are measured), router, balancer, server (both of a web service), switch, controller or
    control (a switch's connection to the controller)."""

    name: str
    kind: str

    @property
    def hit(self) -> str:
        """What a fault of it hits: the element itself, or the switch that loses the controller."""
        return self.name.removeprefix(CONTROL) if self.kind == "control" else self.name


def elements(topology: Topology, side: SwitchSide = SwitchSide()) -> tuple[Element, ...]:
    """All elements that may fail, in the spec's order: links and members, interfaces of hosts and routers, routers,
    balancers, servers, switches, the controller and the switches' connections to it."""
    bundled = {i for host in topology.hosts if host.bond for i in host.bond.members}
    bundled |= {port for lag in topology.lags for port in lag.ports}
    found = [
        Element(link.name, "member" if {link.a_interface, link.b_interface} & bundled else "link")
        for link in topology.links
    ]
    found += [Element(i, "interface") for each in topology.machines() for i in topology.interfaces(each.name)]
    found += [Element(name, "node") for name in sorted(topology.relays() - set(topology.protected_hosts()))]
    balancers = {name for group in topology.balancers for name in group.machines}
    others = {topology.client, *balancers} if topology.entry else set()
    found += [Element(router.name, "router") for router in topology.routers if router.name not in others]
    found += [Element(name, "balancer") for name in sorted(balancers)]
    balanced = {name for group in topology.balancers for name in group.servers}
    found += [Element(server.host, "server") for server in topology.servers if server.host in balanced]
    found += [Element(switch.name, "switch") for switch in topology.switches]
    if side.controller and topology.switches:
        found.append(Element(CONTROLLER, "controller"))
        if len(topology.switches) > 1:  # a lone switch loses it together with all others
            found += [Element(CONTROL + switch.name, "control") for switch in topology.switches]
    return tuple(found)


def named(topology: Topology, name: str, side: SwitchSide = SwitchSide()) -> Element:
    """The element of that name. Errors: SpecError naming the known ones."""
    known = {each.name: each for each in elements(topology, side)}
    if name not in known:
        raise unknown(f"element of topology {topology.name!r}:", name, known)
    return known[name]
