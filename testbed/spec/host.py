"""A host of a network as a value: its address, its bond, its VLAN."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from testbed.errors import SpecError
from testbed.spec import validation
from testbed.spec.bond import Bond


@dataclass(frozen=True, kw_only=True)
class Addressing:
    """How the hosts of a topology are addressed: ``ip`` is 4 or 6; ``vlan`` is the VLAN they are in, 0: untagged.

    The addresses are those of 10.0.0.0/24, or /16 if there are many hosts, and of 2001:db8::/64 (RFC 3849).
    """

    ip: int = 4
    vlan: int = 0

    def __post_init__(self) -> None:
        if self.ip not in (4, 6):
            raise SpecError(f"ip is {self.ip}; wanted 4 or 6")
        _check_vlan("vlan", self.vlan)

    def address(self, number: int, hosts: int) -> str:
        """The address of the host of that number, from 1, of so many."""
        if self.ip == 6:
            return f"2001:db8::{number:x}/64"
        return f"10.0.{number >> 8}.{number & 255}/{24 if hosts < 255 else 16}"


@dataclass(frozen=True)
class Host:
    """An emulated host: its address is on its bond if it has one, on its only interface if not.

    With a ``vlan`` other than 0 the address is on that VLAN (IEEE 802.1Q), an interface of its own: bond0.7, say.
    ``rx_coalesce_us`` is how long its network cards may gather frames before they interrupt, in microseconds
    (ethtool's rx-usecs); 0 hands up every frame by itself.
    """

    name: str
    address: str
    bond: Bond | None = None
    rx_coalesce_us: int = 100
    vlan: int = 0

    def __post_init__(self) -> None:
        validation.name("host", self.name)
        _check_vlan(f"vlan of host {self.name!r}", self.vlan)
        validation.at_least(f"rx_coalesce_us of host {self.name!r}", self.rx_coalesce_us, 0)
        try:
            ipaddress.ip_interface(self.address)
        except ValueError:
            raise SpecError(
                f"address {self.address!r} of host {self.name!r} is not an address with a prefix, such as 10.0.0.1/24"
            ) from None
        if "/" not in self.address:
            raise SpecError(f"address {self.address!r} of host {self.name!r} lacks its prefix length, such as /24")
        if self.vlan and self.bond:
            validation.name("interface", f"{self.bond.name}.{self.vlan}")
        if self.ip_version == 6 and self.bond and self.bond.bond == "team" and self.bond.arp_interval_ms:
            raise SpecError(
                f"bond=team of host {self.name!r} cannot watch its members over IPv6:"
                " teamd asks from the ports, which have no addresses of their own",
                "Use ip=4, bond=bonding, or leave arp_interval_ms out.",
            )

    @property
    def ip(self) -> str:
        """The address without its prefix length."""
        return str(ipaddress.ip_interface(self.address).ip)

    @property
    def ip_version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_interface(self.address).version


def _check_vlan(what: str, vlan: int) -> None:
    if not 0 <= vlan <= 4094:
        raise SpecError(f"{what} is {vlan}; wanted 1 to 4094, or 0 for none (IEEE 802.1Q)")
