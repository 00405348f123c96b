"""Putting networks together by the piece: bonded hosts, LAGs, links; a topology file says only what is its own.

    net = Wiring(cable=cable, bonding=bonding, lag=lag)
    left, right = net.switches(2)
    net.bonded("h1", [left, right])      # one member to each; the switch side gets the LAG that the mode needs
    net.single("h2", left)
    net.join(left, right, members=2)     # a LAG at both ends, because it is more than one link
    return net.topology("mine")

Interfaces are named as Mininet does, in the order in which they are made: ``h1-eth0`` from 0 on hosts, ``s1-eth1`` from
1 on switches. Each LAG has the next key of its LACP system.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections import Counter
from collections.abc import Sequence

from testbed.errors import SpecError, unknown
from testbed.spec import (
    Addressing,
    Attachment,
    Balancer,
    Bgp,
    Bond,
    BondOptions,
    Cable,
    Firewall,
    Host,
    LacpSystem,
    Lag,
    LagOptions,
    Link,
    Router,
    Server,
    Sites,
    StaticRoutes,
    Switch,
    Topology,
    Vrrp,
    validation,
)
from testbed.spec.addressing import MOST_HOSTS_BESIDE, system_id
from testbed.spec.bond import words
from testbed.spec.topology import MOST_LINKS, MOST_LINKS_WHY

#: The LACP system that a LAG belongs to unless another is named.
CORE = "core"


class Wiring:
    """A network in the making. What its cables, bonds and LAGs have in common is given at the beginning."""

    def __init__(
        self,
        *,
        cable: Cable = Cable(),
        bonding: BondOptions = BondOptions(),
        lag: LagOptions = LagOptions(),
        rx_coalesce_us: int = 100,
        addressing: Addressing = Addressing(),
        member_rates: str = "",
    ) -> None:
        self._cable = cable
        self._bonding = bonding
        self._lag = lag
        self._member_rates = _rates(member_rates)
        self._rx_coalesce_us = rx_coalesce_us
        self._addressing = addressing
        self._hosts: list[tuple[str, Bond | None]] = []
        self._routers: dict[str, list[Attachment]] = {}
        self._subnets: dict[str, int] = {}
        self._vlans: dict[int, int] = {}
        self._forwarding: dict[str, tuple[int, ...]] = {}
        self._gateways: dict[str, str] = {}
        self._loopbacks: set[str] = set()
        self._switches: list[Switch] = []
        self._links: list[Link] = []
        self._lags: list[Lag] = []
        self._lags_of_hosts = False
        self._systems: list[str] = []
        self._keys: Counter[str] = Counter()
        self._ports: Counter[str] = Counter()

    def switches(self, count: int, prefix: str = "s", *, isolate: bool = True) -> list[str]:
        """Add ``count`` switches: their names, numbered from 1; datapath ids continue from the switches before."""
        validation.at_least(f"number of switches {prefix}1, {prefix}2 ...", count, 1)
        names = [f"{prefix}{number + 1}" for number in range(count)]
        for name in names:
            self.switch(name, isolate=isolate)
        return names

    def switch(self, name: str, *, isolate: bool = True) -> None:
        """One switch of that name."""
        self._switches.append(Switch(name, len(self._switches) + 1, isolate))

    def single(self, host: str, node: str) -> None:
        """A host by one link to a switch."""
        self.plain(host)
        self.link(host, node)

    def subnet(self, number: int, *hosts: str, by: str = "") -> None:
        """These hosts are in subnet ``number``, and reach others by its virtual address, or by the router ``by``; all
        others are in 0."""
        self._subnets |= dict.fromkeys(hosts, number)
        if by:
            self._gateways |= dict.fromkeys(hosts, by)

    def vlan(self, subnet: int, vlan: int) -> None:
        """Subnet ``subnet`` is VLAN ``vlan``: of hosts in it, and of those that forward into it."""
        self._vlans[subnet] = vlan

    def forwarding(self, host: str, subnets: Sequence[int]) -> None:
        """A bonded host forwards between these subnets; the first is that of its own address."""
        self._subnets[host] = subnets[0]
        self._forwarding[host] = tuple(subnets)

    def virtual(self, number: int) -> str:
        """The virtual address of subnet ``number``, with its prefix length."""
        return self._addressing.router(0, number)

    def second_virtual(self, number: int) -> str:
        """Another virtual address of subnet ``number``, with its prefix length."""
        return self._addressing.second_virtual(number)

    def network(self, number: int) -> str:
        """Subnet ``number``: its address, with its prefix length."""
        return str(ipaddress.ip_interface(self.virtual(number)).network)

    def address(self, name: str, number: int) -> str:
        """The address of a router in subnet ``number``, without its prefix length.

        Errors: StopIteration if it is not in it.
        """
        own = (each for each in self._routers[name] if each.subnet == self.network(number))
        return next(own).ip

    def router(self, name: str, sides: Sequence[tuple[str, int]], *, vrf: str = "") -> None:
        """A router by a link to each of these nodes, in the subnet of that number there, all in one VRF if that is
        given; the router may have links already."""
        self._routers.setdefault(name, [])
        for node, subnet in sides:
            self._attach(name, self.link(name, node)[0], subnet, vrf)

    def beside(self, one: str, other: str, subnet: int) -> None:
        """A link between two routers, as a subnet of that number in which they are alone."""
        for name in (one, other):
            self._routers.setdefault(name, [])
        for name, interface in zip((one, other), self.link(one, other), strict=True):
            self._attach(name, interface, subnet)

    def _attach(self, router: str, interface: str, subnet: int, vrf: str = "") -> None:
        number = list(self._routers).index(router) + 1
        self._routers[router].append(Attachment(interface, self._addressing.router(number, subnet), vrf))

    def bonded(
        self,
        host: str,
        nodes: Sequence[str],
        *,
        system: str = CORE,
        lag: bool = True,
        bonding: BondOptions | None = None,
    ) -> None:
        """A host with a bond of one member to each of these switches, which may repeat, in this order.

        The switches' ports become a LAG of LACP ``system``, by LACP or static, if the mode wants one and ``lag`` holds.
        """
        cables = self._member_cables(host, len(nodes))
        links = [self.link(host, node, cable) for node, cable in zip(nodes, cables, strict=True)]
        self.bond(host, links, system=system, lag=lag, bonding=bonding)

    def bond(
        self,
        host: str,
        ends: Sequence[tuple[str, str]],
        *,
        system: str = CORE,
        lag: bool = True,
        bonding: BondOptions | None = None,
    ) -> None:
        """A host with a bond over links that are there, each by its interface and the port at its far end."""
        options = bonding or self._bonding
        self._hosts.append((host, options.over(tuple(own for own, _ in ends))))
        ports = tuple(port for _, port in ends)
        if lag and (found := self._lag.before(options, f"lag-{host}", ports, system=system)):
            self._aggregate(found)
            self._lags_of_hosts = True

    def loopback(self, host: str, subnet: int) -> None:
        """A host with an address of subnet ``subnet`` on its loopback interface; `beside` makes its links."""
        self._hosts.append((host, None))
        self._subnets[host] = subnet
        self._loopbacks.add(host)

    def plain(self, host: str) -> None:
        """A host without a bond, whose one link is there already."""
        self._hosts.append((host, None))

    def trunk(self, ends: Sequence[tuple[str, str]], switches: tuple[str, str], name: str, rate: str = "fast") -> None:
        """Links between two switches that are there, as a LAG of each: NAME-SWITCH."""
        for place, switch in enumerate(switches):
            ports = tuple(pair[place] for pair in ends)
            self._aggregate(self._lag.over(f"{name}-{switch}", ports, rate=rate, system=switch))

    def back_to_back(self, a: str, b: str, members: int) -> None:
        """Two bonded hosts joined member by member, without a switch."""
        ends = [self.link(a, b, cable) for cable in self._member_cables(a, members)]
        for place, host in enumerate((a, b)):
            self._hosts.append((host, self._bonding.over(tuple(pair[place] for pair in ends))))

    def join(self, a: str, b: str, *, members: int = 1, rate: str | None = None, name: str = "trunk") -> None:
        """Links between two switches; of more than one each end is a LAG of a LACP system of that switch's own.

        ``rate`` is the LACP rate; with it a single link is a LAG as well.
        """
        ends = [self.link(a, b) for _ in range(members)]
        if members > 1 or rate is not None:
            self.trunk(ends, (a, b), name, rate or "fast")

    def link(self, a: str, b: str, cable: Cable | None = None, names: tuple[str, str] | None = None) -> tuple[str, str]:
        """One link between two nodes, by their next free interfaces or by those of ``names``: the names of these."""
        validation.at_most("number of links", len(self._links) + 1, MOST_LINKS, MOST_LINKS_WHY)
        ends = names or (self._next(a), self._next(b))
        self._links.append((cable or self._cable).between(a, ends[0], b, ends[1]))
        return ends

    def topology(
        self,
        name: str,
        *,
        vrrp: tuple[Vrrp, ...] = (),
        firewalls: tuple[Firewall, ...] = (),
        servers: tuple[Server, ...] = (),
        balancers: tuple[Balancer, ...] = (),
        protected: tuple[str, ...] = (),
        bgp: tuple[Bgp, ...] = (),
        sites: tuple[Sites, ...] = (),
        static: tuple[StaticRoutes, ...] = (),
    ) -> Topology:
        """The network that was put together. Errors: SpecError for an impossible one."""
        if not self._lags_of_hosts:
            self._lag.check_unused()
        if self._member_rates and not any(bond for _, bond in self._hosts):
            raise SpecError("member_rates has no effect: no host has a bond here", "Use --set rate_mbps instead.")
        self._check_subnets()
        self._check_vlan(name)
        many = len(self._hosts)
        if self._routers:
            validation.at_most("number of hosts beside routers", many, MOST_HOSTS_BESIDE)
        lone = tuple(Router(each, tuple(own), self._rx_coalesce_us) for each, own in self._routers.items())
        hosts = tuple(self._host(number, many, *each) for number, each in enumerate(self._hosts, start=1))
        forwarding = tuple(self._forwards(host) for host in hosts if host.name in self._forwarding)
        systems = self._made_systems() or (LacpSystem(CORE),)
        switches, links, lags = tuple(self._switches), tuple(self._links), tuple(self._lags)
        return Topology(
            name,
            hosts,
            switches,
            links,
            lags,
            systems,
            protected,
            routers=(*lone, *forwarding),
            vrrp=vrrp,
            firewalls=firewalls,
            servers=servers,
            balancers=balancers,
            bgp=bgp,
            sites=sites,
            static=static,
        )

    def _check_subnets(self) -> None:
        """Errors: SpecError for hosts, routers and VLANs of subnets that have no part in the network."""
        hosts = [name for name, _ in self._hosts]
        for name in self._subnets:
            if name not in hosts:
                raise unknown("host in a subnet", name, hosts)
        for router in self._gateways.values():
            if router not in self._routers:
                raise unknown("router of a subnet's hosts", router, self._routers)
        inside = {*self._subnets.values(), *(subnet for own in self._forwarding.values() for subnet in own)}
        for subnet, vlan in self._vlans.items():
            if subnet not in inside | {0}:
                raise SpecError(f"VLAN {vlan} of subnet {subnet} has no effect: no host is in it")
            network = self.network(subnet)
            for router, own in self._routers.items():
                if network in (each.subnet for each in own):
                    raise SpecError(
                        f"router {router!r} is in subnet {subnet}, which is VLAN {vlan}: its own links carry no tags",
                        "Make it a bonded host that forwards: net.bonded, net.forwarding.",
                    )

    def _check_vlan(self, name: str) -> None:
        """Errors: SpecError for one VLAN of all hosts beside routers, whose own links carry no tags."""
        if self._addressing.vlan and (machines := [*self._routers, *self._forwarding]):
            raise SpecError(
                f"topology {name!r} takes no vlan={self._addressing.vlan}: its hosts' frames would be tagged, and those"
                f" of {' and '.join(machines[:2])}, which forward between its subnets, are not",
                "Type: --set vlan=0",
            )

    def _host(self, number: int, many: int, name: str, bond: Bond | None) -> Host:
        """A host as a value; of one that forwards the address is that of a router."""
        subnet = self._subnets.get(name, 0)
        vlan = self._vlans.get(subnet, self._addressing.vlan)
        if name in self._forwarding:
            return Host(name, self._router_address(name, subnet), bond, self._rx_coalesce_us, vlan)
        address = self._addressing.address(number, many, subnet)
        if name in self._loopbacks:
            ip = address.partition("/")[0]
            return Host(name, f"{ip}/32", None, self._rx_coalesce_us, loopback=True)
        return Host(name, address, bond, self._rx_coalesce_us, vlan, self._gateway(name))

    def _router_address(self, host: str, subnet: int) -> str:
        """The address of a host that forwards: routers that are no hosts come before it."""
        number = len(self._routers) + 1 + list(self._forwarding).index(host)
        return self._addressing.router(number, subnet)

    def _forwards(self, host: Host) -> Router:
        """What makes a host forward: its own address, and one on a VLAN of its bond for each other subnet."""
        bond = host.bond.name if host.bond else ""
        others = self._forwarding[host.name][1:]
        first = Attachment(host.on(bond), host.address)
        more = (
            Attachment(f"{bond}.{self._vlans.get(subnet, 0)}", self._router_address(host.name, subnet))
            for subnet in others
        )
        return Router(host.name, (first, *more), self._rx_coalesce_us)

    def _gateway(self, host: str) -> str:
        """The address by which a host reaches other subnets: of its router, or the virtual one; empty: it has none."""
        if host not in self._subnets:
            return ""
        virtual = self.virtual(self._subnets[host])
        if host not in self._gateways:
            return virtual.partition("/")[0]
        subnet = ipaddress.ip_interface(virtual).network
        by = self._routers[self._gateways[host]]
        return next(each.ip for each in by if ipaddress.ip_address(each.ip) in subnet)

    def _member_cables(self, host: str, members: int) -> list[Cable]:
        """The cables of a bond's members: all alike, or by their own rates."""
        if not self._member_rates:
            return [self._cable] * members
        if len(self._member_rates) != members:
            raise SpecError(
                f"member_rates has {len(self._member_rates)} rates, and the bond of host {host!r} {members} members;"
                " wanted one for each member",
                f"For example: --set member_rates={'+'.join(['1000'] * (members - 1) + ['100'])}",
            )
        return [dataclasses.replace(self._cable, rate_mbps=rate) for rate in self._member_rates]

    def _next(self, node: str) -> str:
        self._ports[node] += 1
        first = 1 if any(switch.name == node for switch in self._switches) else 0
        return f"{node}-eth{self._ports[node] - 1 + first}"

    def _aggregate(self, lag: Lag) -> None:
        """The LAG, with the next key of its system."""
        if lag.system not in self._systems:
            self._systems.append(lag.system)
        self._keys[lag.system] += 1
        self._lags.append(dataclasses.replace(lag, key=self._keys[lag.system]))

    def _made_systems(self) -> tuple[LacpSystem, ...]:
        """The core is the first system; the others follow in the order in which they were first used."""
        others = [name for name in self._systems if name != CORE]
        return tuple(
            LacpSystem(name, system_id(1 if name == CORE else 2 + others.index(name))) for name in self._systems
        )


def _rates(text: str) -> list[float]:
    """Rates in Mbit/s that are joined by '+'."""
    try:
        return [float(word) for word in words(text)]
    except ValueError:
        raise SpecError(
            f"member_rates {text!r} is not numbers of Mbit/s joined by '+', one for each member",
            "For example: --set member_rates=1000+100",
        ) from None
