"""What a scheme may require of a network, and what of a machine: checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import testbed
from testbed.errors import MachineError, SpecError
from testbed.spec import Lag, Topology

PROJECT = Path(testbed.__file__).resolve().parent.parent
#: The Python of the environment that holds Ryu, and no os-ken; `make setup-ryu` makes it.
RYU_PYTHON = PROJECT / ".venv-ryu" / "bin" / "python"


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
