"""A router as a value: a node that is in several subnets, by an interface in each, and forwards between them.

Its interfaces may be in several VRFs: routing tables of their own, between which it does not forward
(networking/vrf.rst).

a node of its own            a bonded host of that name           a host of that name without a bond
r1-eth0  10.0.0.253/24       bond0    10.0.0.253/24   its own     lo       10.128.0.1/32   its own
r1-eth1  10.1.0.253/24       bond0.2  10.1.0.253/24   a VLAN      h1-eth0  10.0.0.253/24   its links
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.spec import addressing, validation


@dataclass(frozen=True)
class Attachment:
    """An ``interface`` of a router, and its ``address`` in the subnet there, with its prefix length.

    ``vrf``: the name of the VRF that the interface is in; empty: the router's usual routing table.
    """

    interface: str
    address: str
    vrf: str = ""

    def __post_init__(self) -> None:
        if self.vrf:
            validation.name("VRF", self.vrf)
        validation.prefixed(self.address, f"interface {self.interface!r}")

    @property
    def ip(self) -> str:
        """The address without its prefix length."""
        return addressing.parsed(self.address)[0]

    @property
    def subnet(self) -> str:
        """The subnet that the interface is in."""
        return addressing.parsed(self.address)[2]


@dataclass(frozen=True)
class Router:
    """A node that forwards between the subnets of its ``attachments``, which differ.

    If a host has its name, the host is what forwards: by its bond, and one attachment is then the host's own address;
    or by its links, and the host's own address is on its loopback interface.
    ``rx_coalesce_us`` is as of hosts. It knows no other subnets than its own, unless a service tells it.
    """

    name: str
    attachments: tuple[Attachment, ...]
    rx_coalesce_us: int = 100

    def __post_init__(self) -> None:
        validation.name("router", self.name)
        validation.at_least(f"rx_coalesce_us of router {self.name!r}", self.rx_coalesce_us, 0)
        validation.unique(f"interfaces of router {self.name!r}", [each.interface for each in self.attachments])
        validation.unique(f"subnets of router {self.name!r}", [each.subnet for each in self.attachments])

    @property
    def vrfs(self) -> tuple[str, ...]:
        """Its VRFs, in the order of its interfaces; none: it has one routing table."""
        return tuple(dict.fromkeys(each.vrf for each in self.attachments if each.vrf))

    def attachment(self, interface: str) -> Attachment:
        """What the router has on an interface. Errors: StopIteration if nothing."""
        return next(each for each in self.attachments if each.interface == interface)
