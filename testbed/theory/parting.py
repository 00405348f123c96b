"""A parted network: in which part our controller keeps each LAG that could be in several (docs/lacp.md).

Part by part, the best first: most switches, most hosts, the lowest datapath id. Each takes the LAGs that it can have;
those do not count as hosts of the parts after it. A link to a host without a LAG counts as a host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from testbed.spec import Lag, Topology


def chosen(
    topology: Topology,
    part: Mapping[str, str],
    in_use: Callable[[str], bool],
    moves: Callable[[Lag, str], bool],
) -> dict[str, str]:
    """The part of each LAG that has ports which may move between parts.

    ``part`` names the part of each living switch. ``in_use``: whether a switch port may carry traffic; ``moves``:
    whether the controller may take it out of its LAG.
    """
    dpids = {switch.name: switch.dpid for switch in topology.switches}
    size = Counter(part.values())
    lowest = {each: min(dpids[name] for name, found in part.items() if found == each) for each in size}
    hosts: Counter[str] = Counter()
    for port in topology.ports.values():
        if port.node in part and port.lag is None and topology.owner(port.far) not in dpids:
            hosts[part[port.node]] += in_use(port.interface)
    wanted: dict[str, set[str]] = {}
    for lag in topology.lags:
        live = [port for port in lag.ports if topology.owner(port) in part and in_use(port)]
        if any(topology.far(port).node in dpids for port in lag.ports):
            continue
        movable = Counter(part[topology.owner(port)] for port in live if moves(lag, port))
        wanted[lag.name] = {each for each, count in movable.items() if count >= lag.min_links} or set(movable)
        hosts.update({part[topology.owner(port)] for port in live if not moves(lag, port)} - wanted[lag.name])
    found: dict[str, str] = {}
    while waiting := {name: parts for name, parts in wanted.items() if parts and name not in found}:
        count = hosts + Counter(each for parts in waiting.values() for each in parts)
        best = max(set[str]().union(*waiting.values()), key=lambda each: (size[each], count[each], -lowest[each]))
        found |= {name: best for name, parts in waiting.items() if best in parts}
    return found


def may_leave(topology: Topology, port: str) -> bool:
    """Whether a port's switch isolates its ports and has links to other switches, working or not."""
    names = {switch.name: switch for switch in topology.switches}
    owner = topology.owner(port)
    return names[owner].isolate and any(topology.far(each).node in names for each in topology.interfaces(owner))
