"""One topology, experiment, fault, controller or mode in full: what it is, and every name that --set takes for it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from testbed.design.factor import Factor, Level
from testbed.experiment import discovery
from testbed.experiment.plan import topology_defaults
from testbed.faults.catalogue import FAULTS, OF_LINKS, Parameter
from testbed.schemes import SCHEMES, own_controller
from testbed.spec import BondOptions
from testbed.spec.bond import options

MODES = {
    "balance-rr": "0: each packet on the next member; needs a static LAG",
    "active-backup": "1: one member at a time; needs nothing of the switch",
    "balance-xor": "2: each flow on the member of its hash; needs a static LAG",
    "broadcast": "3: every packet on every member; needs a static LAG, or separate networks",
    "802.3ad": "4: each flow on the member of its hash; needs LACP",
    "balance-tlb": "5: sends on all members by load, receives on one; needs nothing of the switch",
    "balance-alb": "6: as 5, and receives on all by its ARP replies; needs nothing of the switch",
    "prp": "every frame by both of two separate networks, the first to arrive counts (IEC 62439-3); no LAG",
    "ecmp": "routing on the hosts: a subnet for each way, each flow by the next hop of its hash; needs no LAG",
    "mptcp": "Multipath TCP: a subnet and a subflow for each way; for TCP alone (testbed run messages)",
    "hsr": "every frame both ways round a ring of HSR nodes, the first to arrive counts (IEC 62439-3); no switch",
}


def typed(value: Any) -> str:
    """A value as --set takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def topology(name: str) -> list[str]:
    """A topology: its drawing, what it survives, and its arguments with their defaults."""
    function = discovery.topology(name)
    own = discovery.own_arguments(function)
    shared = {key: value for key, value in topology_defaults(function).items() if key not in own}
    return [
        discovery.summary("topologies", name),
        *discovery.drawing(function).splitlines(),
        *filter(None, [discovery.survives(function)]),
        "arguments of its own, with their defaults:",
        *_rows((f"--set {key}={typed(value)}", "") for key, value in own.items()),
        "arguments of its bonds, links and addresses:",
        *_rows((f"--set {key}={typed(value)}", "") for key, value in shared.items()),
        f"to draw it: testbed show {name}",
    ]


def experiment(name: str) -> list[str]:
    """An experiment: its question, and its factors and options with their levels."""
    found = discovery.experiment(name)
    how_often = f"{found.repetitions} repetitions of each case, {found.quick_repetitions} with --quick"
    lines = [
        f"{found.title}. {found.question}",
        f"topology {found.topology}; {how_often}",
        "factors, with their levels:",
        *_rows(map(_factor, found.factors)),
    ]
    if found.options:
        lines += ["options, which are part of a case only if --set names them:", *_rows(map(_factor, found.options))]
    return [*lines, f"figures: {', '.join(map(str, found.figures)) or 'none'}", f"to carry it out: testbed run {name}"]


def fault(name: str) -> list[str]:
    """A fault: what it hits, and its parameters."""
    found = FAULTS[name]
    of = [f"of a {found.element}"] if found.element != "any" else ["of any element"]
    rows = ((f"--set {each.factor}={typed(each.default)}", _limits(each)) for each in found.parameters)
    return [found.summary, *of, *_rows(rows), f"to see what it does: testbed run {taker(name)} --set fault={name}"]


def taker(name: str) -> str:
    """The experiment that shows a fault: that of a router or its daemon is none of networks of links alone."""
    others = {"BGP speaker": "routing", "site": "sites"}
    return "failover" if name in OF_LINKS else others.get(FAULTS[name].element, "gateway")


def controller(name: str) -> list[str]:
    """A protection scheme, and what the switch side can do by it."""
    if name == own_controller.FILE:
        rows = [("what it may do", "anything: theory predicts nothing"), ("how it is written", "docs/controllers.md")]
        return ["An OpenFlow application of your own.", *_rows(rows), f"to use it: --set controller={name}"]
    scheme = SCHEMES[name]
    side = scheme.side
    facts = {
        "LAGs": side.lags,
        "LACP": side.negotiates,
        "a process of its own that may fail alone": side.controller,
        "select groups": side.groups,
        "notified of a lost carrier": side.port_status,
        "a spanning tree": side.tree is not None,
        "fast-failover groups": side.detour is not None,
    }
    return [
        *(inspect.getdoc(scheme) or "").splitlines(),
        *_rows((what, "yes" if has else "no") for what, has in facts.items()),
        *(["its own options, in every experiment:"] if scheme.options else []),
        *_rows(map(_factor, scheme.options)),
        f"to measure it: testbed run failover --set controller={name}",
    ]


def mode(name: str) -> list[str]:
    """A mode of bonding or of another driver, and the options of a bond that count in it."""
    rows = []
    for key, option, value, _ in options(BondOptions(mode=name)):
        if name in option.modes and key != "mode":
            known = f" ({', '.join(option.words)})" if option.words else ""
            rows.append((f"--set {key}={typed(value)}", f"{option.why}{known}"))
    counting = ["options of a bond that count in it:", *_rows(rows)] if rows else ["it has no options"]
    return [MODES[name], *counting, f"to use it: --set mode={name}"]


#: For each kind, what tells one of it in full.
KINDS = {
    "topologies": topology,
    "experiments": experiment,
    "faults": fault,
    "controllers": controller,
    "modes": mode,
}


#: The widest column of names.
_WIDEST = 40


def _factor(factor: Factor) -> tuple[str, str]:
    others = set(factor.known or ()) - set(factor.levels)
    known = f" ({', '.join(map(typed, factor.known or ()))})" if others else ""
    quick = f"; with --quick: {_levels(factor.quick)}" if factor.quick and factor.quick != factor.levels else ""
    return f"--set {factor.name}={_levels(factor.levels)}", f"{factor.meaning}{known}{quick}"


def _levels(levels: Iterable[Level]) -> str:
    return ",".join(map(typed, levels))


def _limits(parameter: Parameter) -> str:
    if parameter.known:
        return f"{parameter.meaning} ({', '.join(parameter.known)})"
    if parameter.least is None:
        return parameter.meaning
    ends = f"{parameter.least:g} or more" if parameter.most is None else f"{parameter.least:g} to {parameter.most:g}"
    return f"{parameter.meaning} ({ends})"


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Names and what they mean, in two columns; beside a name that is too long for its column nothing fits."""
    found = list(rows)
    width = min(max((len(name) for name, _ in found), default=0), _WIDEST) + 2
    lines = []
    for name, text in found:
        if len(name) > _WIDEST and text:
            lines += [f"  {name}", f"  {'':<{width}}{text}"]
        else:
            lines.append(f"  {name:<{width}}{text}".rstrip())
    return lines


def arguments(found: Mapping[str, Level]) -> str:
    """Arguments with their values, as --set takes them, in one line."""
    return ", ".join(f"{key}={typed(each)}" for key, each in found.items())
