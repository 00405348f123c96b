"""Faults of a whole switch or host.

switch_crash                     switch_software_crash            peer_link_loss, uplink_loss

   h1        h2                     h1        h2                      [spine]    [spine]
    |  no     |  no                  |         |                        |          |
    X carrier X carrier            +-------------+ ovs-vswitchd         X uplinks  X
   (  gone    )                    | s1   X      | killed; flows        |          |
                                   +-------------+ in the kernel      +------------------+    +------+
                                                   go on              | s1 (element)     |=X==|  s2  |
host_reboot: h1-eth0, h1-eth1 and                                     +------------------+peer+------+
bond0 down, then up                                                      |   hosts

switch_restart: ovs-vswitchd ends in order and starts again at once
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from testbed.faults.catalogue import cut_links
from testbed.inject import restore
from testbed.inject.context import Site


@contextlib.contextmanager
def switch_crash(site: Site, element: str) -> Iterator[None]:
    """The switch is gone: its ports have no carrier at either end, its bridge is out of the kernel and the database.

    It comes back with the settings that it had (ports, numbers, bonds, controller) and with empty tables.
    """
    with site.shared(("crash", element), lambda: _gone(site, element)):
        yield


@contextlib.contextmanager
def _gone(site: Site, switch: str) -> Iterator[None]:
    ports = site.network.topology.interfaces(switch)
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(restore.down(site, switch, port))
        with restore.queueing(site, ports):
            bridge = site.network.ovs.remove_bridge(switch)
        try:
            yield
        finally:
            with restore.queueing(site, ports):
                site.network.ovs.restore(bridge)
            _stay_down(site, switch)


@contextlib.contextmanager
def switch_software_crash(site: Site, element: str) -> Iterator[None]:
    """ovs-vswitchd is killed (SIGKILL) and starts again when the fault ends; the kernel's datapath is left to itself.

    Frames of flows that the datapath knows go on; whatever it would have to ask for is lost, LACPDUs among them. One
    ovs-vswitchd serves all switches of a trial, so all of them lose theirs: the timeline names them.
    """
    site.note("fault", "software_lost", switches=[switch.name for switch in site.network.topology.switches])
    del element
    with site.shared("ovs-vswitchd", lambda: _without_software(site)):
        yield


@contextlib.contextmanager
def _without_software(site: Site) -> Iterator[None]:
    site.network.ovs.vswitchd.kill()
    try:
        yield
    finally:
        _start_software(site)


@contextlib.contextmanager
def switch_restart(site: Site, element: str) -> Iterator[None]:
    """ovs-vswitchd ends in order (SIGTERM) and starts again at once; the fault lasts on with nothing else wrong.

    Its tables are empty until a controller fills them again. One ovs-vswitchd serves all switches of a trial.
    """
    site.note("fault", "software_restarted", switches=[switch.name for switch in site.network.topology.switches])
    del element
    if not site.holds("ovs-vswitchd"):  # what is dead already cannot end in order
        site.network.ovs.vswitchd.stop()
        _start_software(site)
    yield


def _start_software(site: Site) -> None:
    """Start ovs-vswitchd, which takes all ports in anew: it resets their queues, and may set them up."""
    switches = [switch.name for switch in site.network.topology.switches]
    ports = [port for switch in switches for port in site.network.topology.interfaces(switch)]
    with restore.queueing(site, ports):
        site.network.ovs.vswitchd.start()
        site.network.ovs.settle()
    for switch in switches:
        _stay_down(site, switch)


def _stay_down(site: Site, switch: str) -> None:
    """Ports that a fault wants down are down, whatever Open vSwitch made of them when it took them in."""
    for port in site.network.topology.interfaces(switch):
        if site.holds(("down", switch, port)):
            site.network.set_link(port, up=False)


@contextlib.contextmanager
def peer_link_loss(site: Site, element: str) -> Iterator[None]:
    """Every link between the switch and those that share hosts or LAGs with it loses carrier."""
    with _links_down(site, "peer_link_loss", element):
        yield


@contextlib.contextmanager
def uplink_loss(site: Site, element: str) -> Iterator[None]:
    """Every link between the switch and other switches loses carrier, but for its peer links."""
    with _links_down(site, "uplink_loss", element):
        yield


@contextlib.contextmanager
def _links_down(site: Site, fault: str, element: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for link in cut_links(site.network.topology, fault, element):
            stack.enter_context(restore.down(site, element, link.end(element)))
        yield


@contextlib.contextmanager
def host_reboot(site: Site, element: str) -> Iterator[None]:
    """The host's bond and interfaces are down, and come up again when the fault ends, the interfaces first."""
    host = site.network.topology.host(element)
    with contextlib.ExitStack() as stack:
        stack.enter_context(restore.addressing(site, element))
        if host.bond is not None:
            stack.enter_context(restore.down(site, element, host.bond.name))
        for interface in site.network.topology.interfaces(element):
            stack.enter_context(restore.down(site, element, interface))
        yield


@contextlib.contextmanager
def none(site: Site, element: str) -> Iterator[None]:
    """Nothing happens: what a trial shows then is the testbed's own doing."""
    del site, element
    yield
