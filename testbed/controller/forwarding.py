"""The groups and flows of one switch, as values. Pure: datapath turns them into OpenFlow.

     from hosts                                   from another switch
         |                                                |
    0 ADMIT    accept or drop by port; write the logical port into the metadata
         |                                                |
    1 LEARN    is the source known here?          2 ORIGIN   where is the source? unknown: drop
         |     no: send it to the controller              |
         +-----------------------+------------------------+
                            3 FORWARD  known destination: send it there; unknown or group address:
                            4 FLOOD    to all hosts except the origin
                            5 SPREAD   to all switches along the tree except the origin

A logical port is a single port that is in no LAG, or a LAG. Frames to a LAG leave by one SELECT group whose buckets
watch their ports: the switch itself moves the traffic when a port fails.

A frame with an unknown source goes to the controller only. The controller programs every switch with the source's
place and hands the frame back. Every frame on a link between switches therefore has a source that every switch knows,
so every switch knows which LAG the frame came from and never sends it back there. A switch without such links needs
none of this and forwards the frame at once.

The low 32 bits of the metadata hold the logical port by which the frame came into this switch. The high 32 bits hold
the logical port by which it came into the network, or 0 for a port of another switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from testbed.controller.flow_tables import ALL, CONTROLLER, FAILOVER, SELECT, Bucket, Flow, Group, Masked, Part, Place

ADMIT, LEARN, ORIGIN, FORWARD, FLOOD, SPREAD = range(6)
SLOW_PROTOCOLS = 0x8809

#: Logical ports from here on are LAGs, each also the number of its SELECT group.
LAG_BASE = 0x1_0000
_HOSTS_BASE, _SWITCHES_BASE, _FAILOVER_BASE = 0x10_0000, 0x20_0000, 0x30_0000

_INGRESS = 0xFFFF_FFFF
_ORIGIN_SHIFT = 32
_ORIGIN = _INGRESS << _ORIGIN_SHIFT
_FROM_SWITCH = 1 << 31
_GROUP_ADDRESS = ("01:00:00:00:00:00", "01:00:00:00:00:00")


@dataclass(frozen=True)
class Members:
    """A LAG's ports on this switch: those that accept frames, and those that send them."""

    collecting: tuple[int, ...] = ()
    distributing: tuple[int, ...] = ()


@dataclass(frozen=True)
class View:
    """What the base part of a switch is computed from. Keys and members of sets are logical ports.

    hosts       ports in no LAG that lead to hosts
    lags        the LAGs that have a port here
    trunks      those of them that lead to a switch
    links       the live links to other switches, with the ports that accept frames
    tree        those of them that are in the spanning tree
    delivers    the LAGs to which this switch, and no other that it reaches, sends flooded frames
    linked      whether the switch has links to other switches, live or not
    """

    hosts: tuple[int, ...] = ()
    lags: Mapping[int, Members] = field(default_factory=dict)
    trunks: frozenset[int] = frozenset()
    links: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    tree: frozenset[int] = frozenset()
    delivers: frozenset[int] = frozenset()
    linked: bool = False


@dataclass(frozen=True)
class Route:
    """How a switch reaches a logical port.

    logical  the logical port, if it is or has members on this switch; else 0
    origin   what ORIGIN writes for frames that come from there: the LAG, or 0 for a port of another switch
    here     whether frames leave to the host on this switch
    link     the link towards it; with ``here``: the link to another switch that can deliver instead
    """

    logical: int = 0
    origin: int = 0
    here: bool = False
    link: int | None = None


