"""Faults of one cable, between a host and a switch or between two switches.

carrier_loss: the cable is pulled                       silent_loss: no frame passes, carrier stays

    host end                       switch end           host end                       switch end
    +-----------+                 +-----------+         +-----------+ dropped dropped +-----------+
    |  carrier  |======= X =======|  carrier  |         |  carrier  |--> X       X <--|  carrier  |
    |   lost    |                 |   lost    |         |           |=================|           |
    +-----------+                 +-----------+         +-----------+                 +-----------+

lacp_loss: LACPDUs are lost, other frames pass          flapping: carrier lost and back periodically

    +-----------+ LACPDU          +-----------+         up   ----+  duty  +----+        +----
    |           |--> X            |           |                  |        |    |        |
    |           |--> data ------->|           |         down     +--------+    +--------+
    +-----------+                 +-----------+                  |<- period -->|

miscabling: two cables of two LAGs are plugged into each other's switch port

    h1-eth0 ====\\ /==== s1-eth1 (LAG to h1)
                 X
    h2-eth0 ====/ \\==== s1-eth3 (LAG to h2)
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from testbed.background import in_background
from testbed.errors import SpecError
from testbed.faults.cabling import link_named, other_cable
from testbed.inject import restore, tc
from testbed.inject.context import InjectionContext
from testbed.inject.impairment import Impairment


@contextlib.contextmanager
def carrier_loss(context: InjectionContext, element: str, *, side: str) -> Iterator[None]:
    """Both ends of the cable lose carrier, and have it again afterwards.

    ``side`` says which end is set down. A veth has no carrier if it is down or its far end is. So the end that is not
    set down only loses its carrier, as with a cable that is pulled; the end that is set down is also reported as
    administratively down.
    """
    ends = _ends(context, element)
    chosen = ends if side == "both" else (ends[side == "switch"],)
    with contextlib.ExitStack() as stack:
        for end in chosen:
            stack.enter_context(_down(context, end))
        yield


@contextlib.contextmanager
def silent_loss(context: InjectionContext, element: str, *, direction: str) -> Iterator[None]:
    """Both ends of the cable, or the one that sends in that ``direction``, drop what they would send.

    They keep their carrier. So MII monitoring cannot detect the loss; LACP's timeouts and the ARP monitor can.
    """
    with contextlib.ExitStack() as stack:
        for end in _sending(context, element, direction):
            stack.enter_context(tc.dropping(context, end))
        yield


@contextlib.contextmanager
def lacp_loss(context: InjectionContext, element: str, *, direction: str) -> Iterator[None]:
    """Frames of the Slow Protocols, LACPDUs among them (IEEE 802.3, annex 57A), are dropped; all others pass."""
    with contextlib.ExitStack() as stack:
        for end in _sending(context, element, direction):
            stack.enter_context(tc.dropping(context, end, tc.SLOW_PROTOCOLS))
        yield


@contextlib.contextmanager
def lossy(context: InjectionContext, element: str, *, loss_percent: float, seed: int, direction: str) -> Iterator[None]:
    """Each frame is lost with the same probability, by the kernel's netem with this ``seed``; 0: drawn at random."""
    first = seed or context.rng.getrandbits(63) | 1
    with contextlib.ExitStack() as stack:
        for place, end in enumerate(_sending(context, element, direction)):
            impairment = Impairment(loss=loss_percent / 100, seed=first + place)
            stack.enter_context(tc.impaired(context, end, impairment))
        yield


@contextlib.contextmanager
def slow(context: InjectionContext, element: str, *, delay_ms: float, rate_mbps: float) -> Iterator[None]:
    """Both directions take ``delay_ms`` longer; with ``rate_mbps`` they carry no more than that."""
    with contextlib.ExitStack() as stack:
        for end in _ends(context, element):
            stack.enter_context(tc.impaired(context, end, Impairment(delay_ms=delay_ms, rate_mbps=rate_mbps)))
        yield


@contextlib.contextmanager
def flapping(context: InjectionContext, element: str, *, period_ms: float, duty: float, count: int) -> Iterator[None]:
    """The switch's end is down for the first ``duty`` of each period, ``count`` times or as long as the block runs."""
    _, end = _ends(context, element)

    def flap(ended: threading.Event) -> None:
        started, number = time.monotonic(), 0
        while not ended.is_set() and (count == 0 or number < count):
            # As with every fault, the instant is noted before the change.
            context.note("fault", "flap", interface=end, carrier=False)
            with _down(context, end):
                ended.wait(started + (number + duty) * period_ms / 1e3 - time.monotonic())
                context.note("fault", "flap", interface=end, carrier=True)
            number += 1
            ended.wait(started + number * period_ms / 1e3 - time.monotonic())

    with in_background("flapping", flap):
        yield


@contextlib.contextmanager
def miscabling(context: InjectionContext, element: str, *, other: str, unplugged_ms: float) -> Iterator[None]:
    """The cable and ``other`` are plugged into each other's switch port; both are unplugged while they are moved.

    The interfaces at the switch's end move: each gets the other's port number and settings. So the switch receives the
    frames of one cable at the port where it received those of the other before. Name and address go with the cable.
    """
    pair = other_cable(context.network.topology, element, other)
    if context.holds("miscabling"):
        raise SpecError(
            "miscabling: another pair of cables is swapped already, and only one pair may be swapped at a time"
        )
    with context.shared("miscabling", lambda: _swapped(context, pair, unplugged_ms / 1e3)):
        yield


@contextlib.contextmanager
def _swapped(context: InjectionContext, pair: tuple[str, str], unplugged_s: float) -> Iterator[None]:
    _swap(context, pair, unplugged_s)
    try:
        yield
    finally:
        _swap(context, pair, unplugged_s)


def _swap(context: InjectionContext, pair: tuple[str, str], unplugged_s: float) -> None:
    with contextlib.ExitStack() as stack:
        for end in pair:
            stack.enter_context(_down(context, end))
        with restore.queueing(context, pair):
            context.network.ovs.swap(*pair)
        time.sleep(unplugged_s)


def _ends(context: InjectionContext, element: str) -> tuple[str, str]:
    """The interfaces at the host end and at the switch end of a cable."""
    _, first, second = link_named(context.network.topology, element)
    return first, second


def _sending(context: InjectionContext, element: str, direction: str) -> tuple[str, ...]:
    first, second = _ends(context, element)
    return {"both": (first, second), "to_host": (second,), "from_host": (first,)}[direction]


def _down(context: InjectionContext, interface: str) -> contextlib.AbstractContextManager[None]:
    return restore.down(context, context.network.topology.owner(interface), interface)
