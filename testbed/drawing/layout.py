"""Where each part of a drawing lies: boxes of nodes in tiers, the ends of links along their edges, and all text.

tier 1   [   s1   ]-----[   s2   ]      a link to a neighbour in the tier goes straight, one to another over the boxes;
            |    `------,   |           boxes are as wide and as high as the ends of links along their edges need
tier 0   [   h1   ]     [   h2   ]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.drawing.listing import rate_text
from testbed.drawing.roles import bgp_text, group_texts, said, static_text, vrf_texts
from testbed.drawing.tiers import level_of, tiers
from testbed.spec import Lag, Link, Topology

_MARGIN, _GAP, _BOX_HEIGHT, _TIER_STEP = 30.0, 34.0, 58.0, 190.0
_LINE = 15.0
#: The least room of a link's end on an edge, along it: with its interface's name, and without.
_PORT_WIDTH, _PORT_LINE, _BARE = 66.0, 15.0, 12.0
#: With more links than this, interface names appear in tooltips only.
_LABELLED_LINKS = 14
#: The size of an interface's name, and the width of a letter as a part of its size.
_PORT_SIZE, _WIDE = 10, 0.58


@dataclass
class Text:
    """A piece of text. x and y are the middle of its base line; for a legend the left end."""

    x: float
    y: float
    text: str
    kind: str = ""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The area it covers, approximately: left, top, right, bottom."""
        size = {"small": 11, "port": _PORT_SIZE, "legend": 12}.get(self.kind, 13)
        width = _WIDE * size * len(self.text)
        left = self.x if self.kind == "legend" else self.x - width / 2
        return left, self.y - 0.8 * size, left + width, self.y + 0.25 * size


@dataclass
class Node:
    """A node's box; ``ends`` are the points where its links meet it, by the link's name."""

    name: str
    x: float
    y: float
    width: float
    height: float
    ends: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def middle(self) -> float:
        """The horizontal middle of the box."""
        return self.x + self.width / 2


@dataclass
class Layout:
    """The position of everything, in pixels."""

    nodes: dict[str, Node]
    arcs: dict[str, float]  # the height of a link within a tier above its nodes, by the link's name
    texts: list[Text]
    width: float
    height: float


def lay_out(topology: Topology) -> Layout:
    """The position of everything: tiers from top to bottom, each spread over the width of the widest."""
    levels, level = tiers(topology)[::-1], level_of(topology)
    labelled = len(topology.links) <= _LABELLED_LINKS
    touching: dict[str, list[Link]] = {name: [] for name in level}
    for link in topology.links:
        touching[link.a].append(link)
        touching[link.b].append(link)
    beside = {link.name for tier in levels for link in topology.links if _span(link, tier) == 1}
    widths = {name: _box_width(topology, name, touching[name], level, beside, labelled) for name in level}
    names = [_name_width(i) for link in topology.links for i in (link.a_interface, link.b_interface)]
    gap = max(4 * _GAP, 2 * max(names, default=0.0) + 20) if labelled else _GAP
    total = max(sum(widths[name] + gap for name in tier) for tier in levels)
    nodes: dict[str, Node] = {}
    arcs: dict[str, float] = {}
    y = _MARGIN + 20
    for tier in levels:
        raised = sorted((link for link in topology.links if _span(link, tier) > 1), key=lambda link: _span(link, tier))
        height = max(_box_height(topology, name, touching[name], beside, tier, labelled) for name in tier)
        y += 26.0 * len(raised)
        arcs |= {link.name: 26.0 * (place + 1) for place, link in enumerate(raised)}
        spare = total - sum(widths[name] for name in tier)
        x = _MARGIN + spare / len(tier) / 2
        for name in tier:
            nodes[name] = Node(name, x, y, widths[name], height)
            x += widths[name] + spare / len(tier)
        y += _TIER_STEP + height - _BOX_HEIGHT
    for node in nodes.values():
        _attach(nodes, node, touching[node.name], level, arcs)
    texts = [text for node in nodes.values() for text in _labels(topology, node)]
    if labelled:
        texts += [text for node in nodes.values() for text in _port_labels(node, touching[node.name])]
    bottom = max(node.y + node.height for node in nodes.values()) + 30
    legend = _legend(topology)
    texts += [Text(_MARGIN, bottom + place * 18, line, "legend") for place, line in enumerate(legend)]
    right = max([_MARGIN + total, *(text.box[2] for text in texts)])
    return Layout(nodes, arcs, texts, right + _MARGIN, bottom + len(legend) * 18 + 6)


def _span(link: Link, tier: list[str]) -> int:
    """How many places apart the ends of a link are in a tier; 0 unless both are in it."""
    return abs(tier.index(link.a) - tier.index(link.b)) if {link.a, link.b} <= set(tier) else 0


def _name_width(interface: str) -> float:
    return _WIDE * _PORT_SIZE * len(interface)


