"""A network as a picture of characters.

   ┌────┐      ┌────┐
   │ s1 │      │ s2 │        each switch has a line below it, which leads to the nodes linked to it;
   └──┬─┘      └─┬──┘        a double stroke enters a bond or a LAG, a cross marks an element
 ┌────┴──────┐   │
 │  ┌──────┐─│───┤
 ║  ║      ║ ║
┌┴──┴┐    ┌┴─┴─┐
│ h1 │    │ h2 │
└────┘    └────┘
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from testbed.drawing.roles import said
from testbed.drawing.tiers import is_marked, level_of, members, tiers
from testbed.spec import Link, Topology

_GAP = 2
#: The character with strokes up (u), down (d), left (l), right (r).
_STROKES = {
    "ud": "│", "lr": "─", "dr": "┌", "dl": "┐", "ur": "└", "ul": "┘",
    "udr": "├", "udl": "┤", "dlr": "┬", "ulr": "┴", "udlr": "┼", "u": "│", "d": "│", "l": "─", "r": "─",
}  # fmt: skip


@dataclass
class _Box:
    left: int
    width: int
    label: tuple[str, ...]
    columns: dict[str, int]  # where each link enters at the top, by the link's name


class _Canvas:
    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[list[str]] = []

    def new(self, count: int = 1) -> int:
        """Add that many rows; the number of the first."""
        self.rows += [[" "] * self.width for _ in range(count)]
        return len(self.rows) - count

    def put(self, row: int, column: int, text: str) -> None:
        for offset, character in enumerate(text):
            self.rows[row][column + offset] = character


def picture(topology: Topology, marks: Iterable[str] = (), width: int = 100) -> list[str]:
    """The picture's lines; none if it would be wider than ``width`` characters."""
    marked = frozenset(marks)
    levels = tiers(topology)[::-1]
    boxes = _place(topology, levels, marked)
    right = max(box.left + box.width for box in boxes.values())
    if right > width:
        return []
    canvas = _Canvas(right)
    for number, level in enumerate(levels):
        if number:
            _buses(canvas, topology, boxes, levels[number - 1], level)
        _arcs(canvas, topology, boxes, level)
        _strokes(canvas, topology, boxes, level, marked)
        _draw_boxes(canvas, boxes, level)
    return ["".join(row).rstrip() for row in canvas.rows]


def _place(topology: Topology, levels: Sequence[Sequence[str]], marked: frozenset[str]) -> dict[str, _Box]:
    """The box of every node; each level is spread over the width of the widest."""
    level = level_of(topology)
    up: dict[str, list[Link]] = {name: [] for name in level}
    for link in topology.links:
        if level[link.a] == level[link.b]:
            up[link.a].append(link)
            up[link.b].append(link)
        else:
            up[min(link.a, link.b, key=lambda node: level[node])].append(link)
    labels: dict[str, tuple[str, ...]] = {switch.name: (switch.name,) for switch in topology.switches}
    labels |= {router.name: (router.name, *said(topology, router.name)) for router in topology.lone_routers}
    for host in topology.hosts:
        bond = (host.bond.name,) if host.bond else ()
        labels[host.name] = (host.name, *said(topology, host.name), *bond, host.address.partition("/")[0])
    labels = {name: (f"✗ {texts[0]}", *texts[1:]) if name in marked else texts for name, texts in labels.items()}
    widths = {name: max(2 * len(up[name]) + 1, *(len(text) + 2 for text in labels[name])) + 2 for name in labels}
    total = max(sum(widths[name] + _GAP for name in tier) - _GAP for tier in levels)
    boxes: dict[str, _Box] = {}
    for tier in levels:
        spare = total - sum(widths[name] for name in tier)
        left = 0.0
        step = spare / (len(tier) + 1) if len(tier) < max(map(len, levels)) or len(tier) == 1 else None
        for name in tier:
            left += step if step is not None else 0.0
            boxes[name] = _Box(round(left), widths[name], labels[name], {})
            left += widths[name] + (0 if step is not None else spare / max(1, len(tier) - 1))
    for name, box in boxes.items():
        links = up[name]
        order = sorted(links, key=lambda link: _far_middle(boxes, link, name))
        first = box.left + (box.width - (2 * len(links) - 1)) // 2
        box.columns = {link.name: first + 2 * place for place, link in enumerate(order)}
    return boxes


def _far_middle(boxes: dict[str, _Box], link: Link, node: str) -> int:
    other = boxes[link.beyond(node)]
    return other.left * 2 + other.width


