"""Faults of the controller's process, and of the connections to it.

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

from testbed.emulation.controller_process import ControllerProcess
from testbed.emulation.network import CONTROLLER_PORT, controller_address
from testbed.errors import SpecError
from testbed.faults.catalogue import CONTROLLER
from testbed.inject import tc
from testbed.inject.context import InjectionContext


@contextlib.contextmanager
def controller_crash(context: InjectionContext, element: str) -> Iterator[None]:
    """The controller is killed (SIGKILL); it starts again when the fault ends.

    The switches go on with the flows and groups that they have (OpenFlow Switch Specification 1.5.1, 6.4: fail secure
    mode), and try to connect every second.
    """
    process = _process(context, "controller_crash", element)
    with context.shared(CONTROLLER, lambda: _dead(process)):
        yield


@contextlib.contextmanager
def _dead(process: ControllerProcess) -> Iterator[None]:
    process.kill()
    try:
        yield
    finally:
        process.start()


@contextlib.contextmanager
def controller_pause(context: InjectionContext, element: str) -> Iterator[None]:
    """The controller stops responding (SIGSTOP) and goes on when the fault ends (SIGCONT).

    Its connections stay open until a switch gets no answer to its echo requests and closes its own.
    """
    process = _process(context, "controller_pause", element)
    with context.shared((CONTROLLER, "halted"), lambda: _halted(process)):
        yield


@contextlib.contextmanager
def _halted(process: ControllerProcess) -> Iterator[None]:
    process.halt()
    try:
        yield
    finally:
        process.go_on()


@contextlib.contextmanager
def controller_cut(context: InjectionContext, element: str) -> Iterator[None]:
    """Segments between the controller and switch ``element`` are dropped; of every switch, if it is the controller.

    Neither end is notified; each detects the loss by its own timers. Each switch reaches the controller at a loopback
    address of its own, so that its segments can be distinguished from those of the others.
    """
    _process(context, "controller_cut", element)
    topology = context.network.topology
    names = [switch.name for switch in topology.switches] if element == CONTROLLER else [element]
    with contextlib.ExitStack() as stack:
        for name in names:
            address = controller_address(next(s.dpid for s in topology.switches if s.name == name))
            stack.enter_context(tc.cut_off(context, address, CONTROLLER_PORT))
        yield


def _process(context: InjectionContext, fault: str, element: str) -> ControllerProcess:
    if context.network.controller is None:
        raise SpecError(
            f"{fault} takes a controller that is a process of its own, and none is running ({element!r})",
            "Use --set controller=testbed.",
        )
    return context.network.controller
