"""Two or more routers that are a stateful firewall together, as a value.

inside h1 ---+--- f1 ---+--- outside h2      a connection begins inside; what belongs to one that is known passes back
             |    | sync|                    with NAT it has the outside virtual address there
             +--- f2 ---+                    to a service that is published connections begin outside as well
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from testbed.errors import SpecError
from testbed.spec import validation
from testbed.spec.server import MOST_PORTS

#: What one firewall tells the others of its connections: all changes, reliably, over a link of their own (conntrackd's
#: mode FTFW), or nothing.
SYNCS = ("ftfw", "none")


@dataclass(frozen=True, kw_only=True)
class FirewallOptions:
    """What is configured of a group of firewalls.

    ``sync``: how they share what they know of connections. ``nat``: connections leave with the virtual address of the
    outside. ``loose``: a connection may be picked up in its middle (nf_conntrack-sysctl.rst, nf_conntrack_tcp_loose).
    """

    sync: str = field(default=SYNCS[0], metadata={"setting": "firewall_sync", "needs": ("firewall=pair",)})
    nat: bool = field(default=True, metadata={"setting": "firewall_nat"})
    loose: bool = field(default=False, metadata={"setting": "firewall_loose", "needs": ("firewall_nat=false",)})

    def __post_init__(self) -> None:
        validation.choice("firewall_sync", self.sync, SYNCS)
        if self.loose and self.nat:
            raise SpecError(
                "firewall_loose has no effect with firewall_nat: what a connection was translated to is in no packet of"
                " its middle",
                "Type: --set firewall_nat=false",
            )

    def over(
        self,
        routers: tuple[str, ...],
        inside: str,
        outside: str,
        apart: str,
        publishes: tuple[Published, ...] = (),
    ) -> Firewall:
        """The group of these routers; ``inside``, ``outside`` and, for what they share, ``apart`` are their subnets."""
        return Firewall(routers, inside, outside, apart, self.sync, self.nat, self.loose, publishes)


@dataclass(frozen=True)
class Published:
    """A service inside that outside may connect to: at ``address`` and TCP ``port``, which becomes ``target``.

    Without NAT the service has the address itself, and both are the same. Both are IPv4 addresses without a prefix.
    """

    address: str
    port: int
    target: str

    def __post_init__(self) -> None:
        validation.at_least(f"port of what is published at {self.address}", self.port, 1)
        validation.at_most(f"port of what is published at {self.address}", self.port, MOST_PORTS)
        for address in (self.address, self.target):
            try:
                ipaddress.IPv4Address(address)
            except ValueError:
                raise SpecError(f"published address {address!r} is no IPv4 address without a prefix") from None

    @property
    def translated(self) -> bool:
        """Whether the address becomes another one."""
        return self.target != self.address


@dataclass(frozen=True)
class Firewall:
    """Routers that let connections pass from the subnet ``inside`` to ``outside``; in ``apart`` they are alone."""

    routers: tuple[str, ...]
    inside: str
    outside: str
    apart: str
    sync: str
    nat: bool
    loose: bool
    publishes: tuple[Published, ...] = ()

    def __post_init__(self) -> None:
        validation.unique("firewalls of a group", self.routers)
        validation.unique("subnets of a group of firewalls", (self.inside, self.outside, self.apart))
        validation.unique("published services", [f"{each.address}:{each.port}" for each in self.publishes])
        for each in self.publishes:
            if each.translated and not self.nat:
                raise SpecError(
                    f"the firewalls {' and '.join(self.routers)} publish {each.address} as {each.target}, without NAT",
                    "Type: --set firewall_nat=true",
                )