def _line(canvas: _Canvas, row: int, columns: Iterable[int], branches: dict[int, str]) -> None:
    """A line in a row from its first column to its last; ``branches`` leave it up (u) or down (d)."""
    low, high = min(columns := list(columns)), max(columns)
    for column in range(low, high + 1):
        sides = ("l" if column > low else "") + ("r" if column < high else "")
        vertical = branches.get(column, "")
        if not vertical and canvas.rows[row][column] != " ":
            continue  # a crossing line, not connected
        canvas.put(row, column, _STROKES["".join(side for side in "udlr" if side in vertical + sides)])


def _buses(
    canvas: _Canvas, topology: Topology, boxes: dict[str, _Box], upper: Sequence[str], lower: Sequence[str]
) -> None:
    """A line below each upper node, which leads to the columns of its links in the level below."""
    taken = {column for name in lower for column in boxes[name].columns.values()}
    below = {
        name: [
            boxes[other].columns[link.name]
            for link in topology.links
            for other in ((link.b,) if link.a == name else (link.a,) if link.b == name else ())
            if other in lower
        ]
        for name in upper
    }
    used = [name for name in upper if below[name]]
    stubs: dict[str, int] = {}
    for name in used:
        box = boxes[name]
        middle = box.left + box.width // 2
        inner = range(box.left + 1, box.left + box.width - 1)
        free = [column for column in inner if column not in taken] or list(inner)
        alone = [column for column in below[name] if len(below[name]) == 1 and column in inner]
        stubs[name] = alone[0] if alone else min(free, key=lambda column: abs(column - middle))
        taken.add(stubs[name])
    first = canvas.new(len(used))
    for place, name in enumerate(used):  # first the vertical strokes, then the lines across
        canvas.put(first - 1, stubs[name], "┬")
        for row in range(first, first + place):
            canvas.put(row, stubs[name], "│")
        for row in range(first + place + 1, first + len(used)):
            for column in below[name]:
                canvas.put(row, column, "│")
    for place, name in enumerate(used):
        branches = {column: "d" for column in below[name]}
        branches[stubs[name]] = "u" + branches.get(stubs[name], "")
        _line(canvas, first + place, [*below[name], stubs[name]], branches)


def _arcs(canvas: _Canvas, topology: Topology, boxes: dict[str, _Box], level: Sequence[str]) -> None:
    """The links between nodes of one level, above it; the shortest is the lowest."""
    own = [link for link in topology.links if link.a in level and link.b in level]
    own.sort(key=lambda link: -abs(boxes[link.a].columns[link.name] - boxes[link.b].columns[link.name]))
    between = {link.name for link in own}
    passing = [c for name in level for key, c in boxes[name].columns.items() if key not in between]
    first = canvas.new(len(own))
    for place in range(len(own)):
        for column in passing:
            canvas.put(first + place, column, "│")
        for earlier in own[:place]:
            for node in (earlier.a, earlier.b):
                canvas.put(first + place, boxes[node].columns[earlier.name], "│")
    for place, link in enumerate(own):
        ends = [boxes[node].columns[link.name] for node in (link.a, link.b)]
        _line(canvas, first + place, ends, dict.fromkeys(ends, "d"))


def _strokes(
    canvas: _Canvas, topology: Topology, boxes: dict[str, _Box], level: Sequence[str], marked: frozenset[str]
) -> None:
    """The stroke where each link enters its node: double for a member, a cross for a marked link."""
    columns = [(name, column) for node in level for name, column in boxes[node].columns.items()]
    if not columns:
        return
    row, in_lags = canvas.new(), members(topology)
    links = {link.name: link for link in topology.links}
    for name, column in columns:
        canvas.put(row, column, "✗" if is_marked(links[name], marked) else "║" if name in in_lags else "│")


def _draw_boxes(canvas: _Canvas, boxes: dict[str, _Box], level: Sequence[str]) -> None:
    height = max(len(boxes[name].label) for name in level)
    first = canvas.new(height + 2)
    for name in level:
        box = boxes[name]
        inner = box.width - 2
        canvas.put(first, box.left, f"┌{'─' * inner}┐")
        for column in box.columns.values():
            canvas.put(first, column, "┴")
        for row in range(height):
            text = box.label[row] if row < len(box.label) else ""
            canvas.put(first + 1 + row, box.left, f"│{text.center(inner)}│")
        canvas.put(first + 1 + height, box.left, f"└{'─' * inner}┘")
