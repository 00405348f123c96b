"""How long frames may be: the MTU of every interface of a network, set before traffic flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.emulation.network import Network


def set_mtu(network: Network, mtu: int) -> None:
    """Give every link's ends, and what is on top of them on a host, this MTU in octets.

    What PRP or HSR adds to a packet is within it.
    """
    topology = network.topology
    for node in [each.name for each in topology.switches] + [each.name for each in topology.lone_routers]:
        for interface in topology.interfaces(node):
            network.netlink(node).link("set", index=network.index(interface), mtu=mtu)
    for host in topology.hosts:
        netlink = network.netlink(host.name)
        for interface in topology.interfaces(host.name):
            netlink.link("set", index=network.index(interface), mtu=mtu)
        # hsr follows its ports by itself (net/hsr/hsr_main.c, NETDEV_CHANGEMTU).
        upper = [host.bond.name] if host.bond and host.bond.driver != "hsr" else []
        if host.bond:
            upper += [each.interface for each in topology.attachments(host.name) if each.interface != host.bond.name]
        own = mtu - (host.bond.trailer_bytes if host.bond else 0)
        for name in upper:
            netlink.link("set", index=netlink.link_lookup(ifname=name)[0], mtu=own)
