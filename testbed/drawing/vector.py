"""A network as SVG, in tiers.

Members of bonds and LAGs are thick, with a ring around them where they enter a host; a dashed frame holds the switches
of one LACP system; marked elements are red.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from testbed.drawing.listing import rate_text
from testbed.drawing.tiers import is_marked, level_of, members, tiers
from testbed.spec import Lag, Link, Topology

_MARGIN, _GAP, _BOX_HEIGHT, _TIER_STEP = 30.0, 34.0, 58.0, 190.0
_LINE = 15.0
#: The height above a host of the ring around its members.
_RING = 24.0
#: With more links than this, interface names appear in tooltips only.
_LABELLED_LINKS = 14
_STYLE = """
  text { font: 13px sans-serif; fill: #1a1a1a; text-anchor: middle }
  .name { font-weight: bold } .small { font-size: 11px; fill: #444 } .legend { text-anchor: start; font-size: 12px }
  .port { font-size: 10px; fill: #333; paint-order: stroke; stroke: #fff; stroke-width: 3px }
  .host { fill: #eef4fb; stroke: #33597f } .switch { fill: #f1f1ee; stroke: #444 }
  .link { fill: none; stroke: #555; stroke-width: 1.5 } .member { fill: none; stroke: #33597f; stroke-width: 3 }
  .bond { fill: none; stroke: #33597f; stroke-width: 1.2 }
  .system { fill: none; stroke: #888; stroke-dasharray: 5 4 }
  .marked { stroke: #c0182b } .link.marked { stroke-width: 3 } .cross { fill: #c0182b; font-weight: bold }
"""


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
        size = {"small": 11, "port": 10, "legend": 12}.get(self.kind, 13)
        width = 0.58 * size * len(self.text)
        left = self.x if self.kind == "legend" else self.x - width / 2
        return left, self.y - 0.8 * size, left + width, self.y + 0.25 * size


@dataclass
class Node:
    """A node's box; ``ends`` are the points where its links meet it, by the link's name."""

    name: str
    x: float
    y: float
    width: float
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


def svg(topology: Topology, marks: Iterable[str] = ()) -> str:
    """The drawing as the text of an SVG file; elements in ``marks`` are red."""
    marked = frozenset(marks)
    layout = lay_out(topology)
    size = f'width="{layout.width:.0f}" height="{layout.height:.0f}"'
    box = f'viewBox="0 0 {layout.width:.0f} {layout.height:.0f}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box}>', f"<style>{_STYLE}</style>"]
    parts.append('<rect width="100%" height="100%" fill="#fff"/>')
    parts += _systems(topology, layout)
    parts += [_link(topology, layout, link, marked) for link in topology.links]
    parts += _bonds(topology, layout)
    parts += [_node(topology, node, node.name in marked) for node in layout.nodes.values()]
    parts += [f'<text class="{t.kind}" x="{t.x:.1f}" y="{t.y:.1f}">{escape(t.text)}</text>' for t in layout.texts]
    return "\n".join([*parts, "</svg>", ""])


def lay_out(topology: Topology) -> Layout:
    """The position of everything: tiers from top to bottom, each spread over the width of the widest."""
    levels, level = tiers(topology)[::-1], level_of(topology)
    labelled = len(topology.links) <= _LABELLED_LINKS
    touching: dict[str, list[Link]] = {name: [] for name in level}
    for link in topology.links:
        touching[link.a].append(link)
        touching[link.b].append(link)
    widths = {name: _box_width(topology, name, touching[name], level, labelled) for name in level}
    gap = 4 * _GAP if labelled else _GAP
    total = max(sum(widths[name] + gap for name in tier) for tier in levels)
    nodes: dict[str, Node] = {}
    arcs: dict[str, float] = {}
    y = _MARGIN + 20
    for tier in levels:
        own = sorted(
            (link for link in topology.links if {link.a, link.b} <= set(tier)), key=lambda link: _span(link, tier)
        )
        raised = [link for link in own if _span(link, tier) > 1]
        y += 26.0 * len(raised)
        arcs |= {link.name: 26.0 * (place + 1) for place, link in enumerate(raised)}
        spare = total - sum(widths[name] for name in tier)
        x = _MARGIN + spare / len(tier) / 2
        for name in tier:
            nodes[name] = Node(name, x, y, widths[name])
            x += widths[name] + spare / len(tier)
        y += _TIER_STEP
    for node in nodes.values():
        _attach(nodes, node, touching[node.name], level, arcs)
    texts = [text for node in nodes.values() for text in _labels(topology, node)]
    if labelled:
        texts += [text for node in nodes.values() for text in _port_labels(node, touching[node.name])]
    bottom = max(node.y for node in nodes.values()) + _BOX_HEIGHT + 30
    legend = _legend(topology)
    texts += [Text(_MARGIN, bottom + place * 18, line, "legend") for place, line in enumerate(legend)]
    right = max([_MARGIN + total, *(text.box[2] for text in texts)])
    return Layout(nodes, arcs, texts, right + _MARGIN, bottom + len(legend) * 18 + 6)


def _span(link: Link, tier: list[str]) -> int:
    return abs(tier.index(link.a) - tier.index(link.b))


def _box_width(topology: Topology, name: str, links: list[Link], level: dict[str, int], labelled: bool) -> float:
    ups = sum(level[link.a] != level[link.b] and level[name] == min(level[link.a], level[link.b]) for link in links)
    downs = sum(level[link.a] != level[link.b] for link in links) - ups
    per_end = 66.0 if labelled else 12.0
    text = 8.0 * max(len(line) for line in _words(topology, name)) + 16
    return max(text, per_end * max(ups, min(downs, 6 if labelled else 99)), 60.0)


def _words(topology: Topology, name: str) -> list[str]:
    for host in topology.hosts:
        if host.name == name:
            bond = [f"{host.bond.name} {host.bond.mode}"] if host.bond else []
            return [name, *bond, host.address]
    return [name]


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
        other = nodes[link.b if link.a == node.name else link.a]
        if level[other.name] != level[node.name]:
            edges["top" if level[other.name] > level[node.name] else "bottom"].append(link)
        elif link.name in arcs:
            edges["top"].append(link)
        else:
            edges["right" if other.x > node.x else "left"].append(link)
    for edge, own in edges.items():
        if edge in ("top", "bottom"):
            own = sorted(own, key=lambda link: nodes[link.b if link.a == node.name else link.a].middle)
        for place, link in enumerate(own):
            share = (place + 0.5) / len(own)
            x = node.x + node.width * share
            y = node.y if edge == "top" else node.y + _BOX_HEIGHT
            if edge in ("left", "right"):
                x = node.x if edge == "left" else node.x + node.width
                y = node.y + _BOX_HEIGHT * share
            node.ends[link.name] = (x, y)


def _labels(topology: Topology, node: Node) -> list[Text]:
    words = _words(topology, node.name)
    top = node.y + _BOX_HEIGHT / 2 - _LINE * (len(words) - 1) / 2 + 5
    kinds = ["name", *["small"] * (len(words) - 1)]
    return [
        Text(node.middle, top + _LINE * i, word, kind) for i, (word, kind) in enumerate(zip(words, kinds, strict=True))
    ]


def _port_labels(node: Node, links: list[Link]) -> list[Text]:
    texts = []
    for link in links:
        x, y = node.ends[link.name]
        name = link.end(node.name)
        half = 3.2 * len(name)
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
    routers = f", {len(topology.routers)} routers" if topology.routers else ""
    lines = [
        f"{topology.name}: {len(topology.hosts)} hosts, {len(topology.switches)} switches{routers}; links: {counts}"
    ]
    for system in topology.systems:
        lags = [lag for lag in topology.lags if lag.lacp != "off" and lag.system == system.name]
        if lags:
            switches = dict.fromkeys(topology.owner(port) for lag in lags for port in lag.ports)
            lines.append(f"LACP system {system.name} {system.system} on {', '.join(switches)}: {_named(lags)}")
    static = [lag for lag in topology.lags if lag.lacp == "off"]
    return [*lines, *([f"static: {_named(static)}"] if static else [])]


def _named(lags: list[Lag]) -> str:
    names = [lag.name for lag in lags]
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} to {names[-1]}, {len(names)} LAGs"


def _systems(topology: Topology, layout: Layout) -> list[str]:
    """A frame around the switches of each LACP system with LAGs on several switches."""
    frames = []
    for system in topology.systems:
        lags = [lag for lag in topology.lags if lag.lacp != "off" and lag.system == system.name]
        wide = [lag for lag in lags if len({topology.owner(port) for port in lag.ports}) > 1]
        names = {topology.owner(port) for lag in wide for port in lag.ports}
        nodes = [layout.nodes[name] for name in sorted(names)]
        if nodes and len({node.y for node in nodes}) == 1:
            left, right = min(n.x for n in nodes) - 8, max(n.x + n.width for n in nodes) + 8
            inside = [n for n in layout.nodes.values() if n.y == nodes[0].y and left < n.middle < right]
            if len(inside) == len(nodes):
                place = (
                    f'x="{left:.1f}" y="{nodes[0].y - 8:.1f}" width="{right - left:.1f}" height="{_BOX_HEIGHT + 16}"'
                )
                frames.append(f'<rect class="system" rx="8" {place}><title>LACP system {system.name}</title></rect>')
    return frames


def _link(topology: Topology, layout: Layout, link: Link, marked: frozenset[str]) -> str:
    (x1, y1), (x2, y2) = (layout.nodes[node].ends[link.name] for node in (link.a, link.b))
    path = f"M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}"
    if link.name in layout.arcs:
        top = y1 - layout.arcs[link.name]
        path = f"M{x1:.1f} {y1:.1f} V{top:.1f} H{x2:.1f} V{y2:.1f}"
    kind = "member" if link.name in members(topology) else "link"
    red = is_marked(link, marked)
    title = escape(f"{link.name}, {rate_text(link.rate_mbps)}" + (", single point of failure" if red else ""))
    return f'<path class="{kind}{" marked" if red else ""}" d="{path}"><title>{title}</title></path>'


def _bonds(topology: Topology, layout: Layout) -> list[str]:
    """A flat ring around the members of each bond, just above the host."""
    rings = []
    for host in topology.hosts:
        if host.bond is None:
            continue
        top = layout.nodes[host.name].y
        ends = [_near(topology.link_of(member), host.name, layout) for member in host.bond.members]
        if all(y < top for _, y in ends):
            left, right = min(x for x, _ in ends), max(x for x, _ in ends)
            shape = f'cx="{(left + right) / 2:.1f}" cy="{top - _RING:.1f}" rx="{(right - left) / 2 + 9:.1f}" ry="6"'
            title = quoteattr(host.bond.name)[1:-1]
            rings.append(f'<ellipse class="bond" {shape}><title>{title}</title></ellipse>')
    return rings


def _near(link: Link, host: str, layout: Layout) -> tuple[float, float]:
    """The point of the link at the height of the ring."""
    (x, y), (far_x, far_y) = (layout.nodes[node].ends[link.name] for node in sorted((link.a, link.b), key=host.__ne__))
    share = _RING / (y - far_y) if y > far_y else 0.0
    return x + (far_x - x) * share, y - (y - far_y) * share


def _node(topology: Topology, node: Node, marked: bool) -> str:
    kind = "switch" if any(switch.name == node.name for switch in topology.switches) else "host"
    shape = f'x="{node.x:.1f}" y="{node.y:.1f}" width="{node.width:.1f}" height="{_BOX_HEIGHT}"'
    red = " marked" if marked else ""
    cross = f'<text class="cross" x="{node.x + 10:.1f}" y="{node.y + 15:.1f}">✗</text>' if marked else ""
    return f'<rect class="{kind}{red}" rx="5" {shape}/>{cross}'
