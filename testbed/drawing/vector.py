"""A network as SVG, in tiers.

Members of bonds and LAGs are thick, with a ring around them where they enter a host; a dashed frame holds the switches
of one LACP system; marked elements are red.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from testbed.drawing.layout import Layout, Node, lay_out
from testbed.drawing.listing import rate_text
from testbed.drawing.tiers import is_marked, members
from testbed.spec import Link, Topology

#: The height above a host of the ring around its members.
_RING = 24.0
_STYLE = """
  text { font: 13px sans-serif; fill: #1a1a1a; text-anchor: middle }
  .name { font-weight: bold } .small { font-size: 11px; fill: #444 } .legend { text-anchor: start; font-size: 12px }
  .port { font-size: 10px; fill: #333; paint-order: stroke; stroke: #fff; stroke-width: 3px }
  .host { fill: #eef4fb; stroke: #33597f } .switch { fill: #f1f1ee; stroke: #444 }
  .router { fill: #fdf3e1; stroke: #8a5a12 }
  .link { fill: none; stroke: #555; stroke-width: 1.5 } .member { fill: none; stroke: #33597f; stroke-width: 3 }
  .bond { fill: none; stroke: #33597f; stroke-width: 1.2 }
  .system { fill: none; stroke: #888; stroke-dasharray: 5 4 }
  .marked { stroke: #c0182b } .link.marked { stroke-width: 3 } .cross { fill: #c0182b; font-weight: bold }
"""


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
                top, height = nodes[0].y - 8, nodes[0].height + 16
                place = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{height}"'
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
    kind = "router" if any(router.name == node.name for router in topology.routers) else kind
    shape = f'x="{node.x:.1f}" y="{node.y:.1f}" width="{node.width:.1f}" height="{node.height}"'
    red = " marked" if marked else ""
    cross = f'<text class="cross" x="{node.x + 10:.1f}" y="{node.y + 15:.1f}">✗</text>' if marked else ""
    return f'<rect class="{kind}{red}" rx="5" {shape}/>{cross}'
