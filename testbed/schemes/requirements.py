"""What a scheme may require of a network, and what of a machine: checked before anything starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import testbed
from testbed.errors import MachineError, SpecError
from testbed.spec import LacpOptions, Lag, Topology

PROJECT = Path(testbed.__file__).resolve().parent.parent
#: The Python of the environment that holds Ryu, and no os-ken; `make setup-ryu` makes it.
RYU_PYTHON = PROJECT / ".venv-ryu" / "bin" / "python"

#: The options that a topology gives its LAGs: the field of a LAG, and what --set calls it. Not those that a bond's mode
#: and rate ask for.
OPTIONS = {
    **{field.name: field.name for field in dataclasses.fields(LacpOptions)},
    "min_links": "lag_min_links",
    "port_priorities": "lag_port_priorities",
}
DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Lag)}
#: Those that a static LAG has as well.
OF_ANY_LAG = ("min_links", "ovs_bond_mode")
#: What to do about an option that a controller does not carry out.
OTHERS = "Leave it out, or use another controller. Who has which option: docs/topologies.md"


def ryu() -> list[str]:
    """The command that starts Ryu's Python. Errors: MachineError with what to type."""
    if not RYU_PYTHON.exists():
        raise MachineError(
            f"Ryu is not installed: there is no {RYU_PYTHON.relative_to(PROJECT)}", "Type: make setup-ryu"
        )
    return [str(RYU_PYTHON), "-W", "ignore"]  # eventlet's own advice not to use it


def on_one_switch(lags: Iterable[Lag], topology: Topology, controller: str) -> None:
    """Errors: SpecError if a LAG is on several switches."""
    for lag in lags:
        owners = sorted({topology.owner(port) for port in lag.ports})
        if len(owners) > 1:
            raise SpecError(
                f"LAG {lag.name!r} is on the switches {', '.join(owners)};"
                f" controller {controller} knows LAGs on one switch only",
                "Use --set controller=testbed.",
            )


def no_loop(topology: Topology, controller: str, *, lags: bool) -> None:
    """Errors: SpecError unless the switches are joined as a tree; ``lags``: the links of a LAG count as one."""
    part = {switch.name: switch.name for switch in topology.switches}
    joined: set[str] = set()
    for link in topology.links:
        if link.a not in part or link.b not in part:
            continue
        lag = topology.ports[link.a_interface].lag if lags else None
        name = lag.name if lag else link.name
        if name in joined:
            continue
        joined.add(name)
        here, there = part[link.a], part[link.b]
        if here == there:
            raise SpecError(
                f"link {link.name} closes a loop of switches, where controller {controller} would let frames circulate",
                "Use --set controller=testbed, or --set controller=rstp, whose switches agree on a tree.",
            )
        part = {switch: there if found == here else found for switch, found in part.items()}


def has_partner(topology: Topology, lag: Lag) -> bool:
    """Whether the far ends of a LAG speak LACP if it does."""
    far = {topology.far(port).node for port in lag.ports}
    bonds = [host.bond for host in topology.hosts if host.name in far]
    return lag.lacp == "off" or all(bond is not None and bond.mode == "802.3ad" for bond in bonds)


def lag_options(topology: Topology, controller: str, known: Collection[str], why: str) -> None:
    """Errors: SpecError if a LAG has an option that the controller does not carry out, which has those ``known``; or
    one of LACP, and is static."""
    negotiated = [lag for lag in topology.lags if lag.lacp != "off"]
    for lag in topology.lags:
        for field, setting in OPTIONS.items():
            level = getattr(lag, field)
            if level == DEFAULTS[field]:
                continue
            if setting not in known:
                raise SpecError(
                    f"LAG {lag.name!r} has {field}={level}, which controller {controller} has not: {why}",
                    OTHERS,
                )
            # Options of LACP that a topology gives to all its LAGs are for those that speak it.
            if lag.lacp == "off" and field not in OF_ANY_LAG and all(getattr(o, field) != level for o in negotiated):
                raise SpecError(
                    f"LAG {lag.name!r} has {field}={level}, an option of LACP, and is static", "Leave it out."
                )
