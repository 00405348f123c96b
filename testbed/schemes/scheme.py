"""The contract of a protection scheme: what makes two ways redundant, on the switches' side of the network.

A scheme answers in values: which process is started for the switches, if any, and which OpenFlow the bridges speak to
it; how the bridges' ports are joined; what the switch side can then do; and, of a live network, what is not up yet and
what is kept of it at the end of a trial. ("Protection scheme": ITU-T G.808.1, IEEE 802.1.)
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from testbed.design.factor import Factor, Level
from testbed.errors import TrialError
from testbed.schemes import ovs_shown, requirements
from testbed.spec import Bond, LacpSystem, Lag, SwitchSide, Topology

#: `Scheme.why_no_option` of schemes without LAGs.
NO_LAGS = "its switches have no LAGs"


@dataclass(frozen=True)
class ProcessSpec:
    """A process to start before the switches: its command, variables besides ours, and the TCP port it listens on."""

    command: tuple[str, ...]
    listens_on: int
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Clock:
    """A clock of the switches' own: its name, the period over which its start is drawn, and the words for ovs-vsctl(8)
    that start it."""

    name: str
    period_s: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """What a switch forwards by without a controller: groups and flows, as ovs-ofctl(8) takes them."""

    groups: tuple[str, ...]
    flows: tuple[str, ...]


class Live(Protocol):
    """What a scheme sees of a live network (a `testbed.lab.lab.Lab` is one)."""

    @property
    def topology(self) -> Topology:
        """The network's specification."""

    @property
    def raw(self) -> Path:
        """The directory of the trial's raw files."""

    def controller_events(self) -> Sequence[Mapping[str, Any]]:
        """What the controller has logged, in order; of other controllers nothing."""

    def ask_switches(self, command: str, *arguments: str) -> str:
        """What ovs-vswitchd answers to a command of ovs-appctl(8)."""

    def groups(self, switch: str) -> str:
        """The groups of a switch as ovs-ofctl(8) prints them."""

    def tell_switches(self, *words: str) -> None:
        """Carry out commands of ovs-vsctl(8) in one transaction."""

    def note(self, source: str, event: str, **details: Any) -> float:
        """Write an event into the timeline; returns its time."""


