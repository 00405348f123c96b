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
from testbed.inject.context import InjectionContext


@contextlib.contextmanager
def switch_crash(context: InjectionContext, element: str) -> Iterator[None]:
    """The switch is gone: its links have no carrier at either end, its bridge is not in the kernel or the database.

    It comes back with the settings that it had (ports, numbers, bonds, controller) and with empty tables, or with
    those that its scheme gives it beforehand (controller=fast-failover).
    """
    with context.shared(("crash", element), lambda: _gone(context, element)):
        yield


@contextlib.contextmanager
def _gone(context: InjectionContext, switch: str) -> Iterator[None]:
    ports = context.network.topology.interfaces(switch)
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(restore.down(context, switch, port))
        with restore.queueing(context, ports):
            bridge = context.network.ovs.remove_bridge(switch)
        try:
            yield
        finally:
            with restore.queueing(context, ports):
                context.network.ovs.restore(bridge)
            context.network.program(switch)
            _stay_down(context, switch)


@contextlib.contextmanager
def switch_software_crash(context: InjectionContext, element: str) -> Iterator[None]:
    """ovs-vswitchd is killed (SIGKILL) and starts again when the fault ends; the kernel's datapath continues alone.

    The datapath forwards frames of the flows that it has; all other frames are lost, LACPDUs among them. One
    ovs-vswitchd serves all switches of a trial, so all of them are hit: the timeline names them.
    """
    context.note("fault", "software_lost", switches=[switch.name for switch in context.network.topology.switches])
    del element
    with context.shared("ovs-vswitchd", lambda: _without_software(context)):
        yield


@contextlib.contextmanager
def _without_software(context: InjectionContext) -> Iterator[None]:
    context.network.ovs.vswitchd.kill()
    try:
        yield
    finally:
        _start_software(context)


@contextlib.contextmanager
def switch_restart(context: InjectionContext, element: str) -> Iterator[None]:
    """ovs-vswitchd ends in order (SIGTERM) and starts again at once; nothing else happens until the fault ends.

    Its tables are empty until a controller fills them again, or the scheme itself (controller=fast-failover). One
    ovs-vswitchd serves all switches of a trial.
    """
    context.note("fault", "software_restarted", switches=[switch.name for switch in context.network.topology.switches])
    del element
    if not context.holds("ovs-vswitchd"):  # it has been killed already
        context.network.ovs.vswitchd.stop()
        _start_software(context)
    yield


def _start_software(context: InjectionContext) -> None:
    """Start ovs-vswitchd. It adds all ports again: it resets their queues, and may set them administratively up."""
    switches = [switch.name for switch in context.network.topology.switches]
    ports = [port for switch in switches for port in context.network.topology.interfaces(switch)]
    with restore.queueing(context, ports):
        context.network.ovs.vswitchd.start()
        context.network.ovs.settle()
    for switch in switches:
        context.network.program(switch)
        _stay_down(context, switch)


def _stay_down(context: InjectionContext, switch: str) -> None:
    """Set the ports down that a fault needs down: Open vSwitch may have set them up when it added them."""
    for port in context.network.topology.interfaces(switch):
        if context.holds(("down", switch, port)):
            context.network.set_link(port, up=False)


@contextlib.contextmanager
def peer_link_loss(context: InjectionContext, element: str) -> Iterator[None]:
    """Every link between the switch and those that share hosts or LAGs with it loses carrier."""
    with _links_down(context, "peer_link_loss", element):
        yield


@contextlib.contextmanager
def uplink_loss(context: InjectionContext, element: str) -> Iterator[None]:
    """Every link between the switch and other switches loses carrier, except its peer links."""
    with _links_down(context, "uplink_loss", element):
        yield


@contextlib.contextmanager
def _links_down(context: InjectionContext, fault: str, element: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for link in cut_links(context.network.topology, fault, element):
            stack.enter_context(restore.down(context, element, link.end(element)))
        yield


@contextlib.contextmanager
def host_reboot(context: InjectionContext, element: str) -> Iterator[None]:
    """The host's bond and interfaces are down; when the fault ends they come up again, the interfaces first."""
    host = context.network.topology.host(element)
    with contextlib.ExitStack() as stack:
        stack.enter_context(restore.addressing(context, element))
        if host.bond is not None:
            stack.enter_context(restore.down(context, element, host.bond.name))
        for interface in context.network.topology.interfaces(element):
            stack.enter_context(restore.down(context, element, interface))
        yield


@contextlib.contextmanager
def none(context: InjectionContext, element: str) -> Iterator[None]:
    """Nothing happens: what a trial shows then is caused by the testbed itself."""
    del context, element
    yield