def _box_width(
    topology: Topology, name: str, links: list[Link], level: dict[str, int], beside: set[str], labelled: bool
) -> float:
    """The width of a node's box: its words fit into it, and the ends of links side by side along its edges."""
    downs = sum(level[link.a if link.b == name else link.b] < level[name] for link in links)
    ups = sum(link.name not in beside for link in links) - downs
    ends = max((_name_width(link.end(name)) + 8 for link in links), default=0.0)
    per_end = max(_PORT_WIDTH, ends) if labelled else _BARE
    text = 8.0 * max(len(line) for line in _words(topology, name)) + 16
    return max(text, per_end * max(ups, downs), 60.0)


def _box_height(
    topology: Topology, name: str, links: list[Link], beside: set[str], tier: list[str], labelled: bool
) -> float:
    """The height of a node's box: its words, and the ends of links to its neighbours in the tier, fit into it."""
    places = [tier.index(link.a if link.b == name else link.b) for link in links if link.name in beside]
    most = max((places.count(place) for place in places), default=0)
    words = _LINE * len(_words(topology, name)) + 13
    return max(_BOX_HEIGHT, words, most * (_PORT_LINE if labelled else _BARE))


def _words(topology: Topology, name: str) -> list[str]:
    words = [name, *said(topology, name)]
    for host in topology.hosts:
        if host.name == name:
            bond = [f"{host.bond.name} {host.bond.mode}"] if host.bond else []
            own = (host.address, *(each.address for each in topology.attachments(name)))
            return [*words, *bond, *dict.fromkeys(own)]
    for router in topology.routers:
        if router.name == name:
            return [*words, *(" ".join(filter(None, (each.address, each.vrf))) for each in router.attachments)]
    return words


def _attach(
    nodes: dict[str, Node],
    node: Node,
    links: list[Link],
    level: dict[str, int],
    arcs: dict[str, float],
) -> None:
    """Spread the ends of a node's links along its edges, in the order of their far ends."""
    edges: dict[str, list[Link]] = {"top": [], "bottom": [], "left": [], "right": []}
    for link in links:
        other = nodes[link.beyond(node.name)]
        if level[other.name] != level[node.name]:
            edges["top" if level[other.name] > level[node.name] else "bottom"].append(link)
        elif link.name in arcs:
            edges["top"].append(link)
        else:
            edges["right" if other.x > node.x else "left"].append(link)
    for edge, own in edges.items():
        if edge in ("top", "bottom"):
            own = sorted(own, key=lambda link: nodes[link.beyond(node.name)].middle)
        for place, link in enumerate(own):
            share = (place + 0.5) / len(own)
            x = node.x + node.width * share
            y = node.y if edge == "top" else node.y + node.height
            if edge in ("left", "right"):
                x = node.x if edge == "left" else node.x + node.width
                y = node.y + node.height * share
            node.ends[link.name] = (x, y)


def _labels(topology: Topology, node: Node) -> list[Text]:
    words = _words(topology, node.name)
    top = node.y + node.height / 2 - _LINE * (len(words) - 1) / 2 + 5
    kinds = ["name", *["small"] * (len(words) - 1)]
    return [
        Text(node.middle, top + _LINE * i, word, kind) for i, (word, kind) in enumerate(zip(words, kinds, strict=True))
    ]


def _port_labels(node: Node, links: list[Link]) -> list[Text]:
    texts = []
    for link in links:
        x, y = node.ends[link.name]
        name = link.end(node.name)
        half = _name_width(name) / 2
        if x in (node.x, node.x + node.width):
            side = -1 if x == node.x else 1
            texts.append(Text(x + side * (half + 5), y - 4, name, "port"))
        else:
            texts.append(Text(x, y - 8 if y == node.y else y + 15, name, "port"))
    return texts


def _legend(topology: Topology) -> list[str]:
    rates: dict[str, int] = {}
    for link in topology.links:
        rate = rate_text(link.rate_mbps) + (f", {link.delay_ms:g} ms" if link.delay_ms else "")
        rates[rate] = rates.get(rate, 0) + 1
    counts = ", ".join(f"{count} of {rate}" for rate, count in rates.items())
    kinds = ((topology.hosts, "host"), (topology.routers, "router"), (topology.switches, "switch"))
    nodes = ", ".join(_counted(len(found), kind) for found, kind in kinds if found)
    lines = [f"{topology.name}: {nodes}; links: {counts}"]
    for system in topology.systems:
        lags = [lag for lag in topology.lags if lag.lacp != "off" and lag.system == system.name]
        if lags:
            switches = dict.fromkeys(topology.owner(port) for lag in lags for port in lag.ports)
            lines.append(f"LACP system {system.name} {system.system} on {', '.join(switches)}: {_named(lags)}")
    lines += vrf_texts(topology)
    lines += group_texts(topology)
    lines += map(bgp_text, topology.bgp)
    lines += map(static_text, topology.static)
    static = [lag for lag in topology.lags if lag.lacp == "off"]
    return [*lines, *([f"static: {_named(static)}"] if static else [])]


def _counted(number: int, kind: str) -> str:
    if number == 1:
        return f"1 {kind}"
    return f"{number} {kind}{'es' if kind.endswith('ch') else 's'}"


def _named(lags: list[Lag]) -> str:
    names = [lag.name for lag in lags]
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} to {names[-1]}, {len(names)} LAGs"
