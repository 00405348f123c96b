"""From a specification to a live network: Mininet's nodes, joined by shaped links, with bonds and Open vSwitch.

Mininet gives the hosts (a network namespace and a shell each) and the switches; interfaces, bonds and shaping are
made over netlink, which costs no program start per interface.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Mininet asks distutils for a version parser; the standard library's own is quick to import where it is still there.
if sys.version_info < (3, 12):
    os.environ.setdefault("SETUPTOOLS_USE_DISTUTILS", "stdlib")

from mininet import link as mininet_link
from mininet import node as mininet_node
from mininet.net import Mininet
from pyroute2 import IPRoute

from testbed.controller import OPENFLOW_PORT
from testbed.emulation import addresses, bonds, hsrlink, limits, ovs, routed, routers, shaping, teams
from testbed.emulation.clocks import Clocks
from testbed.emulation.network import Network
from testbed.errors import MachineError
from testbed.schemes import Scheme
from testbed.spec import Host, Link, Port, Topology
from testbed.spec.addressing import controller_address
from testbed.theory.clocks import bond_period_s

#: How often Open vSwitch rebalances a bond (ovs-vswitchd.conf.db(5), other_config:bond-rebalance-interval).
_REBALANCED_S = 10.0


class _Interface(mininet_link.Intf):  # type: ignore[misc]  # mininet has no types
    """An interface that netlink has configured: Mininet only knows of it."""

    def __init__(self, name: str, address: str | None = None, **params: Any) -> None:
        super().__init__(name, **params)
        if address is not None:
            self.ip, self.prefixLen = address.split("/")

    def config(self, **_params: Any) -> dict[str, Any]:
        return {}


class _Cable(mininet_link.Link):  # type: ignore[misc]
    """A veth pair between two nodes, made in one netlink message.

    Its ends have different interface indices. The kernel takes one whose peer, in another namespace, has the same
    index for a real card, and reports its carrier up to a second late (net/core/link_watch.c: linkwatch_urgent_event).
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


class _BondedHost(mininet_node.Host):  # type: ignore[misc]
    """A host whose address is on its bond, if it has one."""

    bond: _Interface | None = None

    def defaultIntf(self) -> Any:
        return self.bond or super().defaultIntf()


class _Bridge(mininet_node.OVSSwitch):  # type: ignore[misc]
    """A switch that reaches the controller by a loopback address of its own."""

    def __init__(self, name: str, controller: str, **params: Any) -> None:
        super().__init__(name, **params)
        self._controller = controller

    def start(self, controllers: Any) -> None:
        super().start([_Controller(each.name, self._controller, each.port) for each in controllers])


class _Controller(mininet_node.RemoteController):  # type: ignore[misc]
    """The controller of the trial; it listens by the time that a switch tries."""

    def checkListening(self) -> None:
        pass


@contextlib.contextmanager
def built(topology: Topology, directory: Path, scheme: Scheme, clocks: Clocks) -> Iterator[Network]:
    """The topology as a live network, for as long as the block; Open vSwitch's files are in ``directory``.

    Its clocks stand still until `Network.start_clocks`: bonds are down, LACP has no carrier or a dormant port.
    """
    if not shutil.which("mnexec"):
        raise MachineError("mnexec is not installed", "Type: apt-get install mininet")
    with contextlib.ExitStack() as stack:
        switches = (
            stack.enter_context(ovs.running(directory, clocks)) if topology.switches else ovs.OpenVSwitch(directory)
        )
        directory.mkdir(parents=True, exist_ok=True)  # for teamd, where no switch made it
        os.environ.update(switches.environment())
        limits.raised()
        network = Network(topology, scheme, switches, Mininet(controller=None, build=False), clocks)
        stack.callback(network.close)
        _add_nodes(network)
        for link in topology.links:
            _add_link(network, link)
        for host in topology.hosts:
            stack.enter_context(_configured(network, host, directory))
        for router in topology.routers:
            own = next((topology.carrier(host) for host in topology.hosts if host.name == router.name), "")
            routers.configure(network.netlink(router.name), network.pid(router.name), router, own=own)
        _start_switches(network)
        # Open vSwitch resets the queueing of a port that it adds, so the links are shaped after that.
        for port in topology.ports.values():
            netlink = network.netlink(port.node)
            shaping.shape(netlink, network.index(port.interface), port.link, tagged=topology.tagged)
        for driver in network.bonds.values():
            if isinstance(driver, routed.Routed):  # a next hop needs its interface, and this its far end
                stack.enter_context(driver.routing())
        yield network


