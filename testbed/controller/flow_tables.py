"""Groups and flows of OpenFlow 1.5 as values, without an OpenFlow library."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

SELECT, ALL, FAILOVER = "select", "all", "failover"
#: The action that sends a frame to the controller.
CONTROLLER = ("controller", 0)

#: A value and its mask: the bits that are compared or written.
Masked = tuple[int, int]
#: A flow's place: table, priority and match fields. A flow that is put in a place replaces the one that is there.
Place = tuple[int, int, tuple[tuple[str, "int | str | Masked | tuple[str, str]"], ...]]


@dataclass(frozen=True)
class Bucket:
    """Sends to a port, or to another group. In SELECT and FAILOVER groups it also watches that port or group."""

    port: int | None = None
    group: int | None = None


@dataclass(frozen=True)
class Group:
    """An OpenFlow group (OpenFlow Switch Specification 1.5.1, 5.6.1).

    ALL sends by every bucket, SELECT by one live bucket, FAILOVER by the first live bucket.
    """

    kind: str
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True)
class Flow:
    """What a flow does: write metadata, send to ports or groups, continue in a table. If nothing: drop."""

    actions: tuple[tuple[str, int], ...] = ()
    metadata: Masked | None = None
    goto: int | None = None


@dataclass(frozen=True)
class Part:
    """Groups and flows of a switch that change together."""

    groups: Mapping[int, Group] = field(default_factory=dict)
    flows: Mapping[Place, Flow] = field(default_factory=dict)


#: The parts of one switch, by name; no place and no group is in two of them.
Parts = dict[Hashable, Part]


@dataclass
class Changes:
    """The changes from some parts to others. In this order no flow or group refers to a group that does not exist."""

    set_groups: dict[int, Group] = field(default_factory=dict)
    set_flows: dict[Place, Flow] = field(default_factory=dict)
    delete_flows: dict[Place, None] = field(default_factory=dict)
    delete_groups: dict[int, None] = field(default_factory=dict)


def changes(old: Mapping[Hashable, Part], new: Mapping[Hashable, Part]) -> Changes:
    """The changes from the parts ``old`` to ``new``; both hold just the parts that may differ."""
    found = Changes()
    for name in {**new, **old}:
        before, after = old.get(name, Part()), new.get(name, Part())
        found.set_groups |= {n: group for n, group in after.groups.items() if before.groups.get(n) != group}
        found.set_flows |= {p: flow for p, flow in after.flows.items() if before.flows.get(p) != flow}
        found.delete_flows |= dict.fromkeys(place for place in before.flows if place not in after.flows)
        found.delete_groups |= dict.fromkeys(number for number in before.groups if number not in after.groups)
    for place in found.set_flows:  # an address that moves keeps its place, in another part
        found.delete_flows.pop(place, None)
    return found
