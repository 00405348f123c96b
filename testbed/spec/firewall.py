"""Two or more routers that are a stateful firewall together, as a value.

inside h1 ---+--- f1 ---+--- outside h2      a connection begins inside; what belongs to one that is known passes back
             |    | sync|                    with NAT it has the outside virtual address there
             +--- f2 ---+                    to a service that is published connections begin outside as well
"""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.errors import SpecError
from testbed.spec import validation

#: What one firewall tells the others of its connections: all changes, reliably, over a link of their own (conntrackd's
#: mode FTFW), or nothing.
SYNCS = ("ftfw", "none")


@dataclass(frozen=True, kw_only=True)
class FirewallOptions:
    """What is configured of a group of firewalls.

    ``sync``: how they share what they know of connections. ``nat``: connections leave with the virtual address of the
    outside. ``loose``: a connection may be picked up in its middle (nf_conntrack-sysctl.rst, nf_conntrack_tcp_loose).
    """

    sync: str = field(default=SYNCS[0], metadata={"setting": "firewall_sync"})
    nat: bool = field(default=True, metadata={"setting": "firewall_nat"})
    loose: bool = field(default=False, metadata={"setting": "firewall_loose"})

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

    Without NAT the service has the address itself, and both are the same.
    """

    address: str
    port: int
    target: str

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
        for each in self.publishes:
            if each.translated and not self.nat:
                raise SpecError(
                    f"the firewalls {' and '.join(self.routers)} publish {each.address} as {each.target}, without NAT",
                    "Type: --set firewall_nat=true",
                )
