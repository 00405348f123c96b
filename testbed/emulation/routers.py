"""Routers: an address on each interface, forwarding between them; and the way of hosts to other subnets."""

from __future__ import annotations

from pyroute2 import IPRoute

from testbed.emulation import addresses
from testbed.emulation.namespace import set_kernel
from testbed.spec import Router
from testbed.spec.addressing import link_local

#: networking/ip-sysctl.rst: forward; never tell a host of a better way, which would lead past a virtual address.
_FORWARDS = (
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv6/conf/all/forwarding", "1"),
)


def configure(netlink: IPRoute, pid: int, router: Router, *, own: str) -> None:
    """The router's interfaces are up, with their addresses, and it forwards; ``pid`` is a process in its namespaces.

    One that is a host has its address already, on the interface ``own``: on its bond, where a VLAN is made for each
    other subnet, or on lo.
    """
    set_kernel(pid, _FORWARDS, may_lack=True)
    netlink.link("set", index=netlink.link_lookup(ifname="lo")[0], state="up")
    for attachment in router.attachments:
        there = netlink.link_lookup(ifname=attachment.interface)
        if not there:
            bond, _, vlan = attachment.interface.partition(".")
            addresses.add_vlan(netlink, bond, int(vlan))
        elif attachment.interface != own:
            netlink.link("set", index=there[0], state="up")
        set_kernel(pid, [(f"ipv4/conf/{attachment.interface}/send_redirects", "0")])
        if ":" in attachment.address:
            addresses.enable_ipv6(pid, attachment.interface)
        if attachment.interface != own:
            addresses.add(netlink, attachment.interface, attachment.address)
        if ":" in attachment.address:  # VRRP speaks from it (RFC 5798, 5.1.2.1)
            (message,) = netlink.get_links(netlink.link_lookup(ifname=attachment.interface)[0])
            addresses.add(netlink, attachment.interface, link_local(message.get_attr("IFLA_ADDRESS")))


def set_gateway(netlink: IPRoute, interface: str, gateway: str) -> None:
    """Packets for all other subnets go to ``gateway``, by ``interface``, which is up."""
    (index,) = netlink.link_lookup(ifname=interface)
    netlink.route("replace", dst="default", gateway=gateway, oif=index, flags=["onlink"])
