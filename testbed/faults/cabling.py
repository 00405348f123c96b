"""Which cables and switches a fault concerns: ends of a cable, pairs of cables, peers of a switch. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.errors import SpecError
from testbed.spec import Lag, Link, Topology


def link_named(topology: Topology, element: str) -> tuple[Link, str, str]:
    """The link of an interface, or of that name, with the interfaces at its host end and at its switch end."""
    for link in topology.links:
        if element not in (link.name, link.a_interface, link.b_interface):
            continue
        first = element if element != link.name else link.a_interface
        hosts = {machine.name for machine in topology.machines()}
        if (link.a in hosts) != (link.b in hosts):
            first = link.a_interface if link.a in hosts else link.b_interface
        return link, first, link.other(first)[1]
    raise SpecError(f"no interface or link is named {element!r}", "A link's name is that of its interfaces: a--b.")


def other_cable(topology: Topology, element: str, other: str = "") -> tuple[str, str]:
    """The switch ends of the two cables that miscabling swaps: the element's, and ``other`` or that of the next LAG.

    Errors: SpecError if a cable does not end in a LAG's port, or both end in ports of one LAG.
    """
    lag_of = {port: lag for lag in topology.lags for port in lag.ports}
    port = _lag_port(topology, element, lag_of)
    if other:
        found = _lag_port(topology, other, lag_of)
    else:
        lags = [lag for lag in topology.lags if lag_of[port].name != lag.name]
        if not lags:
            raise SpecError(f"miscabling takes two LAGs; topology {topology.name!r} has one")
        after = [lag for lag in lags if topology.lags.index(lag) > topology.lags.index(lag_of[port])]
        ports = (after or lags)[0].ports
        found = ports[min(lag_of[port].ports.index(port), len(ports) - 1)]
    if lag_of[found].name == lag_of[port].name:
        raise SpecError(f"miscabling swaps cables of two LAGs; {port} and {found} are both in {lag_of[port].name!r}")
    return port, found


def _lag_port(topology: Topology, element: str, lag_of: Mapping[str, Lag]) -> str:
    link, first, second = link_named(topology, element)
    for end in (second, first):
        if end in lag_of:
            return end
    raise SpecError(f"miscabling takes cables of LAGs; {link.name} is in none")


def peers(topology: Topology, switch: str) -> set[str]:
    """The switches that share a host's bond, or a LAG, with ``switch``."""
    shared = [host.bond.members for host in topology.hosts if host.bond is not None]
    groups = [{topology.link_of(member).other(member)[0] for member in members} for members in shared]
    groups += [{topology.owner(port) for port in lag.ports} for lag in topology.lags]
    return {node for group in groups if switch in group for node in group} - {switch}
