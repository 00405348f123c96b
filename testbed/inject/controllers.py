"""Faults of the controller's process, and of the way to it.

controller_crash            controller_pause            controller_cut

   +----------+                +----------+                +----------+
   |    c0    | SIGKILL        |    c0    | SIGSTOP        |    c0    |
   +-- X  X --+                +----------+                +----------+
      /    \\                      |    |                      X    |
   closed  closed             open, silent                dropped  open
    +--+    +--+                +--+ +--+                  +--+    +--+
    |s1|    |s2|                |s1| |s2|                  |s1|    |s2|
    +--+    +--+                +--+ +--+                  +--+    +--+
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from testbed.controller import OPENFLOW_PORT
from testbed.emulation.daemon import Daemon
from testbed.errors import SpecError
from testbed.faults.catalogue import CONTROLLER
from testbed.inject import tc
from testbed.inject.context import Site
from testbed.spec.addressing import controller_address


@contextlib.contextmanager
def controller_crash(site: Site, element: str) -> Iterator[None]:
    """The controller is killed (SIGKILL); it starts again when the fault ends.

    The switches go on with the flows and groups that they have (OpenFlow Switch Specification 1.5.1, 6.4: fail secure
    mode), and ask for a controller every second.
    """
    process = _process(site, "controller_crash", element)
    with site.shared(CONTROLLER, lambda: _dead(process)):
        yield


@contextlib.contextmanager
def _dead(process: Daemon) -> Iterator[None]:
    process.kill()
    try:
        yield
    finally:
        process.start()


@contextlib.contextmanager
def controller_pause(site: Site, element: str) -> Iterator[None]:
    """The controller does nothing more (SIGSTOP), and goes on when the fault ends (SIGCONT).

    Its connections stay open, until a switch that gets no answer to its echo requests closes one.
    """
    process = _process(site, "controller_pause", element)
    with site.shared((CONTROLLER, "halted"), lambda: _halted(process)):
        yield


@contextlib.contextmanager
def _halted(process: Daemon) -> Iterator[None]:
    process.halt()
    try:
        yield
    finally:
        process.resume()


@contextlib.contextmanager
def controller_cut(site: Site, element: str) -> Iterator[None]:
    """Segments between the controller and switch ``element`` are dropped; of every switch, if it is the controller.

    Neither end is told; each finds out by its own timers. Each switch reaches the controller by a loopback address of
    its own: that is how the segments of one are told from those of the others.
    """
    _process(site, "controller_cut", element)
    topology = site.network.topology
    with contextlib.ExitStack() as stack:
        for place, switch in enumerate(topology.switches, start=1):
            if element not in (CONTROLLER, switch.name):
                continue
            address = controller_address(place)
            stack.enter_context(tc.cut_off(site, address, OPENFLOW_PORT))
        yield


def _process(site: Site, fault: str, element: str) -> Daemon:
    if site.network.controller is None:
        raise SpecError(
            f"{fault} takes a controller that is a process of its own; here there is none ({element!r} does not run)",
            "Use --set controller=testbed.",
        )
    return site.network.controller