def base(view: View) -> Part:
    """The groups and flows of a switch that do not depend on addresses."""
    host_lags = sorted(view.lags.keys() - view.trunks)
    groups = {
        logical: Group(SELECT, tuple(Bucket(port=port) for port in members.distributing))
        for logical, members in view.lags.items()
    }
    delivered = (*view.hosts, *(logical for logical in host_lags if logical in view.delivers))
    for origin in (0, *delivered):
        groups[_HOSTS_BASE + origin] = _all(logical for logical in delivered if logical != origin)

    accepted = [(port, port) for port in view.hosts]
    accepted += [(port, logical) for logical in host_lags for port in view.lags[logical].collecting]
    flows: dict[Place, Flow] = {
        (ADMIT, 300, (("eth_type", SLOW_PROTOCOLS),)): Flow((CONTROLLER,)),
        (LEARN, 300, (("eth_src", _GROUP_ADDRESS),)): Flow(),
        (LEARN, 0, ()): Flow((CONTROLLER,), goto=None if view.linked else FORWARD),
        (FORWARD, 0, ()): Flow(goto=FLOOD),
        (FLOOD, 0, ()): _flood(_HOSTS_BASE, view.linked),
    }
    for port, logical in accepted:
        flows[ADMIT, 100, (("in_port", port),)] = Flow(metadata=_from_host(logical), goto=LEARN)
    for origin in delivered:
        flows[FLOOD, 100, (_origin(origin),)] = _flood(_HOSTS_BASE + origin, view.linked)
    if view.linked:
        groups |= {_SWITCHES_BASE + link: _all(view.tree - {link}) for link in (0, *sorted(view.tree))}
        flows[SPREAD, 0, ()] = Flow((("group", _SWITCHES_BASE),))
        for link, ports in view.links.items():
            for port in ports:
                flows[ADMIT, 100, (("in_port", port),)] = Flow(metadata=(_FROM_SWITCH | link, _INGRESS), goto=ORIGIN)
            if link in view.tree:
                flows[SPREAD, 100, (_ingress(_FROM_SWITCH | link),)] = Flow((("group", _SWITCHES_BASE + link),))
            else:
                flows[FORWARD, 10, (_ingress(_FROM_SWITCH | link),)] = Flow()
    return Part(groups, flows)


def towards(route: Route) -> Part:
    """A switch's group for a logical port that another switch can deliver to as well; else an empty part."""
    if not route.here or route.link is None:
        return Part()
    return Part({_FAILOVER_BASE + route.logical: Group(FAILOVER, (_bucket(route.logical), _bucket(route.link)))})


def at(route: Route, address: str, linked: bool) -> Part:
    """A switch's flows for an address behind a logical port. Without a route, frames to it are dropped.

    The address is known as a source at that port, and frames to it are sent there. A frame is never sent back to the
    logical port, or to the link, that it came from. A frame from another switch leaves to the host here or is dropped:
    two switches whose host ports have failed would otherwise send it to each other without end.
    """
    flows: dict[Place, Flow] = {}
    out = target(route.logical) if route.here else None
    if out is not None and route.link is not None:
        out = ("group", _FAILOVER_BASE + route.logical)
    elif route.link is not None:
        out = target(route.link)
    to = ("eth_dst", address)
    flows[FORWARD, 100, (to,)] = Flow((out,) if out else ())
    if route.logical:
        flows[LEARN, 100, (_ingress(route.logical), ("eth_src", address))] = Flow(goto=FORWARD)
        flows[FORWARD, 200, (_ingress(route.logical), to)] = Flow()
    if route.here and route.link is not None:
        from_switch = ("metadata", (_FROM_SWITCH, _FROM_SWITCH))
        flows[FORWARD, 150, (from_switch, to)] = Flow((target(route.logical),))
    elif route.link is not None:
        flows[FORWARD, 200, (_ingress(_FROM_SWITCH | route.link), to)] = Flow()
    if linked:
        metadata = (route.origin << _ORIGIN_SHIFT, _ORIGIN) if route.origin else None
        flows[ORIGIN, 100, (("eth_src", address),)] = Flow(metadata=metadata, goto=FORWARD)
    return Part(flows=flows)


def target(logical: int) -> tuple[str, int]:
    """The action that sends a frame out of a logical port."""
    return ("group", logical) if logical >= LAG_BASE else ("port", logical)


def is_group_address(address: str) -> bool:
    """Whether the address is a multicast or broadcast address (IEEE 802, the I/G bit)."""
    return bool(int(address[:2], 16) & 1)


def _bucket(logical: int) -> Bucket:
    return Bucket(group=logical) if logical >= LAG_BASE else Bucket(port=logical)


def _all(logical_ports: Iterable[int]) -> Group:
    return Group(ALL, tuple(_bucket(logical) for logical in sorted(logical_ports)))


def _flood(group: int, linked: bool) -> Flow:
    return Flow((("group", group),), goto=SPREAD if linked else None)


def _from_host(logical: int) -> Masked:
    return logical << _ORIGIN_SHIFT | logical, _ORIGIN | _INGRESS


def _ingress(value: int) -> tuple[str, Masked]:
    return "metadata", (value, _INGRESS)


def _origin(logical: int) -> tuple[str, Masked]:
    return "metadata", (logical << _ORIGIN_SHIFT, _ORIGIN)
