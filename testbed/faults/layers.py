"""The layers of a network: elements that may stand in for one another. Pure.

client --- ia, ib --- s1, s2 --- f1, f2 | b1, b2 | w1, w2        nodes of one kind, equally far from the ends
       a1        a2          a3 ...                              the links between the same layers of nodes
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from testbed.faults.elements import Element, elements
from testbed.spec import SwitchSide, Topology


def layers(topology: Topology, side: SwitchSide = SwitchSide()) -> tuple[tuple[Element, ...], ...]:
    """The elements that may fail, in layers: of one kind, and equally far from the ends between which traffic flows, by
    the number of links. Of a link both its ends count, of an interface its machine and what it leads to."""
    found: dict[Any, list[Element]] = {}
    places = _places(topology)
    links = {link.name: link for link in topology.links}
    for element in elements(topology, side):
        if element.name in links:
            nodes = [links[element.name].a, links[element.name].b]
            place: Any = sorted(places[node] for node in nodes)
        elif element.kind == "interface":
            place = [places[topology.owner(element.name)], places[topology.far(element.name).node]]
        else:
            place = [places.get(element.hit)]  # the controller is nowhere
        found.setdefault((element.kind, *place), []).append(element)
    return tuple(map(tuple, found.values()))


def pairs(topology: Topology, side: SwitchSide = SwitchSide()) -> Iterator[tuple[Element, Element]]:
    """Every two elements of one layer."""
    for layer in layers(topology, side):
        yield from itertools.combinations(layer, 2)


def _places(topology: Topology) -> dict[str, tuple[int, str]]:
    """How far each node is from the nearest end of the traffic, and of which kind it is."""
    near: dict[str, list[str]] = {node: [] for node in topology.nodes()}
    for link in topology.links:
        near[link.a].append(link.b)
        near[link.b].append(link.a)
    ends = topology.protected_hosts() if topology.entry is None else (topology.client,)
    far = dict.fromkeys(ends, 0)
    waiting = list(ends)
    for node in waiting:  # it grows: nodes in the order of their distance
        for other in near[node]:
            if other not in far:
                far[other] = far[node] + 1
                waiting.append(other)
    kinds = {element.name: element.kind for element in elements(topology)}
    return {node: (far.get(node, -1), kinds.get(node, "")) for node in near}
