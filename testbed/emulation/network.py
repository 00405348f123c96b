"""The handle of a live network: its nodes' namespaces, interfaces, bonds and switches, by the specification's names.

testbed.emulation.builder makes it; all code that acts on the network or observes it uses it.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any, Protocol

from pyroute2 import IPRoute

from testbed.emulation import addresses, routers
from testbed.emulation.bonds import Shown
from testbed.emulation.clocks import Clocks, drawn_s
from testbed.emulation.clsact import Clsact
from testbed.emulation.daemon import Daemon
from testbed.emulation.namespace import inside
from testbed.emulation.ovs import OpenVSwitch
from testbed.emulation.starts import Start, planned
from testbed.errors import SpecError
from testbed.schemes import Scheme
from testbed.spec import Topology
from testbed.spec.addressing import more_addresses


class BondDriver(Protocol):
    """A host's live bond, whatever drives it (testbed.emulation.bonds, .teams, .hsrlink, .routed)."""

    def text(self) -> str:
        """Its state as its driver shows it: /proc/net/bonding, or JSON."""

    def shown(self) -> Shown:
        """The same, read."""

    def set_active(self, member: str) -> None:
        """Make a member the active one, as an operator does. Errors: TrialError if that is not possible."""


class Network:
    """The live network of a topology. Interfaces are known by their names, which are unique in it.

    ``bonds`` has the live bond of each host that has one; ``controller`` is the scheme's process, if it has one.
    ``daemons`` are the machines' services, by their names as elements (r1:keepalived), ``directories`` what is theirs.
    ``plan`` says when its clocks start (testbed.emulation.starts).
    """

    def __init__(self, topology: Topology, scheme: Scheme, switches: OpenVSwitch, mininet: Any, clocks: Clocks) -> None:
        self.topology = topology
        self.scheme = scheme
        self.ovs = switches
        self.mininet = mininet
        self.clocks = clocks
        self.plan: tuple[Start, ...] = planned(
            topology, scheme, lambda name, period_s: drawn_s(clocks.seed, name, period_s)
        )
        self.controller: Daemon | None = None
        self.bonds: dict[str, BondDriver] = {}
        self.daemons: dict[str, Daemon] = {}
        self.directories: dict[str, Path] = {}
        self._netlinks = threading.local()
        self._opened: list[IPRoute] = []
        self._index: dict[str, int] = {}
        self._added: dict[str, list[str]] = {}
        self.clsact = Clsact(self.netlink, {machine.name for machine in topology.machines()})

    def pid(self, node: str) -> int:
        """A process in the namespaces of ``node``: its Mininet shell."""
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

    def socket(
        self, node: str, family: int | None = None, kind: int = socket.SOCK_DGRAM, protocol: int = 0
    ) -> socket.socket:
        """A socket in the namespace of ``node``; of the family of its address unless another is given."""
        if family is None:
            six = any(host.name == node and host.ip_version == 6 for host in self.topology.hosts)
            family = socket.AF_INET6 if six else socket.AF_INET
        with inside(self.pid(node)):
            return socket.socket(family, kind, protocol)

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
        """What the kernel reports of an interface now: its RTM_NEWLINK message."""
        (message,) = self.netlink(self.topology.owner(interface)).get_links(self.index(interface))
        return message

    def set_link(self, interface: str, *, up: bool) -> None:
        """Set an interface administratively up or down; the far end of its link gains or loses carrier."""
        netlink = self.netlink(self.topology.owner(interface))
        netlink.link("set", index=self.index(interface), state="up" if up else "down")

    def start_clocks(self) -> None:
        """Start every clock of the plan at its instant."""
        base_s = self.clocks.ahead()
        for start in self.plan:
            self.clocks.record(start.name, start.period_s, base_s + start.at_s)
        for start in self.plan:
            self.clocks.wait_until(base_s + start.at_s)
            if start.kind == "bond":
                self.set_bond_up(start.place)
            elif start.kind == "member":
                self.set_link(start.place, up=True)
            else:
                self.set_dormant(start.place, dormant=False)

    def program(self, switch: str) -> None:
        """Give a switch the groups and flows that the scheme has for it, if its tables are not a controller's."""
        if self.scheme.tables and (found := self.scheme.program(self.topology, switch)) is not None:
            self.ovs.program(switch, self.scheme.tables, found.groups, found.flows)

    def set_bond_up(self, host: str) -> None:
        """Set the bond of a host administratively up: its driver's work begins, and routes by it may be made."""
        (index,) = self.netlink(host).link_lookup(ifname=self.topology.bond(host).name)
        self.netlink(host).link("set", index=index, state="up")
        own = self.topology.host(host)
        if own.gateway:
            carrier = self.topology.carrier(own)
            (index,) = self.netlink(host).link_lookup(ifname=carrier)
            self.netlink(host).link("set", index=index, state="up")  # a VLAN would be a moment later than its bond
            routers.set_gateway(self.netlink(host), carrier, own.gateway)

    def set_dormant(self, interface: str, *, dormant: bool) -> None:
        """A dormant interface has carrier, and so has its far end, but is not up for what uses it.

        Documentation/networking/operstates.rst: IF_LINK_MODE_DORMANT; without it IF_OPER_UP has to be asked for.
        """
        state = {"linkmode": 1} if dormant else {"linkmode": 0, "operstate": "UP"}
        self.netlink(self.topology.owner(interface)).link("set", index=self.index(interface), **state)

    def statistics(self, interface: str) -> dict[str, int]:
        """The kernel's counters of an interface (struct rtnl_link_stats64)."""
        counters = self.link(interface).get_attr("IFLA_STATS64")
        return {name: int(value) for name, value in sorted(counters.items())}

    def bond(self, host: str) -> BondDriver:
        """The live bond of a host. Errors: SpecError if it has none."""
        if host not in self.bonds:
            raise SpecError(f"host {host} of topology {self.topology.name!r} has no bond")
        return self.bonds[host]

    def set_wanted_active(self) -> None:
        """Make the active members those that the specification names, now that they have carrier."""
        for host in self.topology.hosts:
            if host.bond and host.bond.active:
                self.bond(host.name).set_active(host.bond.active)

    def add_addresses(self, name: str, count: int) -> list[str]:
        """Give a host ``count`` more addresses from its own subnet; returns them without prefix length."""
        host = self.topology.host(name)
        taken = {*self.topology.addresses(), *(own for each in self._added.values() for own in each)}
        found = more_addresses(host.address, count, taken)
        for address in found:
            addresses.add(self.netlink(name), self.topology.carrier(host), address)
        own = [address.partition("/")[0] for address in found]
        self._added.setdefault(name, []).extend(own)
        return own

    def close(self) -> None:
        """End the nodes' shells and close the sockets; the interfaces go with their namespaces."""
        for netlink in self._opened:
            netlink.close()
        for node in self.mininet.values():
            node.terminate()