def _add_nodes(network: Network) -> None:
    """Mininet's hosts and switches, without IPv6."""
    topology, mininet, openflow = network.topology, network.mininet, network.scheme.openflow
    for machine in topology.machines():
        mininet.addHost(machine.name, cls=_BondedHost, ip=None)
    for place, switch in enumerate(topology.switches, start=1):
        mininet.addSwitch(
            switch.name,
            cls=_Bridge,
            controller=controller_address(place),
            dpid=f"{switch.dpid:016x}",
            protocols=openflow or network.scheme.tables,
            failMode="secure" if openflow or network.scheme.tables or network.scheme.closed else "standalone",
            batch=True,
        )
    if openflow and topology.switches:
        mininet.addController("c0", controller=_Controller, ip="127.0.0.1", port=OPENFLOW_PORT)
    for node in topology.nodes():
        addresses.silence_ipv6(network.pid(node))


def _add_link(network: Network, link: Link) -> None:
    """A cable between two nodes; on a host's end frames may wait to be handed up together."""
    a, b = network.topology.ports[link.a_interface], network.topology.ports[link.b_interface]
    waits_us = {machine.name: machine.rx_coalesce_us for machine in network.topology.machines()}
    network.mininet.addLink(
        a.node,
        b.node,
        cls=_Cable,
        intf=_Interface,
        port1=_mininet_port(a, waits_us),
        port2=_mininet_port(b, waits_us),
        intfName1=a.interface,
        intfName2=b.interface,
        addr1=a.mac,
        addr2=b.mac,
    )
    for port in (a, b):
        wait_us = waits_us.get(port.node, 0)
        with network.socket(port.node) as sock:
            shaping.set_offloads(sock, port.interface, receive=wait_us > 0)
        if wait_us:
            shaping.coalesce(network.pid(port.node), port.interface, wait_us)


def _mininet_port(port: Port, hosts: dict[str, int]) -> int:
    """Mininet's port number of an interface: OpenFlow's, from 1, on a switch; from 0 on a host."""
    return port.number - 1 if port.node in hosts else port.number


@contextlib.contextmanager
def _configured(network: Network, host: Host, directory: Path) -> Iterator[None]:
    """The host's interfaces are up, bonded if it has a bond, with its address, while the block runs."""
    netlink, node, pid = network.netlink(host.name), network.mininet.get(host.name), network.pid(host.name)
    mac = network.topology.host_mac(host.name)
    netlink.link("set", index=netlink.link_lookup(ifname="lo")[0], state="up")
    with contextlib.ExitStack() as stack:
        if host.loopback:
            interface = "lo"
        elif host.bond is None:
            (interface,) = network.topology.interfaces(host.name)
            netlink.link("set", index=network.index(interface), state="up")
        else:
            interface = host.bond.name
            targets = network.topology.monitored(host.name)
            addresses.enable_ipv6_probes(pid, host)
            if host.bond.driver == "team":
                if period_s := bond_period_s(host.bond):
                    network.clocks.wait(f"bond {host.name}", period_s)
                teamd = teams.Teamd(pid, host, mac, targets, directory)
                network.bonds[host.name] = stack.enter_context(teamd)
            elif host.bond.driver == "hsr":
                hsrlink.create(netlink, host.bond)
                network.bonds[host.name] = hsrlink.HsrPorts(host.bond, lambda: network.netlink(host.name), pid)
            elif host.bond.driver in ("nexthop", "mptcp"):
                ways = routed.Routed(network.topology, host, pid, lambda: network.netlink(host.name))
                ways.create()
                network.bonds[host.name] = ways
            else:
                bonds.create(netlink, host.bond, mac, targets, up=False)
                network.bonds[host.name] = bonds.KernelBond(
                    host.bond, lambda: network.netlink(host.name), lambda path: network.read(host.name, path)
                )
            if interface not in host.bond.members:
                with network.socket(host.name) as sock:
                    shaping.set_offloads(sock, interface, receive=False)
            for start in network.plan:
                if start.kind == "member" and start.place in host.bond.members:
                    network.set_link(start.place, up=False)
        carrier = addresses.give(netlink, pid, host, interface)
        if host.bond is None and not host.vlan:
            known = node.defaultIntf()
            known.ip, known.prefixLen = host.address.split("/")
        else:
            node.bond = _Interface(carrier, address=host.address, node=node, mac=mac, moveIntfFn=lambda *_: None)
        if host.gateway and not (host.bond and host.bond.driver == "bonding"):  # it is down (`Network.set_bond_up`)
            routers.set_gateway(netlink, carrier, host.gateway)
        yield


def _start_switches(network: Network) -> None:
    """The switches' ports are up, the bridges run with them, joined as the scheme wants."""
    for switch in network.topology.switches:
        for interface in network.topology.interfaces(switch.name):
            network.set_link(interface, up=True)
    for start in network.plan:
        if start.kind == "port":
            network.set_dormant(start.place, dormant=True)
    network.mininet.built = True
    network.mininet.start()
    if words := network.scheme.join(network.topology):
        network.clocks.wait("LAGs of the switches", _REBALANCED_S)
        network.ovs.vsctl(*words)
    for switch in network.topology.switches:
        network.program(switch.name)
    for clock in network.scheme.starts(network.topology):
        network.clocks.wait(clock.name, clock.period_s)
        network.ovs.vsctl(*clock.words)
