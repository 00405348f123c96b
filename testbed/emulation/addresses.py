"""The addresses of hosts, on their bonds or on VLANs of these; IPv6 sends nothing where no host uses it."""

from __future__ import annotations

from typing import Any

from pyroute2 import IPRoute

from testbed.emulation.namespace import set_kernel
from testbed.spec import Host

_IFA_F_NODAD = 0x02  # linux/if_addr.h
_IFF_UP = 0x1  # linux/if.h
#: Settings of an interface that uses IPv6 (networking/ip-sysctl.rst): no address of its own making, no duplicate
#: address detection, no routers; the address stays where the interface goes down, as IPv4's does.
_IPV6 = (
    ("addr_gen_mode", "1"),
    ("accept_ra", "0"),
    ("router_solicitations", "0"),
    ("accept_dad", "0"),
    ("dad_transmits", "0"),
    ("keep_addr_on_down", "1"),
    ("disable_ipv6", "0"),
)


def silence_ipv6(pid: int) -> None:
    """No IPv6 in the namespace of a process: its own chatter would be traffic that no experiment asked for."""
    for scope in ("all", "default"):
        _set(pid, scope, (("disable_ipv6", "1"),))


def enable_ipv6_probes(pid: int, host: Host) -> None:
    """Let the ARP monitor of an IPv6 host ask over each member: the kernel sends nothing where IPv6 is off."""
    if host.bond is not None and host.bond.arp_interval_ms and host.ip_version == 6:
        for member in host.bond.members:
            _set(pid, member, _IPV6)


def enable_ipv6(pid: int, interface: str) -> None:
    """Let an interface use IPv6, without addresses or traffic of its own making."""
    _set(pid, interface, _IPV6)


def give(netlink: IPRoute, pid: int, host: Host, interface: str) -> str:
    """Give the host its address, on ``interface`` or on its VLAN there; returns the name of what has it.

    ``pid`` is a process in the host's namespaces.
    """
    if host.vlan:
        interface = add_vlan(netlink, interface, host.vlan)
    if host.ip_version == 6:
        _set(pid, interface, _IPV6)
    add(netlink, interface, host.address)
    return interface


def add_vlan(netlink: IPRoute, interface: str, vlan: int) -> str:
    """Make a VLAN on an interface: bond0.7, say. It is up with the interface."""
    (index,) = netlink.link_lookup(ifname=interface)
    name = f"{interface}.{vlan}"
    netlink.link("add", ifname=name, kind="vlan", link=index, vlan_id=vlan)
    (message,) = netlink.get_links(index)
    if message["flags"] & _IFF_UP:
        netlink.link("set", index=netlink.link_lookup(ifname=name)[0], state="up")
    return name


def found(netlink: IPRoute, interface: str) -> dict[str, Any]:
    """The addresses of an interface, with their prefix lengths; and its VLAN, 0 if it is none."""
    (index,) = netlink.link_lookup(ifname=interface)
    own = [f"{each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}" for each in netlink.get_addr(index=index)]
    (message,) = netlink.get_links(index)
    kind = message.get_attr("IFLA_LINKINFO")
    tagged = kind is not None and kind.get_attr("IFLA_INFO_KIND") == "vlan"
    return {"addresses": own, "vlan": kind.get_attr("IFLA_INFO_DATA").get_attr("IFLA_VLAN_ID") if tagged else 0}


def add(netlink: IPRoute, interface: str, address: str) -> None:
    """Give an interface one more address, with its prefix length."""
    (index,) = netlink.link_lookup(ifname=interface)
    ip, prefix = address.split("/")
    flags = {"flags": _IFA_F_NODAD} if ":" in ip else {}
    netlink.addr("add", index=index, address=ip, prefixlen=int(prefix), **flags)


def _set(pid: int, interface: str, settings: tuple[tuple[str, str], ...]) -> None:
    set_kernel(pid, ((f"ipv6/conf/{interface}/{name}", value) for name, value in settings), may_lack=True)
