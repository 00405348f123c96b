"""What one switch has to do, as values: groups and flows. Pure: the application turns them into OpenFlow.

    table 0  ADMIT    from which ports frames are taken in; each gets its logical port into the metadata
    table 1  LEARN    is the source known on this logical port? if not, the controller is told; on it goes
    table 2  FORWARD  destination known: to its logical port; not known, or a group address: to all others

A logical port is a port that is in no LAG, or a LAG. Towards a LAG everything leaves by one SELECT group, whose
buckets watch their ports: the switch itself moves the traffic when a port dies. A frame for all goes to the
ALL group of the logical port it came in by, which has one bucket for each other logical port: each LAG gets it
once, and the LAG that it came from never gets it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ADMIT, LEARN, FORWARD = 0, 1, 2
SELECT, ALL = "select", "all"
SLOW_PROTOCOLS = 0x8809
#: Actions that are no port and no group.
CONTROLLER = ("controller", 0)

_LAG_BASE = 0x1_0000
_FLOOD_BASE = 0x10_0000


@dataclass(frozen=True)
class Bucket:
    """Where one bucket sends: a port that it watches, or a group."""

    port: int | None = None
    group: int | None = None


@dataclass(frozen=True)
class Group:
    """An OpenFlow group (OpenFlow Switch Specification 1.3.5, 5.6)."""

    kind: str
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True)
class Flow:
    """What a flow does: set the metadata, send to ports or groups, go on in a table."""

    actions: tuple[tuple[str, int], ...] = ()
    metadata: int | None = None
    goto: int | None = None


#: A flow's place: table, priority and match fields.
Place = tuple[int, int, tuple[tuple[str, int | str], ...]]


@dataclass
class Lagged:
    """A LAG on this switch: its ports here, and which of them collect and distribute."""

    index: int
    ports: tuple[int, ...]
    collecting: tuple[int, ...] = ()
    distributing: tuple[int, ...] = ()


@dataclass
class SwitchState:
    """What is known of one switch."""

    ports: dict[int, bool] = field(default_factory=dict)  # port number -> carrier
    lags: dict[str, Lagged] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)  # address -> logical port

    def logical(self, port: int) -> int:
        """The logical port that a port belongs to."""
        for lag in self.lags.values():
            if port in lag.ports:
                return _LAG_BASE + lag.index
        return port

    def logical_ports(self) -> list[int]:
        """All logical ports, LAGs last."""
        in_lags = {port for lag in self.lags.values() for port in lag.ports}
        return [
            *sorted(port for port in self.ports if port not in in_lags),
            *sorted(_LAG_BASE + lag.index for lag in self.lags.values()),
        ]


def target(logical: int) -> tuple[str, int]:
    """The action that sends out of a logical port."""
    return ("group", logical) if logical >= _LAG_BASE else ("port", logical)


def flood_group(logical: int) -> int:
    """The group that sends to every logical port but this one."""
    return _FLOOD_BASE + logical


def groups(state: SwitchState) -> dict[int, Group]:
    """Every group that the switch needs now; those that others refer to come first."""
    wanted = {
        _LAG_BASE + lag.index: Group(SELECT, tuple(Bucket(port=port) for port in lag.distributing))
        for lag in state.lags.values()
    }
    logical_ports = state.logical_ports()
    for source in logical_ports:
        others = (logical for logical in logical_ports if logical != source)
        wanted[flood_group(source)] = Group(
            ALL, tuple(Bucket(group=lp) if lp >= _LAG_BASE else Bucket(port=lp) for lp in others)
        )
    return wanted


def flows(state: SwitchState) -> dict[Place, Flow]:
    """Every flow that the switch needs now, but for those of learned addresses."""
    wanted: dict[Place, Flow] = {
        (ADMIT, 300, (("eth_type", SLOW_PROTOCOLS),)): Flow((CONTROLLER,)),
        (LEARN, 0, ()): Flow((CONTROLLER,), goto=FORWARD),
    }
    in_lags = {port: lag for lag in state.lags.values() for port in lag.ports}
    for port in state.ports:
        if port not in in_lags or port in in_lags[port].collecting:
            wanted[ADMIT, 100, (("in_port", port),)] = Flow(metadata=state.logical(port), goto=LEARN)
    for logical in state.logical_ports():
        wanted[FORWARD, 0, (("metadata", logical),)] = Flow((("group", flood_group(logical)),))
    return wanted


def mac_flows(address: str, logical: int) -> dict[Place, Flow]:
    """The flows of one learned address: known as a source there, reached there, never sent back there."""
    return {
        (LEARN, 100, (("metadata", logical), ("eth_src", address))): Flow(goto=FORWARD),
        (FORWARD, 100, (("eth_dst", address),)): Flow((target(logical),)),
        (FORWARD, 200, (("metadata", logical), ("eth_dst", address))): Flow(),
    }


def is_group_address(address: str) -> bool:
    """Whether the address is a multicast or broadcast address (IEEE 802, the I/G bit)."""
    return bool(int(address[:2], 16) & 1)


def changes(old: Mapping[Place, Flow], new: Mapping[Place, Flow]) -> tuple[list[tuple[Place, Flow]], list[Place]]:
    """What to add or replace, and what to delete, to get from ``old`` to ``new``."""
    return [(place, flow) for place, flow in new.items() if old.get(place) != flow], [p for p in old if p not in new]
