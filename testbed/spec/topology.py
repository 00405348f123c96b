"""A whole network as one frozen value, checked when it is made.

A topology file returns one :class:`Topology`. Nothing here starts anything, so a wrong network is refused before a
single interface exists. Names follow the kernel's bonding document and IEEE 802.1AX.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from testbed.errors import SpecError, unknown
from testbed.spec import balancing, plain, routing, validation, ways
from testbed.spec.addressing import interface_mac
from testbed.spec.balancer import Balancer
from testbed.spec.bgp import Bgp
from testbed.spec.bond import MAX_TARGETS, PEERS, Bond, words
from testbed.spec.firewall import Firewall
from testbed.spec.host import Host
from testbed.spec.lag import Lag
from testbed.spec.link import Link, Port
from testbed.spec.router import Attachment, Router
from testbed.spec.server import Server
from testbed.spec.site import Sites
from testbed.spec.switch import LacpSystem, Switch
from testbed.spec.vrrp import Vrrp

#: The most links of a network.
MOST_LINKS = 4096
MOST_LINKS_WHY = "a link with its ends takes some 2 MiB of memory and a fifth of a second to build (docs/topologies.md)"


@dataclass(frozen=True)
class Topology:
    """A whole network. Every name in it is checked against the rest when it is made."""

    name: str
    hosts: tuple[Host, ...]
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    lags: tuple[Lag, ...] = ()
    systems: tuple[LacpSystem, ...] = field(default=(LacpSystem("core"),))
    #: The hosts whose traffic among each other must survive; none named: those with a bond, or all if fewer than two
    #: have one. The first two are the client and the server that experiments measure.
    protected: tuple[str, ...] = ()
    routers: tuple[Router, ...] = ()
    #: Groups of routers that stand in for one another.
    vrrp: tuple[Vrrp, ...] = ()
    #: Groups of routers that are firewalls.
    firewalls: tuple[Firewall, ...] = ()
    #: Web servers, and groups of machines that balance what comes for them.
    servers: tuple[Server, ...] = ()
    balancers: tuple[Balancer, ...] = ()
    #: Groups of machines that speak BGP.
    bgp: tuple[Bgp, ...] = ()
    #: Services at several sites.
    sites: tuple[Sites, ...] = ()

    def __post_init__(self) -> None:
        validation.at_most(f"number of links of topology {self.name!r}", len(self.links), MOST_LINKS, MOST_LINKS_WHY)
        validation.unique("names of nodes", self.nodes())
        validation.unique("datapath ids", [str(s.dpid) for s in self.switches])
        shared = {each.anycast for group in self.bgp for each in group.speakers if each.anycast}
        validation.unique("addresses", [*self.addresses(), *shared])
        validation.unique("interfaces", [i for link in self.links for i in (link.a_interface, link.b_interface)])
        validation.unique("LAG names", [lag.name for lag in self.lags])
        validation.unique("ports of LAGs", [port for lag in self.lags for port in lag.ports])
        validation.unique("LACP systems", [system.name for system in self.systems])
        validation.unique("system ids", [system.system for system in self.systems])
        nodes = self.nodes()
        for link in self.links:
            for node in (link.a, link.b):
                if node not in nodes:
                    raise unknown(f"node of link {link.name}", node, nodes)
        validation.unique("MAC addresses", [port.mac for port in self.ports.values()])
        interface_of = {port.mac: port.interface for port in self.ports.values()}
        for system in self.systems:
            if system.system in interface_of:
                raise SpecError(
                    f"system id {system.system} of LACP system {system.name!r} is the MAC address of"
                    f" {interface_of[system.system]}; a system id is unique (IEEE 802.1AX-2014, 6.3.2)"
                )
        for host in self.hosts:
            self._check_host(host)
        for lag in self.lags:
            self._check_lag(lag)
        ways.check(self.hosts, self.switches, self.ports)
        routing.check(self.hosts, self.routers, self.vrrp, self._interfaces)
        routing.check_firewalls(self.routers, self.vrrp, self.firewalls)
        balances = {name: "balancer" for group in self.balancers for name in group.machines}
        speaks = {each.machine: "BGP speaker" for group in self.bgp for each in group.speakers}
        walls = {name: "firewall" for group in self.firewalls for name in group.routers}
        routing.check_one_table(self.routers, balances | speaks | walls)
        balancing.check(self.hosts, self.routers, self.vrrp, self.servers, self.balancers)
        balancing.check_published(self.firewalls, self.listening())
        if self.bgp:  # each machine is looked up by its name, which large networks without BGP need not pay for
            attached = {each.name: self.attachments(each.name) for each in self.machines()}
            routing.check_bgp(self.bgp, attached, self.vrrp)
        names = [each.name for each in self.machines()]
        balancing.check_sites(self.hosts, names, self.servers, self.bgp, self.sites)
        validation.unique("services of a machine", self.services())
        for name in self.protected:
            if name not in {host.name for host in self.hosts}:
                raise unknown(f"protected host of topology {self.name!r}", name, [host.name for host in self.hosts])

    def _check_host(self, host: Host) -> None:
        own = self.interfaces(host.name)
        if host.loopback:
            if host.name not in {router.name for router in self.routers}:
                raise SpecError(
                    f"host {host.name!r} has its address on its loopback interface, and no router of its name says what"
                    " its links have"
                )
            return
        if host.bond is None:
            if len(own) != 1:
                raise SpecError(
                    f"host {host.name!r} has no bond and {len(own)} links; wanted one link, or a bond over them"
                )
            return
        for member in host.bond.members:
            if member not in own:
                raise unknown(f"member of bond {host.bond.name!r} on host {host.name!r}", member, own)
        if host.bond.arp_interval_ms and not self.monitored(host.name):
            raise SpecError(
                f"the ARP monitor of bond {host.bond.name!r} on host {host.name!r} has no target:"
                " its targets hold no address but its own",
                "For example: --set arp_ip_target=peers",
            )
        asked, nobody = self.monitored(host.name), self.unanswered(host.name)
        if nobody and (nobody == asked or host.bond.arp_all_targets == "all"):
            raise SpecError(
                f"the ARP monitor of bond {host.bond.name!r} on host {host.name!r} asks {', '.join(nobody)},"
                " which is the address of no host here: nothing answers, and the bond would flap",
                f"Addresses here: {', '.join(other.ip for other in self.hosts)}. Or: --set arp_ip_target=peers",
            )
        self._check_rates(host.name, host.bond)

    def _check_rates(self, host: str, bond: Bond) -> None:
        """Unequal rates are for modes that take no notice of them: a virtual card reports no rate of its own."""
        if len({self.link_of(member).rate_mbps for member in bond.members}) < 2:
            return
        own = f"members of {bond.mode} bond {bond.name!r} on host {host!r} have unequal rates"
        hint = "The cards here all report 10 Gbit/s (veth), so the driver would not see it. Use another mode."
        if bond.mode == "802.3ad":
            raise SpecError(f"{own}; links of one aggregator must run at one speed (IEEE 802.1AX-2014, 6.3.1)", hint)
        if bond.mode in ("balance-tlb", "balance-alb"):
            raise SpecError(f"{own}; the mode puts load on members by the speed that they report", hint)
        if bond.mode == "active-backup" and bond.primary_reselect == "better":
            raise SpecError(
                f"{own}; primary_reselect=better compares the speeds that they report",
                hint.replace("another mode", "primary_reselect=always, or failure"),
            )

    def _check_lag(self, lag: Lag) -> None:
        ports = {i for switch in self.switches for i in self.interfaces(switch.name)}
        for port in lag.ports:
            if port not in ports:
                raise unknown(f"port of LAG {lag.name!r}", port, ports)
        if lag.lacp != "off" and lag.system not in {system.name for system in self.systems}:
            raise unknown(f"LACP system of LAG {lag.name!r}", lag.system, [s.name for s in self.systems])

    @cached_property
    def ports(self) -> dict[str, Port]:
        """Both ends of every link by their interface, in the order of the links."""
        place = {node: number for number, node in enumerate(self.nodes(), start=1)}
        lag_of = {port: lag for lag in self.lags for port in lag.ports}
        numbers: Counter[str] = Counter()
        found = {}
        for link in self.links:
            for (node, interface), (_, far), own in (
                (*link.ends, link.a_mac),
                (*link.ends[::-1], link.b_mac),
            ):
                numbers[node] += 1
                mac = own or interface_mac(place[node], numbers[node])
                found[interface] = Port(interface, node, numbers[node], mac, link, far, lag_of.get(interface))
        return found

    def nodes(self) -> list[str]:
        """The names of all hosts, then of all switches, then of all routers that are no hosts."""
        nodes: tuple[Host | Switch | Router, ...] = (*self.hosts, *self.switches, *self.lone_routers)
        return [each.name for each in nodes]

    def addresses(self) -> list[str]:
        """Every address that something has, without its prefix length."""
        return routing.addresses(self.hosts, self.routers, self.vrrp)

    @cached_property
    def lone_routers(self) -> tuple[Router, ...]:
        """The routers that are nodes of their own, and no hosts."""
        hosts = {host.name for host in self.hosts}
        return tuple(router for router in self.routers if router.name not in hosts)

    def machines(self) -> tuple[Host | Router, ...]:
        """The nodes that have an operating system of their own: hosts, then the routers that are none."""
        return (*self.hosts, *self.lone_routers)

    def attachments(self, machine: str) -> tuple[Attachment, ...]:
        """The interfaces of a host or router with the address of each: of one that does not forward it is one."""
        return self._attached[machine]

    @cached_property
    def _attached(self) -> dict[str, tuple[Attachment, ...]]:
        hosts = {host.name: (Attachment(self.carrier(host), host.address),) for host in self.hosts}
        return hosts | {router.name: router.attachments for router in self.routers}

    def attachment(self, machine: str, subnet: str) -> Attachment:
        """What a machine has in a subnet. Errors: StopIteration if nothing."""
        return next(each for each in self.attachments(machine) if each.subnet == subnet)

    def vrf_in(self, machine: str, subnet: str) -> str:
        """The VRF that a machine is in that subnet with; empty: with its usual routing table."""
        return next((each.vrf for each in self.attachments(machine) if each.subnet == subnet), "")

    def carrier(self, host: Host) -> str:
        """The interface that has a host's address: its bond or only interface, or the VLAN on that; or lo."""
        if host.loopback:
            return "lo"
        return host.on(host.bond.name if host.bond else self.interfaces(host.name)[0])

    @property
    def tagged(self) -> bool:
        """Whether some frames carry the tag of a VLAN."""
        routers = {router.name for router in self.routers}
        return any(host.vlan or (host.bond and host.name in routers) for host in self.hosts)

    def services(self) -> tuple[str, ...]:
        """The daemons beside the machines' kernels, as elements that may fail: r1:keepalived."""
        watched = (f"{host.name}:bird" for host in self.hosts if host.bond is not None and host.bond.watched)
        shared = (f"{name}:conntrackd" for group in self.firewalls if group.sync != "none" for name in group.routers)
        serving = (f"{each.host}:http" for each in self.servers)
        own = (each for each in self.sites if each.by == "anycast" and not each.by_hand)
        checked = (f"{name}:site_check" for each in own for name in each.servers)
        naming = (f"{name}:gdnsd" for each in self.sites for name in each.name_servers)
        placing = (f"{name}:haproxy" for group in self.balancers if group.layer == 7 for name in group.machines)
        vrrp = dict.fromkeys(f"{name}:keepalived" for group in self.vrrp for name in group.routers)
        speakers = (
            f"{each.machine}:{process}" for group in self.bgp for each in group.speakers for process in group.processes
        )
        return (*watched, *serving, *shared, *speakers, *checked, *naming, *placing, *vrrp)

    def loopback(self, machine: str) -> str:
        """The address of a host on its loopback interface, without its prefix length; empty: it has none."""
        return next((host.ip for host in self.hosts if host.name == machine and host.loopback), "")

    def anycast(self, machine: str) -> str:
        """The address that a machine shares with others (`BgpSpeaker.anycast`); empty: none."""
        speakers = (each for group in self.bgp for each in group.speakers)
        return next((each.anycast for each in speakers if each.machine == machine), "")

    def bgp_identifier(self, machine: str) -> str:
        """The BGP Identifier of a speaker: an address of its own (RFC 4271, 4.2), here that of its first interface."""
        return self.attachments(machine)[0].ip

    @property
    def entry(self) -> tuple[str, int] | None:
        """Where clients ask for the first balanced service: the address that firewalls publish it at, or its own, and
        its port; None: there is no balanced service."""
        if not self.balancers:
            return None
        own = (self.balancers[0].address, self.balancers[0].port)
        published = (each for group in self.firewalls for each in group.publishes)
        return next(((each.address, each.port) for each in published if (each.target, each.port) == own), own)

    def listening(self) -> list[tuple[str, int]]:
        """The addresses and ports of balanced services, and of web servers."""
        balanced = [(group.address, group.port) for group in self.balancers]
        return balanced + [(self.host(each.host).ip, each.port) for each in self.servers]

    def serving(self) -> tuple[str, ...]:
        """The machines that forward, or have a service."""
        services = (name.partition(":")[0] for name in self.services())
        return tuple(dict.fromkeys((*(router.name for router in self.routers), *services)))

    def shared_by(self, machines: Sequence[str]) -> Vrrp:
        """The VRRP group of exactly these machines. Errors: StopIteration if there is none."""
        return next(group for group in self.vrrp if set(group.routers) == set(machines))

    def router(self, name: str) -> Router:
        """The router of that name. Errors: KeyError if there is none."""
        return self._router_of[name]

    @cached_property
    def _router_of(self) -> dict[str, Router]:
        return {router.name: router for router in self.routers}

    @cached_property
    def _interfaces(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for port in self.ports.values():
            found.setdefault(port.node, []).append(port.interface)
        return {node: tuple(own) for node, own in found.items()}

    def interfaces(self, node: str) -> tuple[str, ...]:
        """The interfaces of ``node`` in the order of its links."""
        return self._interfaces.get(node, ())

    def owner(self, interface: str) -> str:
        """The node that ``interface`` belongs to."""
        return self.ports[interface].node

    def far(self, interface: str) -> Port:
        """The port at the other end of the link of ``interface``."""
        return self.ports[self.ports[interface].far]

    def link_of(self, interface: str) -> Link:
        """The link that ``interface`` is an end of."""
        return self.ports[interface].link

    def host(self, name: str) -> Host:
        """The host of that name. Errors: KeyError if there is none."""
        return self._host_of[name]

    @cached_property
    def _host_of(self) -> dict[str, Host]:
        return {host.name: host for host in self.hosts}

    def bond(self, host: str) -> Bond:
        """The bond of a host. Errors: SpecError if there is no such host, or it has none."""
        found = next((each.bond for each in self.hosts if each.name == host), None)
        if found is None:
            bonded = ", ".join(each.name for each in self.hosts if each.bond is not None)
            raise SpecError(
                f"topology {self.name!r} has no host {host} with a bond; with bonds it has: {bonded or 'none'}",
                "To see which topologies there are, type: testbed list topologies",
            )
        return found

    def members(self, host: str) -> tuple[str, ...]:
        """The interfaces of a host's member links; of one without a bond its only interface."""
        bond = self.host(host).bond
        return bond.members if bond else self.interfaces(host)

    @property
    def pair(self) -> tuple[str, str]:
        """The client and the server that experiments measure: the first two protected hosts.

        Errors: SpecError if there is only one host.
        """
        found = self.protected_hosts()
        if len(found) < 2:
            raise SpecError(
                f"topology {self.name!r} has {len(found)} host; wanted two or more, a client and a server",
                "To see which topologies there are, type: testbed list topologies",
            )
        return found[0], found[1]

    @property
    def client(self) -> str:
        """The first of the `pair`, which sends."""
        return self.pair[0]

    @property
    def server(self) -> str:
        """The second of the `pair`."""
        return self.pair[1]

    def protected_hosts(self) -> tuple[str, ...]:
        """The hosts whose traffic among each other must survive a failure."""
        bonded = tuple(host.name for host in self.hosts if host.bond is not None)
        return self.protected or (bonded if len(bonded) > 1 else tuple(host.name for host in self.hosts))

    def ends(self) -> tuple[str, ...]:
        """What a failure must not part: the client of a web service and its address, or the protected hosts."""
        return self.protected_hosts() if self.entry is None else (self.client, self.entry[0])

    def relays(self) -> frozenset[str]:
        """The hosts that pass on the frames of others: the nodes of a ring of HSR (IEC 62439-3, 5)."""
        return frozenset(host.name for host in self.hosts if host.bond is not None and host.bond.mode == "hsr")

    def monitored(self, name: str) -> tuple[str, ...]:
        """The targets of a host's ARP monitor, without its own address; ``peers`` are all other hosts."""
        host = self.host(name)
        found: list[str] = []
        for version, text in ((4, host.bond.arp_ip_target), (6, host.bond.ns_ip6_target)) if host.bond else ():
            peers = [other.ip for other in self.hosts if other.ip_version == version]
            own = [ip for ip in (peers if text == PEERS else words(text)) if ip != host.ip]
            found += own[:MAX_TARGETS]
        return tuple(found)

    def unanswered(self, name: str) -> tuple[str, ...]:
        """The targets of a host's ARP monitor, if it runs, that are the address of no host."""
        bond, known = self.host(name).bond, {host.ip for host in self.hosts}
        asked = self.monitored(name) if bond is not None and bond.arp_interval_ms else ()
        return tuple(ip for ip in asked if ip not in known)

    def host_mac(self, name: str) -> str:
        """The MAC address that a host's traffic carries: its bond's, which is its first member's."""
        return self.ports[self.members(name)[0]].mac

    def unshaped(self) -> tuple[str, ...]:
        """Names of the links without a rate: infinitely fast where time is virtual."""
        return tuple(link.name for link in self.links if link.rate_mbps is None)

    def to_json(self) -> str:
        """This topology as JSON text, for :meth:`from_json`."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Topology:
        """A topology from what :meth:`to_json` wrote, checked again. Errors: SpecError, also for damaged text."""
        try:
            return plain.made(cls, json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise SpecError(f"this is no topology as `testbed show TOPOLOGY --json` writes it: {what}") from error
