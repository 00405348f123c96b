"""A host of a network as a value: its address, its bond, its VLAN."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from testbed.errors import SpecError
from testbed.spec import addressing, validation
from testbed.spec.bond import Bond


@dataclass(frozen=True)
class Host:
    """An emulated host: its address is on its bond if it has one, on its only interface if not.

    With a ``vlan`` other than 0 the address is on that VLAN (IEEE 802.1Q), an interface of its own: bond0.7, say.
    A host with ``loopback`` has its address, with /32, on its loopback interface: it has several links, each with an
    address of its own by the router of its name, and is reached by what BGP says of it.
    ``gateway`` is the address of its subnet by which it reaches all others; empty: it reaches its own alone.
    ``rx_coalesce_us`` is how long its network cards may coalesce frames before an interrupt, in microseconds
    (ethtool's rx-usecs); 0: none.
    """

    name: str
    address: str
    bond: Bond | None = None
    rx_coalesce_us: int = 100
    vlan: int = 0
    gateway: str = ""
    loopback: bool = False

    def __post_init__(self) -> None:
        validation.name("host", self.name)
        addressing.check_vlan(f"vlan of host {self.name!r}", self.vlan)
        validation.at_least(f"rx_coalesce_us of host {self.name!r}", self.rx_coalesce_us, 0)
        validation.prefixed(self.address, f"host {self.name!r}")
        if self.loopback and (self.bond or self.vlan or self.gateway or self.address != f"{self.ip}/32"):
            raise SpecError(
                f"host {self.name!r} has its address {self.address} on its loopback interface; wanted an IPv4 address"
                " with /32, and neither a bond, a VLAN nor a gateway"
            )
        if self.gateway:
            self._check_gateway()
        if self.vlan and self.bond:
            validation.name("interface", f"{self.bond.name}.{self.vlan}")
        if self.ip_version == 6 and self.bond and self.bond.driver == "team" and self.bond.arp_interval_ms:
            raise SpecError(
                f"bond=team of host {self.name!r} cannot monitor its members over IPv6:"
                " teamd sends from the ports, which have no addresses of their own",
                "Use ip=4, bond=bonding, or leave arp_interval_ms out.",
            )

    def _check_gateway(self) -> None:
        subnet = ipaddress.ip_interface(self.address).network
        try:
            inside = ipaddress.ip_address(self.gateway) in subnet
        except ValueError:
            raise SpecError(f"gateway {self.gateway!r} of host {self.name!r} is not an address") from None
        if not inside or self.gateway == self.ip:
            raise SpecError(
                f"gateway {self.gateway} of host {self.name!r} is not another address of its subnet {subnet}",
                "A host hands packets for other subnets to an address that it reaches by itself.",
            )

    @property
    def ip(self) -> str:
        """The address without its prefix length."""
        return addressing.parsed(self.address)[0]

    @property
    def ip_version(self) -> int:
        """4 or 6."""
        return addressing.parsed(self.address)[1]

    def on(self, interface: str) -> str:
        """The interface that has the address where its link or bond is ``interface``: that, or the VLAN on it."""
        return f"{interface}.{self.vlan}" if self.vlan else interface

    @property
    def subnet(self) -> str:
        """The subnet that the host is in."""
        return addressing.parsed(self.address)[2]
