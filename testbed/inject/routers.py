"""Faults of a router, and of the daemons of machines.

router_crash: power is lost            router_hang: it does nothing          service_crash, service_stop, service_pause

    ==X== +--------+ ==X==               --> +--------+ -->                    ----- +--------+ -----
          |   r1   |                  frames |   r1   | no                           |   r1   | kernel forwards
          |  gone  |                  vanish | halted | frames                       | daemon |
    no    +--------+ carrier             carrier stays                               +---X----+ ended or halted

announcement_loss: power is lost, and another router's first gratuitous ARP
site_loss: router_crash of all machines of a site, at one instant

split_brain: it is master unheard      route_withdrawal: it is left for others

    VRRP  +--------+ all else            --> +--------+ --> kernel forwards
    ---X  |   r1   | -------->               |   r1   |
          +--------+                 session +--------+ says: not by me
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from testbed.background import in_background
from testbed.emulation.daemon import Daemon
from testbed.emulation.netlink import forget_connections
from testbed.inject import restore, tc
from testbed.inject.context import InjectionContext
from testbed.services import bird, frr
from testbed.spec import Topology


@contextlib.contextmanager
def router_crash(context: InjectionContext, element: str) -> Iterator[None]:
    """Its daemons are killed, and its links have no carrier at either end; when the fault ends it boots.

    Addresses that its daemons gave its interfaces are gone, as they are not in any file.
    """
    with context.shared(("crash", element), lambda: _crashed(context, element)):
        yield


@contextlib.contextmanager
def site_loss(context: InjectionContext, element: str) -> Iterator[None]:
    """Every machine of the site loses power, at one instant; when the fault ends they boot."""
    machines = element.split("+")
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as power_goes:
            for interface in (i for name in machines for i in context.network.topology.interfaces(name)):
                power_goes.enter_context(tc.dropping(context, interface))
            for name in machines:
                stack.enter_context(router_crash(context, name))
        yield


@contextlib.contextmanager
def _crashed(context: InjectionContext, router: str) -> Iterator[None]:
    topology = context.network.topology
    bond = next((host.bond for host in topology.hosts if host.name == router), None)
    boot = restore.Boot(frozenset(ip for group in topology.vrrp if router in group.routers for ip in group.ips))
    for daemon in _daemons(context, router).values():
        daemon.halt()  # at this instant: the first filter of an interface takes some milliseconds
    # When it boots its links come up before its daemons start.
    with (
        contextlib.ExitStack() as daemons,
        contextlib.ExitStack() as links,
        contextlib.ExitStack() as power_goes,
    ):
        for interface in topology.interfaces(router):
            # Its kernel, which lives on, ends the connections of its daemons: no word of that leaves the machine.
            power_goes.enter_context(tc.dropping(context, interface))
        links.enter_context(restore.addressing(context, router, boot))
        # The carriers go before daemons, addresses and connections: no frame meets a router that has lost only these.
        for interface in (*([bond.name] if bond else []), *topology.interfaces(router)):
            links.enter_context(restore.down(context, router, interface, boot))
        for daemon in reversed(_daemons(context, router).values()):  # they start in the order in which they did first
            daemons.enter_context(daemon.killed())
        _remove_virtual(context, router, boot.without)
        _forget(context, router)
        power_goes.close()
        yield


def _forget(context: InjectionContext, router: str) -> None:
    """The connections that a firewall knows are gone with its memory."""
    if any(router in group.routers for group in context.network.topology.firewalls):
        forget_connections(context.network.pid(router))


def _remove_virtual(context: InjectionContext, router: str, virtual: frozenset[str]) -> None:
    """Remove the addresses of VRRP groups from the interfaces of a router."""
    netlink = context.network.netlink(router)
    for address in netlink.get_addr():
        if (ip := address.get_attr("IFA_ADDRESS")) in virtual:
            netlink.addr("del", index=address["index"], address=ip, prefixlen=address["prefixlen"])


@contextlib.contextmanager
def router_hang(context: InjectionContext, element: str) -> Iterator[None]:
    """Nothing comes out of its links at either end, and its daemons are halted; it goes on when the fault ends."""
    with contextlib.ExitStack() as stack:
        # Daemons first: the first filter of an interface takes some milliseconds.
        for name in _daemons(context, element):
            stack.enter_context(service_pause(context, name))
        for link in context.network.topology.links:
            if element in (link.a, link.b):
                for end in (link.a_interface, link.b_interface):
                    stack.enter_context(tc.dropping(context, end))
        yield


@contextlib.contextmanager
def split_brain(context: InjectionContext, element: str) -> Iterator[None]:
    """What the router says by VRRP is lost on all sides, all other frames pass: it lives, and another takes over."""
    with contextlib.ExitStack() as stack:
        for attachment in context.network.topology.attachments(element):
            stack.enter_context(tc.dropping_vrrp(context, element, attachment.interface))
        yield


@contextlib.contextmanager
def announcement_loss(context: InjectionContext, element: str, *, lost_ms: float) -> Iterator[None]:
    """`router_crash`; and for a while what the other routers announce of the addresses that it had is lost."""
    begun_s = time.monotonic()

    def lose(ended: threading.Event) -> None:
        with contextlib.ExitStack() as stack:
            for machine, interface, address in _inherited(context.network.topology, element):
                stack.enter_context(tc.dropping_announcements(context, machine, interface, address))
            ended.wait(begun_s + lost_ms / 1e3 - time.monotonic())
        context.note("fault", "announcements_pass")

    with router_crash(context, element), in_background("announcements", lose):
        yield


def _inherited(topology: Topology, router: str) -> Iterator[tuple[str, str, str]]:
    """Which other router has which virtual addresses after that one, and at which interface."""
    for group in topology.vrrp:
        for name in group.routers if router in group.routers else ():
            for attachment in topology.attachments(name) if name != router else ():
                if address := group.address_in(attachment.subnet):
                    yield name, attachment.interface, address


@contextlib.contextmanager
def service_stop(context: InjectionContext, element: str) -> Iterator[None]:
    """The daemon ends in order (SIGTERM): it may tell others; it starts again when the fault ends."""
    daemon = context.network.daemons[element]
    daemon.stop()
    try:
        yield
    finally:
        daemon.start()


@contextlib.contextmanager
def service_crash(context: InjectionContext, element: str) -> Iterator[None]:
    """The daemon is killed (SIGKILL), with what it has started; it starts again when the fault ends."""
    with context.network.daemons[element].killed():
        yield


@contextlib.contextmanager
def service_pause(context: InjectionContext, element: str) -> Iterator[None]:
    """The daemon is halted (SIGSTOP), with what it has started, and continues when the fault ends (SIGCONT)."""
    with context.shared(("halted", element), context.network.daemons[element].halted):
        yield


@contextlib.contextmanager
def route_withdrawal(context: InjectionContext, element: str) -> Iterator[None]:
    """The speaker withdraws what it has announced, as an operator asks it to; then it announces it again."""
    directory = context.network.directories[element]
    act = _withdrawn_by_frr if element.endswith(":bgpd") else _withdrawn
    with context.shared(("withdrawn", element), lambda: act(directory)):
        yield


@contextlib.contextmanager
def _withdrawn_by_frr(directory: Path) -> Iterator[None]:
    frr.withdrawn(directory)
    try:
        yield
    finally:
        frr.announced(directory)


@contextlib.contextmanager
def _withdrawn(directory: Path) -> Iterator[None]:
    bird.withdrawn(directory, "operator")
    try:
        yield
    finally:
        bird.announced(directory, "operator")


def _daemons(context: InjectionContext, machine: str) -> dict[str, Daemon]:
    """The daemons of a machine, by the names that faults have for them, in the order in which they are killed: the
    last one starts first, and FRR's others do not find a zebra that starts after them."""
    own = {name: daemon for name, daemon in context.network.daemons.items() if name.startswith(f"{machine}:")}
    return dict(sorted(own.items(), key=lambda each: each[0].endswith(":zebra")))
