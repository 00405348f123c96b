"""A live network made from a spec: Mininet's nodes, joined by shaped links, with bonds and Open vSwitch.

Mininet gives the hosts (a network namespace and a shell each) and the switches; interfaces, bonds and shaping are
made over netlink, which costs no program start per interface.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Mininet asks distutils for a version parser; the standard library's own is quick to import where it is still there.
if sys.version_info < (3, 12):
    os.environ.setdefault("SETUPTOOLS_USE_DISTUTILS", "stdlib")

from mininet.link import Intf, Link
from mininet.net import Mininet
from mininet.node import Host, OVSSwitch, RemoteController
from pyroute2 import IPRoute

from testbed.emulation import addresses, bonds, limits, ovs, shaping, teams
from testbed.emulation.clsact import Clsact
from testbed.emulation.namespace import inside
from testbed.errors import MachineError
from testbed.schemes.scheme import Arm
from testbed.spec import Topology

if TYPE_CHECKING:
    from testbed.emulation.controller_process import ControllerProcess

CONTROLLER_PORT = 6653


class _Interface(Intf):  # type: ignore[misc]  # mininet has no types
    """An interface that netlink has configured: Mininet only knows of it."""

    def __init__(self, name: str, address: str | None = None, **params: Any) -> None:
        super().__init__(name, **params)
        if address is not None:
            self.ip, self.prefixLen = address.split("/")

    def config(self, **_params: Any) -> dict[str, Any]:
        return {}


class _Cable(Link):  # type: ignore[misc]
    """A veth pair between two nodes, made in one netlink message.

    Its ends have different interface indices. The kernel takes one whose peer, in another namespace, has the same
    index for a real card, and tells of its carrier up to a second late (net/core/link_watch.c: linkwatch_urgent_event).
    """

    numbers = itertools.count(100_000)

    @classmethod
    def makeIntfPair(  # Mininet's name
        cls, intfname1: str, intfname2: str, addr1: str, addr2: str, node1: Any, node2: Any, deleteIntfs: bool = False
    ) -> None:
        del deleteIntfs
        first = {"ifname": intfname1, "address": addr1, "net_ns_pid": node1.pid, "index": next(cls.numbers)}
        peer = {"ifname": intfname2, "address": addr2, "net_ns_pid": node2.pid}
        with IPRoute() as netlink:
            netlink.link("add", kind="veth", peer=peer, **first)


class _BondedHost(Host):  # type: ignore[misc]
    """A host whose address is on its bond, if it has one."""

    bond: _Interface | None = None

    def defaultIntf(self) -> Any:
        return self.bond or super().defaultIntf()


def controller_address(dpid: int) -> str:
    """The loopback address at which a switch reaches the controller: one for each, so that one can be cut off alone."""
    return str(ipaddress.IPv4Address(0x7F00_0000 + (dpid & 0xFFFF) + 1))


class _Bridge(OVSSwitch):  # type: ignore[misc]
    """A switch that reaches the controller by a loopback address of its own."""

    def start(self, controllers: Any) -> None:
        own = [_Controller(each.name, controller_address(int(self.dpid, 16)), each.port) for each in controllers]
        super().start(own)


class _Controller(RemoteController):  # type: ignore[misc]
    """The controller of the trial; it listens by the time that a switch tries."""

    def checkListening(self) -> None:
        pass


class Network:
    """The live network of a topology. Interfaces are known by their names, which are unique in it."""

    def __init__(self, topology: Topology, mininet: Any, switches: ovs.OpenVSwitch, arm: Arm, scratch: Path) -> None:
        self.topology = topology
        self._scratch = scratch
        self._stack = contextlib.ExitStack()
        self._teams: dict[str, teams.Teamd] = {}
        self.arm = arm
        self.mininet = mininet
        self.ovs = switches
        self.controller: ControllerProcess | None = None
        self._netlinks = threading.local()
        self._opened: list[IPRoute] = []
        self._index: dict[str, int] = {}
        self.clsact = Clsact(self.netlink, {host.name for host in topology.hosts})
        self._rx_coalesce_us = {host.name: host.rx_coalesce_us for host in topology.hosts}

    def pid(self, node: str) -> int:
        """A process in the namespace of ``node``: its Mininet shell."""
        return int(self.mininet.get(node).pid)

    def netlink(self, node: str) -> IPRoute:
        """A netlink socket in the namespace of ``node``, kept open; each thread has its own.

        Whatever thread asks pyroute2, it speaks in that thread's namespace: so the thread itself has to open it inside.
        """
        own: dict[str, IPRoute] = vars(self._netlinks)
        if node not in own:
            with inside(self.pid(node)):
                own[node] = IPRoute()
            self._opened.append(own[node])
        return own[node]

    def socket(self, node: str, family: int | None = None, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """A socket in the namespace of ``node``; unless told otherwise, of the family of its address."""
        if family is None:
            six = any(host.name == node and host.ip_version == 6 for host in self.topology.hosts)
            family = socket.AF_INET6 if six else socket.AF_INET
        with inside(self.pid(node)):
            return socket.socket(family, kind)

    def read(self, node: str, path: str) -> str:
        """A file below /proc/thread-self/net as ``node`` sees it, such as ``bonding/bond0``."""
        with inside(self.pid(node)):
            return (Path("/proc/thread-self/net") / path).read_text()

    def index(self, interface: str) -> int:
        """The kernel's index of a link's interface, in its node's namespace."""
        if interface not in self._index:
            netlink = self.netlink(self.topology.owner(interface))
            self._index[interface] = int(netlink.link_lookup(ifname=interface)[0])
        return self._index[interface]

    def link(self, interface: str) -> Any:
        """What the kernel tells of an interface now: its RTM_NEWLINK message."""
        (message,) = self.netlink(self.topology.owner(interface)).get_links(self.index(interface))
        return message

    def set_link(self, interface: str, *, up: bool) -> None:
        """Set an interface administratively up or down; the far end of its link gains or loses carrier."""
        netlink = self.netlink(self.topology.owner(interface))
        netlink.link("set", index=self.index(interface), state="up" if up else "down")

    def statistics(self, interface: str) -> dict[str, int]:
        """The kernel's counters of an interface (struct rtnl_link_stats64)."""
        counters = self.link(interface).get_attr("IFLA_STATS64")
        return {name: int(value) for name, value in sorted(counters.items())}

    def build(self) -> None:
        """Make nodes, links, bonds and addresses; start the switches; shape the links."""
        for host in self.topology.hosts:
            self.mininet.addHost(host.name, cls=_BondedHost, ip=None)
        for switch in self.topology.switches:
            self.mininet.addSwitch(
                switch.name,
                cls=_Bridge,
                dpid=f"{switch.dpid:016x}",
                protocols=self.arm.openflow,
                failMode="secure" if self.arm.openflow else "standalone",
                batch=True,
            )
        if self.arm.openflow and self.topology.switches:
            self.mininet.addController("c0", controller=_Controller, ip="127.0.0.1", port=CONTROLLER_PORT)
        for node in self.topology.nodes():
            addresses.silence_ipv6(self.pid(node))
        for link in self.topology.links:
            self._cable(link.a, link.a_interface, link.b, link.b_interface)
        for host in self.topology.hosts:
            self._configure(host.name)
        for switch in self.topology.switches:
            for interface in self.topology.interfaces(switch.name):
                self.set_link(interface, up=True)
        self.mininet.built = True
        self.mininet.start()
        if commands := self.arm.join(self.topology):
            self.ovs.vsctl(*commands)
        # Open vSwitch resets the queueing of a port that it takes in, so the links are shaped after that.
        for link in self.topology.links:
            for node, name in ((link.a, link.a_interface), (link.b, link.b_interface)):
                shaping.shape(self.netlink(node), self.index(name), link)

    def _cable(self, a: str, a_interface: str, b: str, b_interface: str) -> None:
        self.mininet.addLink(
            a,
            b,
            cls=_Cable,
            intf=_Interface,
            port1=self._port(a, a_interface),
            port2=self._port(b, b_interface),
            intfName1=a_interface,
            intfName2=b_interface,
            addr1=self.topology.mac(a_interface),
            addr2=self.topology.mac(b_interface),
        )
        for node, name in ((a, a_interface), (b, b_interface)):
            waits_us = self._rx_coalesce_us.get(node, 0)
            with self.socket(node) as sock:
                shaping.set_offloads(sock, name, receive=waits_us > 0)
            if waits_us:
                shaping.coalesce(self.pid(node), name, waits_us)

    def _port(self, node: str, interface: str) -> int:
        """Mininet's port number of an interface: OpenFlow's, from 1, on a switch; from 0 on a host."""
        is_switch = any(switch.name == node for switch in self.topology.switches)
        return self.topology.port_no(interface) - (0 if is_switch else 1)

    def _configure(self, name: str) -> None:
        """Bring a host's interfaces up, bonded if it has a bond, with the host's address."""
        host, netlink, node = self.topology.host(name), self.netlink(name), self.mininet.get(name)
        mac = self.topology.host_mac(name)
        netlink.link("set", index=netlink.link_lookup(ifname="lo")[0], state="up")
        if host.bond is None:
            (interface,) = self.topology.interfaces(name)
            netlink.link("set", index=self.index(interface), state="up")
        else:
            interface = host.bond.name
            addresses.let_ask(self.pid(name), host)
            if host.bond.bond == "team":
                daemon = teams.Teamd(self.pid(name), host, mac, self.topology.monitored(name), self._scratch)
                self._teams[name] = self._stack.enter_context(daemon)
            else:
                bonds.create(netlink, host.bond, mac, self.topology.monitored(name))
            with self.socket(name) as sock:
                shaping.set_offloads(sock, interface, receive=False)
        carrier = addresses.give(netlink, self.pid(name), host, interface)
        if host.bond is None and not host.vlan:
            known = node.defaultIntf()
            known.ip, known.prefixLen = host.address.split("/")
        else:
            node.bond = _Interface(carrier, address=host.address, node=node, mac=mac, moveIntfFn=lambda *_: None)

    def bond_text(self, host: str) -> str:
        """What shows the state of a host's bond: /proc/net/bonding, or teamd's dump in JSON."""
        if host in self._teams:
            return self._teams[host].state()
        bond = self.topology.bond(host)
        return self.read(host, f"bonding/{bond.name}")

    def shown(self, host: str) -> bonds.Shown:
        """The state of a host's bond, whatever drives it."""
        return (teams.parse if host in self._teams else bonds.parse)(self.bond_text(host))

    def set_active(self, host: str, member: str) -> None:
        """Make a member of a host's bond the active one, by hand. Errors: TrialError if that cannot be."""
        bond = self.topology.bond(host)
        if host in self._teams:
            self._teams[host].set_active(member)
        else:
            bonds.set_active(self.netlink(host), bond, member)

    def set_wanted_active(self) -> None:
        """Make the active members those that the specification names, now that they have carrier."""
        for host in self.topology.hosts:
            if host.bond and host.bond.active:
                self.set_active(host.name, host.bond.active)

    def close(self) -> None:
        """End teamd and the nodes' shells, and close the sockets; the interfaces go with their namespaces."""
        self._stack.close()
        for netlink in self._opened:
            netlink.close()
        for node in self.mininet.values():
            node.terminate()


@contextlib.contextmanager
def built(topology: Topology, directory: Path, arm: Arm) -> Iterator[Network]:
    """The topology as a live network, for as long as the block; Open vSwitch's files are in ``directory``."""
    if not shutil.which("mnexec"):
        raise MachineError("mnexec is not installed", "Type: apt-get install mininet")
    with (
        ovs.running(directory) if topology.switches else contextlib.nullcontext(ovs.OpenVSwitch(directory)) as switches
    ):
        os.environ.update(switches.environment())
        limits.raised()
        network = Network(topology, Mininet(controller=None, build=False), switches, arm, directory)
        try:
            network.build()
            yield network
        finally:
            network.close()
