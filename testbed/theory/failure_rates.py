"""How often elements fail, and how long their repair takes: a rate for each kind of element, from a small TOML file.

[switch]
mtbf_h = 171000     hours from a repair to the next failure, on average
mttr_h = 4          hours from a failure to its repair, on average
source = "..."      where the two come from
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from testbed.errors import SpecError, unknown
from testbed.faults.elements import KINDS

#: A Julian year, in hours and in seconds.
YEAR_H = 365.25 * 24
YEAR_S = YEAR_H * 3600
_EXAMPLE = (
    'For example: [switch] mtbf_h = 171000, mttr_h = 4, source = "our tickets of 2025", each in a line of its own.'
)
_NUMBERS = ("mtbf_h", "mttr_h")


@dataclass(frozen=True)
class Rate:
    """How often an element of one kind fails: an alternating renewal process (D. R. Cox, Renewal Theory, 1962, 7)."""

    mtbf_h: float
    mttr_h: float
    source: str

    @property
    def unavailability(self) -> float:
        """The share of time in which it is down, in the long run: MTTR / (MTBF + MTTR) (IEC 61703)."""
        return self.mttr_h / (self.mtbf_h + self.mttr_h)

    @property
    def failures_a_year(self) -> float:
        """How often it fails: once in each cycle of failure and repair."""
        return YEAR_H / (self.mtbf_h + self.mttr_h)

    @property
    def mttr_s(self) -> float:
        return self.mttr_h * 3600


def parsed(text: str, place: str) -> dict[str, Rate]:
    """The rates of a file by kind. ``place`` is its name, for errors.

    Errors: SpecError for text that is no TOML, a kind or key that there is not, and a number that is none.
    """
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpecError(f"{place} is no TOML: {error}; wanted a table for each kind of element", _EXAMPLE) from error
    if not found:
        raise SpecError(f"{place} has no rates; wanted a table for each kind of element", _EXAMPLE)
    for kind in found:
        if kind not in KINDS:
            raise unknown(f"kind of element in {place}:", kind, KINDS)
    return {kind: _rate(f"{place}: [{kind}]", values) for kind, values in found.items()}


def _rate(place: str, values: Any) -> Rate:
    if not isinstance(values, Mapping):
        raise SpecError(f"{place} is {values!r}; wanted a table with mtbf_h, mttr_h and source", _EXAMPLE)
    for name in values:
        if name not in (*_NUMBERS, "source"):
            raise unknown(f"key of {place}", name, (*_NUMBERS, "source"))
    for name in (*_NUMBERS, "source"):
        if name not in values:
            raise SpecError(f"{place} has no {name}; wanted mtbf_h, mttr_h and source", _EXAMPLE)
    for name in _NUMBERS:
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise SpecError(f"{place} has {name} = {value!r}; wanted a number of hours above 0", _EXAMPLE)
    source = values["source"]
    if not isinstance(source, str) or not source.strip():
        raise SpecError(f"{place} has source = {source!r}; wanted a text that says where the two come from", _EXAMPLE)
    return Rate(float(values["mtbf_h"]), float(values["mttr_h"]), source)


def defaults() -> dict[str, Rate]:
    """The rates where no file gives others, each with its source."""
    name = "failure_rates.toml"
    return parsed(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"), name)