class Scheme:
    """What is at the far end of the hosts' links."""

    #: The level of the factor ``controller`` that chooses it.
    name: str
    #: What the switch side can do by it.
    side: SwitchSide
    #: The options of LAGs with LACP (`testbed.spec.LagOptions`) that it carries out as a topology says.
    lag_options: frozenset[str] = frozenset()
    #: Why it has no others, for messages.
    why_no_option: str = ""
    #: Whether it keeps ports of a LAG on several switches out of it where the network is parted (`Switch.isolate`).
    isolates: bool = False
    #: The factors of a case that it reads itself.
    factors: tuple[str, ...] = ()
    #: Its own parameters as factors, which `--set` may vary in every experiment.
    options: tuple[Factor, ...] = ()
    #: The OpenFlow version that the bridges speak to a controller; None: they forward by themselves.
    openflow: str | None = None
    #: Whether the bridges forward nothing until the last of `starts` says so: loops may be open before.
    closed: bool = False
    #: The OpenFlow version of what `program` gives them; None: nothing.
    tables: str | None = None

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        return (inspect.getdoc(self) or "").splitlines()[0]

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of all factors of a case that are its own."""
        return (*self.factors, *(option.name for option in self.options))

    def of(self, case: Mapping[str, Level]) -> Self:
        """The scheme with what a case sets of its `options`. Errors: SpecError for what does not go together."""
        del case
        return self

    def _given(self, case: Mapping[str, Level]) -> dict[str, Level]:
        """What a case sets of the options."""
        return {option.name: case[option.name] for option in self.options if option.name in case}

    def lags(self, topology: Topology) -> Topology:
        """The topology as this scheme takes it."""
        return topology

    def heeded(self, topology: Topology) -> Topology:
        """The topology without what this scheme takes no notice of: two that are alike in it are one network."""
        lags = self.lags(topology).lags if self.side.lags else ()
        options = {**requirements.OPTIONS, "rate": "lag_rate"}
        unheeded = {f: requirements.DEFAULTS[f] for f, setting in options.items() if setting not in self.lag_options}
        chassis = any(lag.lacp != "off" and len({topology.owner(port) for port in lag.ports}) > 1 for lag in lags)
        switches = topology.switches
        if not (self.isolates and chassis):
            switches = tuple(dataclasses.replace(switch, isolate=True) for switch in switches)
        lags = tuple(dataclasses.replace(lag, **unheeded) for lag in lags)
        used = {lag.system for lag in lags}
        systems = tuple(system for system in topology.systems if system.name in used) or (LacpSystem("core"),)
        return dataclasses.replace(topology, lags=lags, switches=switches, systems=systems)

    def check(self, topology: Topology) -> None:
        """Errors: SpecError or MachineError if this scheme cannot serve such a network, or not on this machine: first
        for an option of a LAG that it does not carry out."""
        requirements.lag_options(topology, self.name, self.lag_options, self.why_no_option)

    def process(self, topology: Topology, case: Mapping[str, Level], scratch: Path) -> ProcessSpec | None:
        """The process to start before the switches, if there is one; its files go into ``scratch``."""
        del topology, case, scratch
        return None

    def join(self, topology: Topology) -> list[str]:
        """The words for ovs-vsctl(8) once the bridges have all links as ports of their own; empty: none."""
        del topology
        return []

    def starts(self, topology: Topology) -> list[Clock]:
        """What is started on the bridges after that, each at an instant of its own."""
        del topology
        return []

    def program(self, topology: Topology, switch: str) -> Program | None:
        """The groups and flows that a switch is given whenever its tables are empty; None: it has none of ours."""
        del topology, switch
        return None

    def answers(self, topology: Topology, bond: Bond) -> bool:
        """Whether the bond's members have one LACP partner: in this scheme, or the bond of another host."""
        far = {topology.far(member).interface for member in bond.members}
        bonds = [host.bond for host in topology.hosts if host.bond is not None]
        if any(other.mode == "802.3ad" and far <= set(other.members) for other in bonds):
            return True
        lags = topology.lags if self.side.negotiates else ()
        return any(lag.lacp != "off" and far <= set(lag.ports) for lag in lags)

    def placing(self, lag: Lag) -> str:
        """The rule by which frames to a LAG are placed on its ports (testbed.theory.displacement); empty: none known,
        or all frames between two hosts go by one port."""
        del lag
        return ""

    def entries(self, live: Live, lag: Lag) -> Mapping[str, int]:
        """Where `placing` names a table that chance fills: how many of its entries each port of a LAG has now."""
        del live, lag
        return {}

    def missing(self, live: Live) -> str:
        """What of the switch side is not up yet, though the bonds are; empty: nothing."""
        del live
        return ""

    def settle(self, live: Live) -> None:
        """What is left to do once nothing is missing, before the hosts' first frames."""
        del live

    def built(self, live: Live) -> dict[str, Any]:
        """The LAGs of a network that has converged, by name, as far as the switch side shows them.

        Errors: TrialError if one is other than the topology says.
        """
        del live
        return {}

    def collect(self, live: Live) -> None:
        """Write what the scheme shows of itself at the end of a trial into its raw files."""


def compare(lag: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Errors: TrialError naming the first thing that a LAG was built with and that is not wanted."""
    for name, value in wanted.items():
        if found.get(name) != value:
            raise TrialError(f"LAG {lag} was built with {name} {found.get(name)}, wanted {value}")


def no_lags(live: Live) -> dict[str, Any]:
    """No LAG, as Open vSwitch shows: it has no bond and speaks no LACP. Errors: TrialError if it has or does."""
    for command in ("bond/show", "lacp/show") if live.topology.lags else ():
        if bonds := ovs_shown.sections(live.ask_switches(command)):
            raise TrialError(f"the switches were built with the bonds {', '.join(bonds)}, wanted none")
    return {}
