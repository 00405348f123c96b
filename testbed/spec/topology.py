"""What a network is: frozen values, checked when they are made.

A topology file returns one :class:`Topology`. Nothing here starts anything, so a wrong network is
refused before a single interface exists. Names follow the kernel's bonding document and IEEE 802.1AX.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from testbed.errors import SpecError, unknown
from testbed.spec import validation
from testbed.spec.bond import (
    LACP_RATES,
    MAX_TARGETS,
    MODES,
    PEERS,
    PRIMARY_RESELECT,
    STATIC_LAG_MODES,
    XMIT_HASH_POLICIES,
    Bond,
    BondOptions,
    parse_mode,
    words,
)
from testbed.spec.host import Addressing, Host
from testbed.spec.lag import Lag, LagOptions

__all__ = [
    "LACP_RATES",
    "MODES",
    "PRIMARY_RESELECT",
    "RATE_RANGE_MBPS",
    "STATIC_LAG_MODES",
    "XMIT_HASH_POLICIES",
    "Addressing",
    "Bond",
    "BondOptions",
    "Cable",
    "Host",
    "LacpSystem",
    "Lag",
    "LagOptions",
    "Link",
    "Switch",
    "Topology",
    "parse_mode",
]

#: What a link's rate may be, in Mbit/s: 1 Mbit/s to 100 Gbit/s.
RATE_RANGE_MBPS = (1.0, 100_000.0)


@dataclass(frozen=True, kw_only=True)
class Cable:
    """What the links of a topology have in common; each is told of in :class:`Link`."""

    rate_mbps: float = 1000.0
    delay_ms: float = 0.0
    queue_packets: int = 1000

    def between(self, a: str, a_interface: str, b: str, b_interface: str) -> Link:
        """Such a link between two interfaces."""
        return Link(a, a_interface, b, b_interface, self.rate_mbps, self.delay_ms, self.queue_packets)


@dataclass(frozen=True)
class Switch:
    """An Open vSwitch bridge with the kernel datapath, steered over OpenFlow.

    ``isolate``: where links between switches have failed so that the network fell apart, the switch keeps its ports
    of a LAG that is on several switches out of it, if the LAG has ports in a better part of the network.
    """

    name: str
    dpid: int
    isolate: bool = True

    def __post_init__(self) -> None:
        validation.name("switch", self.name)
        if not 0 < self.dpid < 1 << 64:
            raise SpecError(f"datapath id {self.dpid} of switch {self.name!r} is not between 1 and 2^64-1")


@dataclass(frozen=True)
class Link:
    """A full-duplex cable between two named interfaces.

    ``rate_mbps`` is the line rate of each direction in 10^6 bit/s of Ethernet as on the wire (preamble, FCS and
    inter-frame gap included), ``delay_ms`` the propagation delay of each direction, ``queue_packets`` the length
    of the queue in front of each direction.
    """

    a: str
    a_interface: str
    b: str
    b_interface: str
    rate_mbps: float | None = 1000.0
    delay_ms: float = 0.0
    queue_packets: int = 1000

    def __post_init__(self) -> None:
        for interface in (self.a_interface, self.b_interface):
            validation.name("interface", interface)
        if self.rate_mbps is not None:
            low, high = RATE_RANGE_MBPS
            if not low <= self.rate_mbps <= high:
                raise SpecError(f"rate {self.rate_mbps:g} Mbit/s of link {self.name} is outside {low:g} to {high:g}")
        validation.at_least(f"delay_ms of link {self.name}", self.delay_ms, 0)
        validation.at_least(f"queue_packets of link {self.name}", self.queue_packets, 1)

    @property
    def name(self) -> str:
        """The link's name: its two interfaces."""
        return f"{self.a_interface}--{self.b_interface}"

    def end(self, node: str) -> str:
        """The interface of this link on ``node``."""
        return self.a_interface if node == self.a else self.b_interface

    def other(self, interface: str) -> tuple[str, str]:
        """The node and interface at the far end of ``interface``."""
        if interface == self.a_interface:
            return self.b, self.b_interface
        return self.a, self.a_interface


