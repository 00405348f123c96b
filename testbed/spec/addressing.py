"""The one address plan: every address that a network gets by itself, each kind from a range of its own.

    02:00:pp:nn:nn:pp    an interface: the place of its node in the topology and its own place on that node, from 1
    02:01:00:00:ss:ss    a LACP system of the switch side, numbered from 1
    02:02:00:00:nn:nn    a switch in a spanning tree, by its place in the topology, from 1
    02:03:dd:dd:hh:hh    a host, by its place from 1, in a frame after so many detours (controller=fast-failover)
    10.0.0.0/24          hosts, in the order of the topology, from 1; /16 if there are more than 254
    10.k.0.0/24          subnet k, up to 63, of networks with routers: these from .253 down, .254 is a virtual address,
                         and .200, between hosts and routers, another one
    fe80::/64            interfaces of routers over IPv6, by their MAC address
    2001:db8::/64        hosts over IPv6 (RFC 3849); subnet k is 2001:db8:0:k::/64
    10.64.0.0/16 ...     the ways of hosts that are joined by routing: 10.64 to 10.127 by the place of the member
    the host's subnet    more addresses of a host: those from the top of the subnet that no host has
    127.0.0.2 ...        where each switch reaches the controller

Numbers beyond a range are refused, so that no two addresses are the same: an interface's MAC address decides flow
hashes and a bond's LACP system, which must be unique (IEEE 802.1AX-2014, 6.3.2). All MAC addresses are locally
administered (IEEE 802, 8.2).
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from testbed.errors import SpecError

#: The most nodes of a network, interfaces of a node (as OpenFlow 1.5 numbers ports, OFPP_MAX), and LACP systems.
MOST_NODES, MOST_PORTS, MOST_SYSTEMS = 0xFFFF, 0xFF00, 0xFFFF
#: The most hosts with IPv4: 10.0.0.0/16 without its first and last address.
MOST_IPV4_HOSTS = 0xFFFE
#: The last host address of a subnet of 256: the virtual one. Below it are those of routers.
_VIRTUAL = 254
#: The most routers, and the most hosts beside them; the most subnets.
MOST_ROUTERS, MOST_HOSTS_BESIDE, MOST_SUBNETS = 53, 199, 63
#: The most ways between hosts that are joined by routing.
MOST_WAYS = 64
#: The most switches: 127.0.0.0/16 without 127.0.0.1, where the controller listens.
_MOST_SWITCHES = 0xFFFD


@dataclass(frozen=True, kw_only=True)
class Addressing:
    """How the hosts of a topology are addressed: ``ip`` is 4 or 6; ``vlan`` is the VLAN they are in, 0: untagged."""

    ip: int = 4
    vlan: int = 0

    def __post_init__(self) -> None:
        if self.ip not in (4, 6):
            raise SpecError(f"ip is {self.ip}; wanted 4 or 6")
        check_vlan("vlan", self.vlan)

    def address(self, number: int, hosts: int, subnet: int = 0) -> str:
        """The address, with its prefix length, of host ``number`` (from 1) of ``hosts``. Errors: SpecError beyond."""
        _check_range("number of subnets with hosts", subnet, MOST_SUBNETS)
        if self.ip == 6:
            return str(ipaddress.ip_interface(f"2001:db8:0:{subnet:x}::{number:x}/64"))
        _check_range("number of hosts with IPv4 addresses", max(number, hosts), MOST_IPV4_HOSTS)
        return f"10.{subnet}.{number >> 8}.{number & 255}/{24 if hosts < 255 else 16}"

    def second_virtual(self, subnet: int) -> str:
        """Another virtual address of a subnet, with its prefix length, between those of hosts and of routers."""
        return self.address(MOST_HOSTS_BESIDE + 1, 1, subnet)

    def router(self, number: int, subnet: int) -> str:
        """The address of router ``number`` (from 1) in a subnet, with its prefix length; of 0: the virtual one."""
        _check_range("number of routers", number, MOST_ROUTERS)
        return self.address(_VIRTUAL - number, 1, subnet)


def check_vlan(what: str, vlan: int) -> None:
    """Errors: SpecError unless it is a VLAN identifier, or 0 for none."""
    if not 0 <= vlan <= 4094:
        raise SpecError(f"{what} is {vlan}; wanted 1 to 4094, or 0 for none (IEEE 802.1Q)")


def way_address(way: int, number: int) -> str:
    """The address of host ``number`` (from 1) on its way ``way`` (from 0), with its prefix length."""
    return f"10.{64 + way}.{number >> 8}.{number & 255}/16"


def link_local(mac: str) -> str:
    """The link-local IPv6 address of an interface, by its MAC address (RFC 4291, 2.5.6 and appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return f"{ipaddress.IPv6Address(bytes([0xFE, 0x80, *bytes(6)]) + identifier)}/64"


def interface_mac(node: int, port: int) -> str:
    """The MAC address of interface ``port`` of node ``node``, both by their places from 1. Errors: SpecError beyond."""
    _check_range("number of nodes", node, MOST_NODES)
    _check_range("number of interfaces of a node", port, MOST_PORTS)
    return _mac(0x0200, port >> 8, node >> 8, node & 255, port & 255)


def system_id(number: int) -> str:
    """The system identifier of LACP system ``number``, from 1. Errors: SpecError beyond the range."""
    _check_range("number of LACP systems", number, MOST_SYSTEMS)
    return _mac(0x0201, 0, 0, number >> 8, number & 255)


def bridge_address(number: int) -> str:
    """The address by which switch ``number``, from 1, is known in a spanning tree. Errors: SpecError beyond the range.

    Of two switches the one with the lower number has the lower address.
    """
    _check_range("number of switches", number, _MOST_SWITCHES)
    return _mac(0x0202, 0, 0, number >> 8, number & 255)


def detour_address(detours: int, host: int) -> str:
    """The address of host ``host``, by its place from 1, in a frame with so many detours. Errors: SpecError."""
    _check_range("number of hosts", host, 0xFFFF)
    _check_range("number of detours", detours, 0xFFFF)
    return _mac(0x0203, detours >> 8, detours & 255, host >> 8, host & 255)


def controller_address(switch: int) -> str:
    """The loopback address at which switch ``switch``, by its place from 1, reaches the controller.

    Each switch has one of its own, so that one can be cut off alone. Errors: SpecError beyond the range.
    """
    _check_range("number of switches", switch, _MOST_SWITCHES)
    return str(ipaddress.IPv4Address("127.0.0.1") + switch)


def more_addresses(address: str, count: int, taken: Iterable[str]) -> list[str]:
    """``count`` more addresses, with prefix length, from the subnet of ``address``, from its top.

    ``taken`` are addresses that something has already. Errors: SpecError if the subnet has not as many.
    """
    subnet = ipaddress.ip_interface(address).network
    used = {ipaddress.ip_address(each) for each in taken} | {subnet.network_address}
    top = int(subnet.broadcast_address)
    candidates = (type(subnet.network_address)(top - place) for place in range(1, subnet.num_addresses - 1))
    free = (str(each) for each in candidates if each not in used)
    found = [f"{each}/{subnet.prefixlen}" for each in itertools.islice(free, count)]
    if len(found) < count:
        raise SpecError(f"subnet {subnet} has {len(found)} addresses left; wanted {count} more")
    return found


@functools.lru_cache(maxsize=4096)
def parsed(address: str) -> tuple[str, int, str]:
    """An address without its prefix length, its version, its subnet: theory asks for them again and again."""
    interface = ipaddress.ip_interface(address)
    return str(interface.ip), interface.version, str(interface.network)


@functools.lru_cache(maxsize=16384)
def inside(ip: str, subnet: str) -> bool:
    """Whether an address is in a subnet. Errors: ValueError for what is none."""
    return ipaddress.ip_address(ip) in ipaddress.ip_network(subnet)


def _check_range(what: str, found: int, most: int) -> None:
    if found > most:
        raise SpecError(f"{what} is {found}; wanted {most} at most: the address plan has no more")


def _mac(prefix: int, *octets: int) -> str:
    return bytes([prefix >> 8, prefix & 255, *octets]).hex(":")
