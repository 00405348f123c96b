"""Faults: named, on one named element, with a beginning and an end on the trial's clock.

carrier_loss: the cable of one member is pulled

    host interface                            switch port
    +-----------+   link (veth pair)          +-----------+
    |  carrier  |============ X ==============|  carrier  |
    |   lost    |                             |   lost    |
    +-----------+                             +-----------+

silent_loss: the cable of one member carries nothing any more, and neither end is told

    host interface                            switch port
    +-----------+ dropped             dropped +-----------+
    |  carrier  |--> X                 X <----|  carrier  |
    |           |=============================|           |
    +-----------+   link (veth pair)          +-----------+
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from testbed.errors import SpecError, unknown

if TYPE_CHECKING:
    from testbed.emulation.network import Network

Fault = Callable[["Network", str], AbstractContextManager[None]]


@contextlib.contextmanager
def carrier_loss(network: Network, element: str) -> Iterator[None]:
    """Both ends of the link of switch port ``element`` lose carrier; both have it again afterwards.

    The switch's end is set down: a veth whose far end is down has no carrier, and neither has one that is down.
    """
    _check_port(network, "carrier_loss", element)
    network.set_link(element, up=False)
    try:
        yield
    finally:
        network.set_link(element, up=True)


@contextlib.contextmanager
def silent_loss(network: Network, element: str) -> Iterator[None]:
    """Both ends of the link of switch port ``element`` drop what they would send, and keep their carrier.

    No monitor of the carrier can see it; LACP's timeouts can.
    """
    _check_port(network, "silent_loss", element)
    _, far = network.topology.link_of(element).other(element)
    with network.dropping(element), network.dropping(far):
        yield


@contextlib.contextmanager
def none(network: Network, element: str) -> Iterator[None]:
    """Nothing happens: what a trial shows then is the testbed's own doing."""
    del network, element
    yield


FAULTS: dict[str, Fault] = {"carrier_loss": carrier_loss, "silent_loss": silent_loss, "none": none}


def _check_port(network: Network, fault: str, element: str) -> None:
    topology = network.topology
    if element not in {i for switch in topology.switches for i in topology.interfaces(switch.name)}:
        raise SpecError(f"{fault} takes a switch port, not {element!r}")


def fault(name: str) -> Fault:
    """The fault of that name. Errors: SpecError naming the known ones."""
    if name not in FAULTS:
        raise unknown("fault", name, FAULTS)
    return FAULTS[name]
