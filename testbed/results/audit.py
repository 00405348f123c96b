"""Which elements an audit fails, and which of them are single points of failure for the protected hosts. Pure.

topology --> levels of the factor `element` --> (experiments/audit.py, a run) --> rows, verdict
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from testbed.faults import layers
from testbed.faults.elements import Element, elements, named
from testbed.results.result import Record
from testbed.spec import SwitchSide, Topology
from testbed.theory import reachability
from testbed.theory.redundancy import Observed, expected


def levels(
    topology: Topology,
    side: SwitchSide = SwitchSide(),
    *,
    quick: bool = False,
    pairs: bool = False,
    layer_pairs: bool = False,
) -> tuple[str, ...]:
    """The levels of the factor ``element``: each element alone; with ``pairs`` also every two at once, with
    ``layer_pairs`` every two of one layer (`testbed.faults.layers`).

    ``quick``: only the first of parallel links or members, and of each host's interfaces.
    """
    chosen = elements(topology, side)
    if quick:
        chosen = _first_of_each(topology, chosen)
    single = tuple(element.name for element in chosen)
    if not (pairs or layer_pairs):
        return single
    both = itertools.combinations(chosen, 2) if pairs else layers.pairs(topology, side)
    both = (pair for pair in both if {*pair} <= {*chosen})
    return single + tuple(f"{a.name}+{b.name}" for a, b in both if not _same(topology, a, b))


def _first_of_each(topology: Topology, chosen: Sequence[Element]) -> tuple[Element, ...]:
    """The first element of each kind between the same nodes, and the first interface of each host."""
    groups: dict[object, Element] = {}
    links = {link.name: link for link in topology.links}
    for element in chosen:
        group: object = element.name
        if element.name in links:
            group = frozenset((links[element.name].a, links[element.name].b))
        elif element.kind == "interface":
            group = ("interface", topology.owner(element.name))
        groups.setdefault(group, element)
    return tuple(groups.values())


def _same(topology: Topology, a: Element, b: Element) -> bool:
    """Whether one is a link and the other an interface of it: failing both is failing one."""
    for link, interface in ((a, b), (b, a)):
        if link.kind in ("link", "member") and interface.kind == "interface":
            found = topology.link_of(interface.name)
            if found.name == link.name:
                return True
    return False


#: So many names a sentence takes.
_FEW = 12


@dataclass(frozen=True)
class Row:
    """What the failure of an element, or of two at once, did."""

    element: str
    kind: str
    status: str  # survived | lost | failed: the trial could not be carried out | planned: it was not
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


def planned(topology: Topology, side: SwitchSide, wanted: Sequence[str], controller_down_s: float | None) -> list[Row]:
    """The rows of an audit that is not carried out: what theory says of each failure."""
    found = []
    for level in wanted:
        parts = [named(topology, name, side) for name in level.split("+")]
        names, kind = [part.name for part in parts], "+".join(part.kind for part in parts)
        said = expected(topology, names, side=side, controller_down_s=controller_down_s)
        must = reachability.must_connect(said, topology.ends())
        bound = reachability.longest_bound(said, topology.ends()) if must else None
        bound_s = None if bound is None else bound.bound_s
        found.append(Row(level, kind, "planned", None, None, bound_s, None, must, None, ""))
    return found


def rows_of(records: Sequence[Record]) -> list[Row]:
    """The rows of an audit's trials, in their order; of several repetitions the worst."""
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


def observed(records: Sequence[Record]) -> dict[frozenset[str], Observed]:
    """What an audit has measured of each failure, for `testbed availability`: of several repetitions the mean outage,
    and survived if all have. Trials that could not be carried out count nowhere."""
    found: dict[frozenset[str], list[Record]] = {}
    for record in records:
        if "survived" in record.metrics:
            found.setdefault(frozenset(str(record.case["element"]).split("+")), []).append(record)
    return {names: _observed(of_names) for names, of_names in found.items()}


def _observed(records: Sequence[Record]) -> Observed:
    outages = [[r.metrics[key] for r in records if r.metrics.get(key) is not None] for key in _OUTAGES]
    means = [fmean(each) if each else None for each in outages]
    away_s = min(float(record.case.get("controller_down_s", 0.0)) for record in records)
    return Observed(all(record.metrics["survived"] for record in records), means[0], means[1], away_s)


#: The outages at a failure and at its repair, as metrics of an audit.
_OUTAGES = ("outage_s", "return_outage_s")


def weak_points(rows: Sequence[Row]) -> list[str]:
    """The single points of failure: measured, or where no trial was carried out those of theory."""
    return [row.element for row in rows if row.single and lost(row)]


def lost(row: Row) -> bool:
    """Whether traffic stopped until the repair; without a trial, whether theory says so."""
    return row.status == "lost" or (row.status == "planned" and row.expected_connected is False)


def verdict(topology: Topology, rows: Sequence[Row]) -> str:
    """The result of the audit, in sentences."""
    hosts = topology.ends()
    between = ", ".join(hosts) if len(hosts) <= 4 else f"{len(hosts)} hosts"
    traffic = f"traffic between {between}"
    weak = weak_points(rows)
    tried = sum(row.single and row.status != "failed" for row in rows)
    if weak:
        sentences = [f"{len(weak)} of {tried} elements are single points of failure for {traffic}: {', '.join(weak)}."]
    else:
        sentences = [f"No single point of failure for {traffic} among {tried} elements."] if tried else []
    doubles = [row for row in rows if not row.single and row.status != "failed"]
    if doubles:
        together = [row.element for row in doubles if lost(row) and not set(row.element.split("+")) & set(weak)]
        text = f"{len(together)} of {len(doubles)} pairs interrupt it together, though neither element does alone"
        sentences.append(f"{text}{_named(together)}.")
    if silent := [row.element for row in rows if row.status == "planned" and row.expected_connected is None]:
        sentences.append(f"Of {len(silent)} it is not known{_named(silent)}.")
    if failed := [row.element for row in rows if row.status == "failed"]:
        sentences.append(f"Not decided, because the trial failed: {', '.join(failed)}.")
    if differing := [row.element for row in rows if row.agrees_with_oracle is False]:
        sentences.append(f"Not as theory predicts: {', '.join(differing)}.")
    if late := [row.element for row in rows if row.status == "survived" and row.within_bound is False]:
        sentences.append(f"Outage longer than its bound: {', '.join(late)}.")
    return " ".join(sentences)


def _named(names: Sequence[str]) -> str:
    """The names after a colon, as many as a sentence takes."""
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f": {', '.join(names[:_FEW])}{more}" if names else ""


def as_json(topology: Topology, rows: Sequence[Row]) -> dict[str, Any]:
    """The whole audit for programs."""
    return {
        "topology": topology.name,
        "protected": list(topology.ends()),
        "single_points_of_failure": weak_points(rows),
        "verdict": verdict(topology, rows),
        "rows": [asdict(row) for row in rows],
    }
