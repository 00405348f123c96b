"""Routers: an address on each interface, forwarding between them; and the way of hosts to other subnets."""

from __future__ import annotations

import errno
import socket

from pyroute2 import IPRoute, NetlinkError

from testbed.emulation import addresses
from testbed.emulation.namespace import set_kernel
from testbed.errors import MachineError
from testbed.spec import Router
from testbed.spec.addressing import link_local

#: The routing tables of VRFs, by their place; the metric that networking/vrf.rst gives a route that comes last.
_FIRST_TABLE, _LAST = 101, 4278198272
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
    devices = {vrf: _add_vrf(netlink, vrf, _FIRST_TABLE + place) for place, vrf in enumerate(router.vrfs)}
    for attachment in router.attachments:
        there = netlink.link_lookup(ifname=attachment.interface)
        if not there:
            bond, _, vlan = attachment.interface.partition(".")
            addresses.add_vlan(netlink, bond, int(vlan))
        elif attachment.interface != own:
            if attachment.vrf:  # before it has an address: the kernel moves no IPv6 address to another table
                netlink.link("set", index=there[0], master=devices[attachment.vrf])
            netlink.link("set", index=there[0], state="up")
        set_kernel(pid, [(f"ipv4/conf/{attachment.interface}/send_redirects", "0")])
        if ":" in attachment.address:
            addresses.enable_ipv6(pid, attachment.interface)
        if attachment.interface != own:
            addresses.add(netlink, attachment.interface, attachment.address)
        if ":" in attachment.address:  # VRRP speaks from it (RFC 5798, 5.1.2.1)
            (message,) = netlink.get_links(netlink.link_lookup(ifname=attachment.interface)[0])
            addresses.add(netlink, attachment.interface, link_local(message.get_attr("IFLA_ADDRESS")))


def _add_vrf(netlink: IPRoute, name: str, table: int) -> int:
    """A VRF device with its table, in which what has no route there is unreachable: without that the kernel would go on
    to the other tables (networking/vrf.rst). Returns its index."""
    try:
        netlink.link("add", ifname=name, kind="vrf", vrf_table=table)
    except NetlinkError as error:
        if error.code != errno.EOPNOTSUPP:
            raise
        raise MachineError(
            "this kernel has no VRFs, which the topology needs (CONFIG_NET_VRF)", "Type: testbed kernel build"
        ) from None
    index = int(netlink.link_lookup(ifname=name)[0])
    netlink.link("set", index=index, state="up")
    for family, everything in ((socket.AF_INET, "0.0.0.0/0"), (socket.AF_INET6, "::/0")):
        netlink.route("add", family=family, dst=everything, type="unreachable", table=table, priority=_LAST)
    return index


def set_gateway(netlink: IPRoute, interface: str, gateway: str) -> None:
    """Packets for all other subnets go to ``gateway``, by ``interface``, which is up."""
    (index,) = netlink.link_lookup(ifname=interface)
    netlink.route("replace", dst="default", gateway=gateway, oif=index, flags=["onlink"])
