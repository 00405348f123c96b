"""Which flows of the probe a fault can hit: those that crossed a failing link when it began.

    flow --> member A (fails)     exposed: the fault decides how long it stops
    flow --> member B             unexposed: it should not notice the fault

Where flows go is chosen by hashes, of which some cannot be asked for beforehand. So what was exposed is read from what
crossed the links (paths.csv), and trials of any scheme are compared by flows that were.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.faults import catalogue
from testbed.faults.cabling import link_named
from testbed.measure.table import read_csv
from testbed.spec import Link, Topology

_COLUMNS = {
    "number": int,
    "source_ip": str,
    "target_ip": str,
    "interface": str,
    "direction": str,
    "first_s": float,
    "first_seq": int,
    "last_s": float,
    "last_seq": int,
    "packets": int,
}
#: As a tap has it: into the interface, and out of it.
_DIRECTIONS = ("in", "out")
#: A flow that has not crossed a link for so long when the fault begins is elsewhere, in seconds.
_ELSEWHERE_S = 0.05


def failing_links(topology: Topology, fault: str, element: str) -> tuple[Link, ...] | None:
    """The links that a fault on ``element`` disturbs; None if it is not a matter of links, as of a controller."""
    kind = catalogue.named(fault).element
    if kind == "cable":
        return (link_named(topology, element)[0],)
    if kind == "switch" and fault not in ("switch_software_crash", "switch_restart"):
        return catalogue.cut_links(topology, fault, element)
    return None


def hit_ends(topology: Topology, begin: Mapping[str, Any], links: Sequence[Link]) -> frozenset[tuple[str, str]]:
    """Where packets cross failing links that the fault of a trial (its event) hits: an end, and their direction there.

    A cable may be silent or lossy in one direction alone, which its parameter names by the cable's host end.
    """
    ends = {end for link in links for end in (link.a_interface, link.b_interface)}
    towards = begin.get("parameters", {}).get("direction", "both")
    if begin["fault"] not in ("silent_loss", "lossy") or towards == "both":
        return frozenset(itertools.product(ends, _DIRECTIONS))
    _, host_end, other = link_named(topology, str(begin["element"]))
    into, out_of = _DIRECTIONS if towards == "to_host" else _DIRECTIONS[::-1]
    return frozenset({(host_end, into), (other, out_of)})


def exposed_flows(path: Path, hit: Collection[tuple[str, str]], begin_s: float) -> frozenset[int]:
    """The numbers of the flows that crossed a failing link where the fault hits them (`hit_ends`) when it began, by a
    paths.csv.

    Errors: TrialError naming a damaged line.
    """
    table = read_csv(path, _COLUMNS)
    return frozenset(
        number
        for number, _, _, interface, direction, first_s, _, last_s, _, _ in table
        if (interface, direction) in hit and first_s <= begin_s and last_s >= begin_s - _ELSEWHERE_S
    )


def shows_its_outage(metrics: Mapping[str, Any]) -> bool:
    """Whether a trial with these metrics shows what its fault costs: some flow was exposed, or lost packets without
    that, as a fault may reach flows elsewhere (the loss of a peer link does). True if exposure is not among them."""
    return metrics.get("exposed_flows") != [] or bool(metrics.get("outage_s"))


def compared(names: Sequence[str], exposed: Collection[int]) -> list[int]:
    """The places of the flows to compare trials by: of each direction the first that was exposed.

    ``names`` are the flows' names, such as ``h1>h2#3``, in their order. Of no direction more than one counts, so that
    the worst of them is not worse for there being more. If none was exposed, all count.
    """
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if place in exposed:
            first.setdefault(name.partition("#")[0], place)
    return sorted(first.values()) or list(range(len(names)))
