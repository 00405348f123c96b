"""One name that --set takes, in full: what it means, its values, its defaults, and which topologies and experiments
have it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from testbed import schemes
from testbed.backends.environment import PROJECT
from testbed.cli import details
from testbed.design.factor import Factor, Level
from testbed.experiment import discovery
from testbed.experiment.network import topology_defaults
from testbed.spec import BondOptions
from testbed.spec.bond import options as bond_options

#: A row of the tables of options in docs/services.md: names, defaults, values, what it does.
_ROW = re.compile(r"\| ((?:`\w+`(?:, )?)+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@functools.cache
def of_topologies() -> dict[str, dict[str, Level]]:
    """For each argument of our topologies its default in each that has it."""
    found: dict[str, dict[str, Level]] = {}
    for topology in discovery.names("topologies"):
        for name, default in topology_defaults(discovery.topology(topology)).items():
            found.setdefault(name, {})[topology] = default
    return found


@functools.cache
def of_experiments() -> dict[str, dict[str, Factor]]:
    """For each factor of our experiments and of the schemes, who has it."""
    found: dict[str, dict[str, Factor]] = {}
    for name in discovery.names("experiments"):
        experiment = discovery.experiment(name)
        for factor in (*experiment.factors, *experiment.options):
            found.setdefault(factor.name, {})[name] = factor
    for scheme in schemes.SCHEMES.values():
        for factor in scheme.options:
            found.setdefault(factor.name, {})[f"controller={scheme.name}"] = factor
    return found


def names() -> list[str]:
    """Every name that --set takes for something of ours."""
    return sorted({*of_topologies(), *of_experiments()})


def option(name: str) -> list[str]:
    """All about one of these."""
    lines = [*_meaning(name)]
    if unit := next((words for end, words in _UNITS.items() if name.endswith(end)), ""):
        lines.append(f"unit: {unit}")
    by_default: dict[str, list[str]] = {}
    for topology, default in of_topologies().get(name, {}).items():
        by_default.setdefault(details.typed(default), []).append(topology)
    for text, topologies in by_default.items():
        lines.append(f"default {text or 'none'}: {', '.join(topologies)}")
    factors: dict[str, list[str]] = {}
    for owner, factor in of_experiments().get(name, {}).items():
        levels = ",".join(map(details.typed, factor.levels)) or "none"
        factors.setdefault(f"{factor.meaning}; by default {levels}{_known(factor)}", []).append(owner)
    return [*lines, *(f"factor of {', '.join(owners)}: {text}" for text, owners in factors.items())]


#: The unit of a number, by the end of its name.
_UNITS = {"_ms": "milliseconds", "_us": "microseconds", "_s": "seconds", "_mbps": "Mbit/s", "_percent": "percent"}


def _known(factor: Factor) -> str:
    known = factor.known or ()
    least = f"; {factor.least:g} or more" if factor.least is not None else ""
    if factor.least is not None and factor.most is not None:
        least = f"; {factor.least:g} to {factor.most[0]:g}"
    return f" ({', '.join(map(details.typed, known))})" if set(known) - set(factor.levels) else least


def _meaning(name: str) -> Iterable[str]:
    """What an option of services, or of a bond, does, and its values."""
    if name in _of_services():
        values, text = _of_services()[name]
        yield text
        yield f"values: {values}"
    if name == "vlan":
        yield "the VLAN that all hosts are in, by tagged frames (IEEE 802.1Q); refused beside routers"
        yield "values: 0 (untagged), 1 to 4094"
    for key, known, _, _ in bond_options(BondOptions()):
        if key == name and key != "mode":
            yield known.why
            words = ", ".join(known.words)
            yield f"values: {words or f'{known.low} to {known.high}' if known.kind != 'truth' else 'true, false'}"
            yield f"counts in: {', '.join(known.modes)}"


@functools.cache
def _of_services() -> dict[str, tuple[str, str]]:
    """Values and meaning of each option in the tables of docs/services.md, which has the only text about them."""
    page = PROJECT / "docs" / "services.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    rows = [[cell.replace("`", "") for cell in row] for row in _ROW.findall(text)]
    return {name: (values, does) for names, values, does in rows for name in names.split(", ")}