@dataclass(frozen=True)
class LacpSystem:
    """One LACP actor system of the switch side (IEEE 802.1AX-2014, 6.3.2): an identity and its priority."""

    name: str
    system: str = "02:00:00:00:ff:01"
    priority: int = 32768

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", self.system):
            raise SpecError(f"system id {self.system!r} of LACP system {self.name!r} is not a MAC address")
        if not 0 <= self.priority <= 65535:
            raise SpecError(f"priority {self.priority} of LACP system {self.name!r} is not between 0 and 65535")


@dataclass(frozen=True)
class Topology:
    """A whole network. Every name in it is checked against the rest when it is made."""

    name: str
    hosts: tuple[Host, ...]
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    lags: tuple[Lag, ...] = ()
    systems: tuple[LacpSystem, ...] = field(default=(LacpSystem("core"),))
    #: The hosts whose talk is to survive; none named: those with a bond, or all if fewer than two have one.
    protected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        validation.unique("names of hosts and switches", self.nodes())
        validation.unique("datapath ids", [str(s.dpid) for s in self.switches])
        validation.unique("addresses", [h.ip for h in self.hosts])
        validation.unique("interfaces", [i for link in self.links for i in (link.a_interface, link.b_interface)])
        validation.unique("LAG names", [lag.name for lag in self.lags])
        validation.unique("ports of LAGs", [port for lag in self.lags for port in lag.ports])
        validation.unique("LACP systems", [system.name for system in self.systems])
        nodes = self.nodes()
        for link in self.links:
            for node in (link.a, link.b):
                if node not in nodes:
                    raise unknown(f"node of link {link.name}", node, nodes)
        for host in self.hosts:
            self._check_host(host)
        for lag in self.lags:
            self._check_lag(lag)
        for name in self.protected:
            if name not in {host.name for host in self.hosts}:
                raise unknown(f"protected host of topology {self.name!r}", name, [host.name for host in self.hosts])

    def _check_host(self, host: Host) -> None:
        own = self.interfaces(host.name)
        if host.bond is None:
            if len(own) != 1:
                raise SpecError(
                    f"host {host.name!r} has no bond and {len(own)} links; wanted one link, or a bond over them"
                )
            return
        for member in host.bond.members:
            if member not in own:
                raise unknown(f"member of bond {host.bond.name!r} on host {host.name!r}", member, own)
        if host.bond.arp_interval_ms and not self.monitored(host.name):
            raise SpecError(
                f"the ARP monitor of bond {host.bond.name!r} on host {host.name!r} has nobody to ask:"
                " its targets hold no address but its own",
                "For example: --set arp_ip_target=peers",
            )
        rates = {self.link_of(member).rate_mbps for member in host.bond.members}
        if host.bond.mode == "802.3ad" and len(rates) > 1:
            raise SpecError(
                f"members of 802.3ad bond {host.bond.name!r} on host {host.name!r} have unequal rates;"
                " links of one aggregator must run at one speed (IEEE 802.1AX-2014, 6.3.1)"
            )

    def _check_lag(self, lag: Lag) -> None:
        ports = {i for switch in self.switches for i in self.interfaces(switch.name)}
        for port in lag.ports:
            if port not in ports:
                raise unknown(f"port of LAG {lag.name!r}", port, ports)
        if lag.lacp != "off" and lag.system not in {system.name for system in self.systems}:
            raise unknown(f"LACP system of LAG {lag.name!r}", lag.system, [s.name for s in self.systems])

    @cached_property
    def _link_by_interface(self) -> dict[str, Link]:
        return {i: link for link in self.links for i in (link.a_interface, link.b_interface)}

    @cached_property
    def _owner(self) -> dict[str, str]:
        return {i: node for link in self.links for node, i in ((link.a, link.a_interface), (link.b, link.b_interface))}

    def nodes(self) -> list[str]:
        """The names of all hosts, then of all switches."""
        return [host.name for host in self.hosts] + [switch.name for switch in self.switches]

    @cached_property
    def _interfaces(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for link in self.links:
            for node, interface in ((link.a, link.a_interface), (link.b, link.b_interface)):
                found.setdefault(node, []).append(interface)
        return {node: tuple(own) for node, own in found.items()}

    def interfaces(self, node: str) -> tuple[str, ...]:
        """The interfaces of ``node`` in the order of its links."""
        return self._interfaces.get(node, ())

    def link_of(self, interface: str) -> Link:
        """The link that ``interface`` is an end of."""
        return self._link_by_interface[interface]

    def owner(self, interface: str) -> str:
        """The node that ``interface`` belongs to."""
        return self._owner[interface]

    def host(self, name: str) -> Host:
        """The host of that name."""
        return next(host for host in self.hosts if host.name == name)

    def bond(self, host: str) -> Bond:
        """The bond of a host. Errors: SpecError if there is no such host, or it has none."""
        found = next((each.bond for each in self.hosts if each.name == host), None)
        if found is None:
            bonded = ", ".join(each.name for each in self.hosts if each.bond is not None)
            raise SpecError(
                f"topology {self.name!r} has no host {host} with a bond; with bonds it has: {bonded or 'none'}",
                "To see which topologies there are, type: testbed list topologies",
            )
        return found

    def protected_hosts(self) -> tuple[str, ...]:
        """The hosts whose talk among each other is to survive a failure."""
        bonded = tuple(host.name for host in self.hosts if host.bond is not None)
        return self.protected or (bonded if len(bonded) > 1 else tuple(host.name for host in self.hosts))

    def monitored(self, name: str) -> tuple[str, ...]:
        """Whom the ARP monitor of a host's bond asks: its targets but itself; ``peers`` are all other hosts."""
        host = self.host(name)
        found: list[str] = []
        for version, text in ((4, host.bond.arp_ip_target), (6, host.bond.ns_ip6_target)) if host.bond else ():
            peers = [other.ip for other in self.hosts if other.ip_version == version]
            own = [ip for ip in (peers if text == PEERS else words(text)) if ip != host.ip]
            found += own[:MAX_TARGETS]
        return tuple(found)

    def port_no(self, interface: str) -> int:
        """The OpenFlow port number of a switch interface: its place among its switch's links, from 1."""
        return self.interfaces(self.owner(interface)).index(interface) + 1

    def mac(self, interface: str) -> str:
        """The fixed MAC address of an interface: locally administered, from its place in the topology."""
        nodes = self.nodes()
        node = self.owner(interface)
        place = (nodes.index(node) + 1) << 8 | (self.interfaces(node).index(interface) + 1)
        octets = (0x02 << 40 | place).to_bytes(6, "big")
        return ":".join(f"{octet:02x}" for octet in octets)

    def host_mac(self, name: str) -> str:
        """The MAC address that a host's traffic carries: its bond's, which is its first member's."""
        host = self.host(name)
        return self.mac(host.bond.members[0] if host.bond else self.interfaces(name)[0])

    def unshaped(self) -> tuple[str, ...]:
        """Names of the links without a rate: infinitely fast where time is virtual."""
        return tuple(link.name for link in self.links if link.rate_mbps is None)

    def to_json(self) -> str:
        """This topology as JSON text, for :meth:`from_json`."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Topology:
        """A topology from what :meth:`to_json` wrote, checked again."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            name=data["name"],
            hosts=tuple(
                Host(**{**host, "bond": Bond(**_tuples(host["bond"])) if host["bond"] else None})
                for host in data["hosts"]
            ),
            switches=tuple(Switch(**s) for s in data["switches"]),
            links=tuple(Link(**link) for link in data["links"]),
            lags=tuple(Lag(**_tuples(lag)) for lag in data["lags"]),
            systems=tuple(LacpSystem(**s) for s in data["systems"]),
            protected=tuple(data["protected"]),
        )


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
