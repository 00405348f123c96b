"""Hosts whose ways are joined by routing: a subnet for each way, an address that no way owns, routes with next hops.

    h1  nexthop0 10.0.0.1/24       10.0.0.2/32  via 10.64.0.2 dev h1-eth0      a flow takes one of the next hops by the
        h1-eth0  10.64.0.1/16                   via 10.65.0.2 dev h1-eth1      hash of its addresses and ports
        h1-eth1  10.65.0.1/16

hash-threshold is the kernel's multipath route (RFC 2992). It leaves a next hop whose interface has no carrier, and
takes it back (networking/ip-sysctl.rst, ignore_routes_with_linkdown). A resilient group is of next-hop objects
(networking/nexthop-group-resilient.rst). The kernel deletes such an object when its interface loses carrier
(nexthop_flush_dev in net/ipv4/nexthop.c), and whoever made it has to make it again: here `Routed`, at the event.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator

from pyroute2 import IPRoute

from testbed.background import in_background
from testbed.emulation.bonds import Member, Shown
from testbed.emulation.namespace import inside, set_kernel
from testbed.emulation.netlink import monitor_socket
from testbed.errors import MachineError, TrialError
from testbed.spec import Host, Topology
from testbed.spec.addressing import MOST_WAYS, way_address
from testbed.spec.bond.drivers import MOST_SUBFLOWS

#: Settings of IPv4 (networking/ip-sysctl.rst): a flow is placed by addresses and ports; a next hop without carrier is
#: left; an interface answers ARP for its own address alone, and asks from it.
_SETTINGS = {
    "ipv4/fib_multipath_hash_policy": "1",
    "ipv4/conf/{}/ignore_routes_with_linkdown": "1",
    "ipv4/conf/{}/arp_ignore": "1",
    "ipv4/conf/{}/arp_announce": "2",
    "ipv4/conf/{}/rp_filter": "0",
}
#: The numbers of groups of next hops are those of hosts, from here on; below are those of single next hops.
_GROUPS = 1 << 24
#: The kernel's main routing table (linux/rtnetlink.h, RT_TABLE_MAIN).
_MAIN = 254


def ways(topology: Topology, host: Host) -> list[str]:
    """The words for ip(8) that give the host its ways: each member an address, and an interface for the host's own.

    With Multipath TCP the host's own address is that of its first way; it announces the others (ADD_ADDR, RFC 8684,
    3.4.1), and opens a subflow to each that is announced. Both ends of a connection do. The one that accepted it does
    so in vain: nobody listens at the port that the other one connected from. Such a try counts as a subflow while it
    lasts (mptcp_pm_allow_new_subflow in net/mptcp/pm.c), and a join that would exceed the limit is rejected for good,
    so the limit is twice what is wanted.
    """
    assert host.bond is not None
    number, bond = topology.hosts.index(host) + 1, host.bond
    found = [f"link set dev {member} up" for member in bond.members]
    own = [(way_address(way, number), member) for way, member in enumerate(bond.members)]
    if bond.driver == "mptcp":
        flags = "signal backup" if bond.mptcp_backup else "signal"
        found += [f"address add {address} dev {member}" for address, member in own[1:]]
        more = len(own) - 1
        return [
            *found,
            f"mptcp limits set subflows {min(2 * more, MOST_SUBFLOWS)} add_addr_accepted {more}",
            *(f"mptcp endpoint add {address.partition('/')[0]} dev {member} {flags}" for address, member in own[1:]),
        ]
    found += [f"address add {address} dev {member}" for address, member in own]
    return [*found, f"link add dev {host.bond.name} type dummy", f"link set dev {host.bond.name} up"]


def routes(topology: Topology, host: Host, usable: tuple[int, ...] | None = None) -> list[str]:
    """The words for ip(8) that give the host its routes to the others, by all its ways, or of a resilient group by
    those that are ``usable``, which have carrier."""
    assert host.bond is not None
    found = []
    for number, other in enumerate(topology.hosts, start=1):
        if other == host:
            continue
        to = f"route replace {other.ip}/32 src {host.ip}"
        hops = [
            f"via {way_address(way, number).partition('/')[0]} dev {member}"
            for way, member in enumerate(host.bond.members)
        ]
        if host.bond.ecmp_group != "resilient":
            found.append(" ".join([to, *(f"nexthop {hop}" for hop in hops)]))
            continue
        ids = {way: number * MOST_WAYS + way for way in (range(len(hops)) if usable is None else usable)}
        found += [f"nexthop replace id {ids[way]} {hops[way]}" for way in ids]
        group = "/".join(map(str, ids.values()))
        kind = f"type resilient buckets {host.bond.ecmp_buckets}"
        found += [f"nexthop replace id {_GROUPS + number} group {group} {kind}", f"{to} nhid {_GROUPS + number}"]
    return found


class Routed:
    """The live ways of a host; ``pid`` is a process in its namespaces, ``netlink`` acts there."""

    def __init__(self, topology: Topology, host: Host, pid: int, netlink: Callable[[], IPRoute]) -> None:
        assert host.bond is not None
        self._topology, self._host, self._bond, self._pid, self._netlink = topology, host, host.bond, pid, netlink
        self._carriers: tuple[int, ...] = ()
        self._index: dict[str, int] = {}

    def create(self) -> None:
        """Make the interface of the host's own address, and the ways. Errors: MachineError without Multipath TCP."""
        if self._bond.driver == "mptcp":
            self._allow_mptcp()
        settings = [
            (name.format(place), value)
            for name, value in _SETTINGS.items()
            for place in (("all", "default", *self._bond.members) if "{}" in name else ("",))
        ]
        set_kernel(self._pid, settings)
        self._ip(ways(self._topology, self._host))

    @contextlib.contextmanager
    def routing(self) -> Iterator[None]:
        """The routes to the other hosts, while the block runs, if no service makes them (testbed.services.bird_ways).

        Multipath TCP needs none: each way is one subnet.
        """
        if self._bond.driver == "mptcp" or self._bond.watched:
            yield
            return
        if self._bond.ecmp_group != "resilient":
            self._ip(routes(self._topology, self._host))
            yield
            return
        wake, stop = os.pipe()
        sock = monitor_socket(self._pid)
        try:

            def watch(_ended: threading.Event) -> None:
                poller = select.poll()
                poller.register(wake, select.POLLIN)
                poller.register(sock, select.POLLIN)
                with inside(self._pid), IPRoute() as netlink:  # pyroute2 speaks where the thread is that asks
                    while True:
                        self._restore(netlink)
                        if any(descriptor == wake for descriptor, _ in poller.poll()):
                            return
                        with contextlib.suppress(OSError):  # ENOBUFS: what is there now is asked for anyway
                            sock.recv(1 << 16)

            with in_background(f"next hops of {self._host.name}", watch):
                try:
                    yield
                finally:
                    os.write(stop, b".")
        finally:
            sock.close()
            os.close(wake)
            os.close(stop)

    def text(self) -> str:
        """What `ip -json` shows: the routes, and the next hops of groups with their buckets, or the endpoints of
        Multipath TCP."""
        found = {"routes": self._asked("route", "show")}
        if self._bond.driver == "mptcp":
            found |= {"limits": self._asked("mptcp", "limits"), "endpoints": self._asked("mptcp", "endpoint")}
        if self._bond.ecmp_group == "resilient":
            found |= {"nexthops": self._asked("nexthop", "show"), "buckets": self._asked("nexthop", "bucket", "show")}
        return json.dumps(found, indent=1)

    def shown(self) -> Shown:
        """The ways, those with carrier as usable; where a service makes the routes, those that are in all of these."""
        netlink = self._netlink()
        up = set(self._usable(netlink))
        if self._bond.watched:
            up &= self._routed(netlink)
        members = enumerate(self._bond.members)
        return Shown(None, None, tuple(Member(name, way in up, None, None, None) for way, name in members))

    def set_active(self, member: str) -> None:
        """Errors: TrialError: every way is in use."""
        raise TrialError(
            f"host {self._host.name} has no active member: in mode {self._bond.mode} all are, not {member}"
        )

    def _allow_mptcp(self) -> None:
        try:
            set_kernel(self._pid, [("mptcp/enabled", "1")])
        except FileNotFoundError:
            raise MachineError(
                "this kernel has no Multipath TCP, which mode mptcp needs (CONFIG_MPTCP)", "Type: testbed kernel build"
            ) from None
        set_kernel(self._pid, [("mptcp/stale_loss_cnt", str(self._bond.mptcp_stale_losses))])

    def _usable(self, netlink: IPRoute) -> tuple[int, ...]:
        """The ways with carrier."""
        links = [netlink.get_links(self._place(netlink, name))[0] for name in self._bond.members]
        return tuple(way for way, link in enumerate(links) if link.get_attr("IFLA_CARRIER"))

    def _routed(self, netlink: IPRoute) -> set[int]:
        """The ways that the kernel's routes to all other hosts have as next hops."""
        places = {self._place(netlink, name): way for way, name in enumerate(self._bond.members)}
        by: dict[str, set[int]] = {other.ip: set() for other in self._topology.hosts if other != self._host}
        for route in netlink.get_routes(family=socket.AF_INET, table=_MAIN):
            if (to := route.get_attr("RTA_DST")) in by:
                hops = [hop["oif"] for hop in route.get_attr("RTA_MULTIPATH") or ()]
                by[to] |= {places[hop] for hop in (*hops, route.get_attr("RTA_OIF")) if hop in places}
        return set(places.values()).intersection(*by.values())

    def _place(self, netlink: IPRoute, name: str) -> int:
        """The kernel's index of a member, which stays what it is."""
        if name not in self._index:
            self._index[name] = int(netlink.link_lookup(ifname=name)[0])
        return self._index[name]

    def _restore(self, netlink: IPRoute) -> None:
        """Make the next hops again that came back, and leave the flows of the others where they are."""
        usable = self._usable(netlink)
        if set(usable) - set(self._carriers):
            self._ip(routes(self._topology, self._host, usable))
        self._carriers = usable

    def _ip(self, lines: list[str]) -> None:
        """Carry out words for ip(8) in the host's namespace. Errors: TrialError with what it says."""
        command = ["mnexec", "-a", str(self._pid), "ip", "-batch", "-"]
        done = subprocess.run(command, input="\n".join(lines) + "\n", text=True, capture_output=True)
        if done.returncode:
            raise TrialError(f"ip of host {self._host.name} refuses: {' '.join(done.stderr.split())}")

    def _asked(self, *words: str) -> object:
        command = ["mnexec", "-a", str(self._pid), "ip", "-json", *words]
        done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL)
        # ip(8) has not every answer in JSON: the limits of Multipath TCP are words.
        return json.loads(done.stdout) if done.stdout[:1] in ("[", "{") else done.stdout.strip()
