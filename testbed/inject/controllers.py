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

from testbed.controller import OPENFLOW_PORT
from testbed.emulation.daemon import Daemon
from testbed.errors import SpecError
from testbed.faults.catalogue import CONTROLLER
from testbed.inject import tc
from testbed.inject.context import InjectionContext
from testbed.spec.addressing import controller_address


@contextlib.contextmanager
def controller_crash(context: InjectionContext, element: str) -> Iterator[None]:
    """The controller is killed (SIGKILL); it starts again when the fault ends.

    The switches continue with the flows and groups that they have (OpenFlow Switch Specification 1.5.1, 6.4: fail
    secure mode), and try to connect every second.
    """
    process = _process(context, "controller_crash", element)
    with context.shared(CONTROLLER, process.killed):
        yield


@contextlib.contextmanager
def controller_pause(context: InjectionContext, element: str) -> Iterator[None]:
    """The controller stops responding (SIGSTOP) and continues when the fault ends (SIGCONT).

    Its connections stay open until a switch gets no answer to its echo requests and closes its own.
    """
    process = _process(context, "controller_pause", element)
    with context.shared((CONTROLLER, "halted"), process.halted):
        yield


@contextlib.contextmanager
def controller_cut(context: InjectionContext, element: str) -> Iterator[None]:
    """Segments between the controller and switch ``element`` are dropped; of every switch, if it is the controller.

    Neither end is notified; each detects the loss by its own timers. Each switch reaches the controller at a loopback
    address of its own, so that its segments can be distinguished from those of the others.
    """
    _process(context, "controller_cut", element)
    with contextlib.ExitStack() as stack:
        for place, switch in enumerate(context.network.topology.switches, start=1):
            if element in (CONTROLLER, switch.name):
                stack.enter_context(tc.cut_off(context, controller_address(place), OPENFLOW_PORT))
        yield


def _process(context: InjectionContext, fault: str, element: str) -> Daemon:
    if context.network.controller is None:
        raise SpecError(
            f"{fault} takes a controller that is a process of its own, and none is running ({element!r})",
            "Use --set controller=testbed.",
        )
    return context.network.controller
