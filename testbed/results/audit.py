"""What an audit fails, and what it found: which element takes the talk of the protected hosts with it. Pure.

topology --> levels of the factor `element` --> (experiments/audit.py, a run) --> rows, verdict
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from testbed.faults.elements import Element, elements
from testbed.results.result import Record
from testbed.spec import SwitchSide, Topology


def levels(
    topology: Topology, side: SwitchSide = SwitchSide(), *, quick: bool = False, pairs: bool = False
) -> tuple[str, ...]:
    """The levels of the factor ``element``: each one alone; with ``pairs`` every two at once as well.

    ``quick``: of links, members and interfaces that differ in nothing but their place, the first only.
    """
    chosen = elements(topology, side)
    if quick:
        chosen = _of_each_sort(topology, chosen)
    single = tuple(element.name for element in chosen)
    if not pairs:
        return single
    both = itertools.combinations(chosen, 2)
    return single + tuple(f"{a.name}+{b.name}" for a, b in both if not _same(topology, a, b))


def _of_each_sort(topology: Topology, chosen: Sequence[Element]) -> tuple[Element, ...]:
    """The first element of each kind between the same nodes, and of interfaces the first of each host."""
    sorts: dict[object, Element] = {}
    links = {link.name: link for link in topology.links}
    for element in chosen:
        sort: object = element.name
        if element.name in links:
            sort = frozenset((links[element.name].a, links[element.name].b))
        elif element.kind == "interface":
            sort = ("interface", topology.owner(element.name))
        sorts.setdefault(sort, element)
    return tuple(sorts.values())


def _same(topology: Topology, a: Element, b: Element) -> bool:
    """Whether one is a link and the other an interface of it: to fail both is to fail one."""
    for link, interface in ((a, b), (b, a)):
        if link.kind in ("link", "member") and interface.kind == "interface":
            found = topology.link_of(interface.name)
            if found.name == link.name:
                return True
    return False


@dataclass(frozen=True)
class Row:
    """What the failure of an element, or of two, did."""

    element: str
    kind: str
    status: str  # survived | lost | failed: the trial could not be carried out
    outage_s: float | None
    return_outage_s: float | None
    bound_s: float | None
    within_bound: bool | None
    expected_connected: bool | None
    agrees_with_oracle: bool | None
    reason: str

    @property
    def single(self) -> bool:
        """Whether one element failed, not two."""
        return "+" not in self.element


def rows_of(records: Sequence[Record]) -> list[Row]:
    """The rows of an audit's trials, in their order; of repetitions the worst."""
    worst: dict[str, Row] = {}
    for record in records:
        row = _row(record)
        if row.element not in worst or _badness(row) > _badness(worst[row.element]):
            worst[row.element] = row
    return list(worst.values())


def _badness(row: Row) -> tuple[int, float]:
    return ("survived", "failed", "lost").index(row.status), row.outage_s or 0.0


def _row(record: Record) -> Row:
    found: Mapping[str, Any] = record.metrics
    status = "failed" if record.status == "failed" else "survived" if found["survived"] else "lost"
    return Row(
        element=str(record.case["element"]),
        kind=str(found.get("kind", "")),
        status=status,
        outage_s=found.get("outage_s"),
        return_outage_s=found.get("return_outage_s"),
        bound_s=found.get("bound_s"),
        within_bound=found.get("within_bound"),
        expected_connected=found.get("expected_connected"),
        agrees_with_oracle=found.get("agrees_with_oracle"),
        reason=record.reason,
    )


def weak_points(rows: Sequence[Row]) -> list[str]:
    """The single points of failure."""
    return [row.element for row in rows if row.single and row.status == "lost"]


def verdict(topology: Topology, rows: Sequence[Row]) -> str:
    """What the audit says, in sentences."""
    hosts = topology.protected_hosts()
    whom = f"the talk of {', '.join(hosts)}" if len(hosts) <= 4 else f"the talk of {len(hosts)} hosts"
    weak = weak_points(rows)
    tried = sum(row.single and row.status != "failed" for row in rows)
    if weak:
        sentences = [f"{len(weak)} of {tried} elements are single points of failure for {whom}: {', '.join(weak)}."]
    else:
        sentences = [f"No single point of failure for {whom} among {tried} elements."]
    doubles = [row for row in rows if not row.single and row.status != "failed"]
    lost = [row for row in doubles if row.status == "lost" and not set(row.element.split("+")) & set(weak)]
    if doubles:
        sentences.append(f"{len(lost)} of {len(doubles)} pairs take it down together.")
    if failed := [row.element for row in rows if row.status == "failed"]:
        sentences.append(f"Not decided, because the trial failed: {', '.join(failed)}.")
    if differing := [row.element for row in rows if row.agrees_with_oracle is False]:
        sentences.append(f"Not what theory expects: {', '.join(differing)}.")
    if late := [row.element for row in rows if row.status == "survived" and row.within_bound is False]:
        sentences.append(f"Longer than its bound: {', '.join(late)}.")
    return " ".join(sentences)


def as_json(topology: Topology, rows: Sequence[Row]) -> dict[str, Any]:
    """The whole audit for programs."""
    return {
        "topology": topology.name,
        "protected": list(topology.protected_hosts()),
        "single_points_of_failure": weak_points(rows),
        "verdict": verdict(topology, rows),
        "rows": [asdict(row) for row in rows],
    }
