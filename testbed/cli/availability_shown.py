"""What `testbed availability` prints: its tables and sentences, and the same for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.cli import tables
from testbed.cli.base import out
from testbed.theory import availability as theory
from testbed.theory.availability import Availability, Contribution, Range
from testbed.theory.failure_rates import YEAR_S
from testbed.theory.redundancy import Redundancy

#: Of so many sets of elements that theory does not know the names are printed, and so many twins.
_NAMED, _TWINS = 6, 3


@dataclass(frozen=True)
class Assumed:
    """What was assumed, and the audit whose outages were taken, if any."""

    coverage: float
    beta: float
    audit: Path | None

    def __str__(self) -> str:
        measured = f", outages of the audit {self.audit}" if self.audit else ""
        return f"Coverage {self.coverage:g}, beta {self.beta:g}{measured}."


def show(redundancy: Redundancy, found: Availability, assumed: Assumed) -> None:
    """Print the downtime by element and by kind, what follows from it, and the rates."""
    total = found.downtime_s
    ordered = sorted(found.contributions, key=lambda each: -each.total_s.high)
    columns = [_cells(each, total, redundancy) for each in ordered]
    if assumed.coverage == 1:
        for cells in columns:
            del cells["failed switching"]
    header = list(columns[0])
    between = ", ".join(redundancy.topology.ends())
    title = f"Expected downtime a year of the traffic between {between}, by element"
    tables.print_table(tables.Shown(header, [list(cells.values()) for cells in columns], 1, title), out)
    kinds = [[kind, _range(cost), _share(cost, total)] for kind, cost in found.by_kind().items()]
    tables.print_table(tables.Shown(("kind", "in all", "share %"), kinds, 1, "By kind"), out)
    for line in _sentences(found, assumed):
        out.print(line, soft_wrap=True, markup=False)
    for kind in dict.fromkeys(each.kind for each in redundancy.elements):
        rate = redundancy.rates[kind]
        line = f"rate    {kind}: fails every {rate.mtbf_h:g} h, repaired in {rate.mttr_h:g} h ({rate.source})"
        out.print(line, soft_wrap=True, markup=False, style="dim")


def _cells(each: Contribution, total: Range, redundancy: Redundancy) -> dict[str, str]:
    """A row of the table, by its headings."""
    event = each.event
    names = frozenset(event.elements)
    if each.outage is not None:
        costs, by = _range(each.outage.seconds), each.outage.basis.removeprefix("theory, ")
    elif redundancy.up(names) is None:
        costs, by = "not known", "-"
    else:
        costs, by = "the repair", "measured" if names in redundancy.observed else "theory"
    return {
        "element": event.name,
        "kind": event.kind,
        "in all": _range(each.total_s),
        "share %": _share(each.total_s, total),
        "until repair": _range(each.apart_s),
        "failed switching": _range(each.uncovered_s),
        "switching": _range(each.switch_s),
        "each costs": costs,
        "by": by,
        "failures a year": f"{event.rate.failures_a_year:.3g}",
        "a twin saves": "-" if each.twin_saves_s is None else _range(each.twin_saves_s),
    }


def _sentences(found: Availability, assumed: Assumed) -> list[str]:
    share = found.unavailability
    nines = _between(*(f"{theory.nines(each):.1f}" for each in (share.high, share.low)))
    lines = [
        f"Availability {_between(_percent(share.high), _percent(share.low))} % ({nines} nines): down"
        f" {_range(found.downtime_s)} a year. {assumed}",
        f"Of it at most {_time(found.rest_s)} with more than {found.at_once} failures at once: counted as from up to"
        " down.",
    ]
    twins = [(each.event.name, each.twin_saves_s) for each in found.contributions if each.twin_saves_s is not None]
    best = sorted(twins, key=lambda twin: -twin[1].high)[:_TWINS]
    if best:
        bought = [f"{name} {_range(saves)}, to {_without(share.high, saves.high)} %" for name, saves in best]
        lines.append(f"A parallel twin of one element buys most for: {'; '.join(bought)}.")
    if found.not_known:
        names = ["+".join(sorted(each)) for each in found.not_known]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(
            f"Theory does not say whether the hosts stay together without {', '.join(names[:_NAMED])}{more}: counted"
            " as from up to down."
        )
    return lines


def _without(unavailability: float, saved_s: float) -> str:
    return _percent(max(unavailability - saved_s / YEAR_S, 0.0))


def data_of(redundancy: Redundancy, found: Availability, assumed: Assumed) -> dict[str, Any]:
    """The same for programs; docs/availability.md lists the keys."""
    share = found.unavailability
    kinds = dict.fromkeys(each.kind for each in redundancy.elements)
    return {
        "topology": redundancy.topology.name,
        "protected": list(redundancy.topology.ends()),
        "availability": _pair(Range(1 - share.high, 1 - share.low)),
        "nines": {
            "low": theory.nines(share.high),
            "high": theory.nines(share.low) if share.low > 0 else None,
        },
        "downtime_s": _pair(found.downtime_s),
        "rest_s": found.rest_s,
        "at_once": found.at_once,
        "coverage": assumed.coverage,
        "beta": assumed.beta,
        "audit": None if assumed.audit is None else str(assumed.audit),
        "not_known": [sorted(each) for each in found.not_known],
        "kinds": {kind: _pair(cost) for kind, cost in found.by_kind().items()},
        "elements": [_element_json(each) for each in found.contributions],
        "rates": {kind: vars(redundancy.rates[kind]) for kind in kinds},
    }


def _element_json(each: Contribution) -> dict[str, Any]:
    return {
        "element": each.event.name,
        "kind": each.event.kind,
        "failures_a_year": each.event.rate.failures_a_year,
        "unavailability": each.event.q,
        "outage_s": None if each.outage is None else _pair(each.outage.seconds),
        "outage_by": None if each.outage is None else each.outage.basis,
        "apart_s": _pair(each.apart_s),
        "uncovered_s": _pair(each.uncovered_s),
        "switch_s": _pair(each.switch_s),
        "total_s": _pair(each.total_s),
        "twin_saves_s": None if each.twin_saves_s is None else _pair(each.twin_saves_s),
    }


def _pair(found: Range) -> dict[str, float]:
    return {"low": found.low, "high": found.high}


#: Units of time, each from so many seconds on.
_UNITS = ((7200.0, 3600.0, "h"), (120.0, 60.0, "min"), (1.0, 1.0, "s"), (1e-3, 1e-3, "ms"), (1e-6, 1e-6, "us"))


def _scaled(seconds: float) -> tuple[str, str]:
    """A time as a number and its unit; less than a microsecond is nothing."""
    found = next(((scale_s, unit) for least_s, scale_s, unit in _UNITS if seconds >= least_s * 0.9995), None)
    if found is None:
        return "0", ""
    number = seconds / found[0]
    return (f"{number:.3g}" if number < 999.5 else f"{number:.0f}"), found[1]


def _time(seconds: float) -> str:
    return " ".join(_scaled(seconds)).strip()


def _range(found: Range) -> str:
    (low, unit), high = _scaled(found.low), _time(found.high)
    return _between(low if high.endswith(f" {unit}") and low != high.split()[0] else _time(found.low), high)


def _between(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _share(part: Range, whole: Range) -> str:
    """The part of the upper ends: what is not known counts."""
    return f"{100 * part.high / whole.high:.1f}" if whole.high > 0 else "-"


def _percent(unavailability: float) -> str:
    """The availability with two digits after its nines."""
    count = theory.nines(unavailability)
    return "100" if math.isinf(count) else f"{100 * (1 - unavailability):.{max(2, math.ceil(count) - 1)}f}"
