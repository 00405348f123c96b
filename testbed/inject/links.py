"""Faults of one cable, between a host and a switch or between two switches.

carrier_loss: the cable is pulled                       silent_loss: no frame passes, and neither end is told

    host end                       switch end           host end                       switch end
    +-----------+                 +-----------+         +-----------+ dropped dropped +-----------+
    |  carrier  |======= X =======|  carrier  |         |  carrier  |--> X       X <--|  carrier  |
    |   lost    |                 |   lost    |         |           |=================|           |
    +-----------+                 +-----------+         +-----------+                 +-----------+

lacp_loss: LACPDUs vanish, other frames pass            flapping: carrier by the clock

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
from testbed.faults.catalogue import link_named, other_cable
from testbed.inject import restore, tc
from testbed.inject.context import Site


@contextlib.contextmanager
def carrier_loss(site: Site, element: str, *, side: str) -> Iterator[None]:
    """Both ends of the cable lose carrier, and have it again afterwards.

    ``side`` is whose end is set down: a veth whose far end is down has no carrier, and neither has one that is down.
    So the end that is not set down loses its carrier alone, as with a cable that is pulled, and the one that is set
    down is reported as down by its administrator as well.
    """
    ends = _ends(site, element)
    chosen = ends if side == "both" else (ends[side == "switch"],)
    with contextlib.ExitStack() as stack:
        for end in chosen:
            stack.enter_context(_down(site, end))
        yield


@contextlib.contextmanager
def silent_loss(site: Site, element: str, *, direction: str) -> Iterator[None]:
    """Both ends of the cable, or the one that sends in that ``direction``, drop what they would send.

    They keep their carrier: no monitor of it can notice; LACP's timeouts can, and the ARP monitor.
    """
    with contextlib.ExitStack() as stack:
        for end in _sending(site, element, direction):
            stack.enter_context(tc.dropping(site, end))
        yield


@contextlib.contextmanager
def lacp_loss(site: Site, element: str, *, direction: str) -> Iterator[None]:
    """Frames of the Slow Protocols, LACPDUs among them (IEEE 802.3, annex 57A), are dropped; all others pass."""
    with contextlib.ExitStack() as stack:
        for end in _sending(site, element, direction):
            stack.enter_context(tc.dropping(site, end, tc.SLOW_PROTOCOLS))
        yield


@contextlib.contextmanager
def lossy(site: Site, element: str, *, loss_percent: float, seed: int, direction: str) -> Iterator[None]:
    """Each frame vanishes with the same probability, by the kernel's netem, whose chance has a ``seed``."""
    first = seed or site.chance.getrandbits(63) | 1
    with contextlib.ExitStack() as stack:
        for place, end in enumerate(_sending(site, element, direction)):
            impairment = tc.Impairment(loss=loss_percent / 100, seed=first + place)
            stack.enter_context(tc.impaired(site, end, impairment))
        yield


@contextlib.contextmanager
def slow(site: Site, element: str, *, delay_ms: float, rate_mbps: float) -> Iterator[None]:
    """Both directions take ``delay_ms`` longer; with ``rate_mbps`` they carry no more than that."""
    with contextlib.ExitStack() as stack:
        for end in _ends(site, element):
            stack.enter_context(tc.impaired(site, end, tc.Impairment(delay_ms=delay_ms, rate_mbps=rate_mbps)))
        yield


@contextlib.contextmanager
def flapping(site: Site, element: str, *, period_ms: float, duty: float, count: int) -> Iterator[None]:
    """The switch's end is down for the first ``duty`` of each period, ``count`` times or as long as the block runs."""
    _, end = _ends(site, element)

    def flap(ended: threading.Event) -> None:
        begun, number = time.monotonic(), 0
        while not ended.is_set() and (count == 0 or number < count):
            # As with every fault, the instant is noted before the act.
            site.note("fault", "flap", interface=end, carrier=False)
            with _down(site, end):
                ended.wait(begun + (number + duty) * period_ms / 1e3 - time.monotonic())
                site.note("fault", "flap", interface=end, carrier=True)
            number += 1
            ended.wait(begun + number * period_ms / 1e3 - time.monotonic())

    with in_background("flapping", flap):
        yield


@contextlib.contextmanager
def miscabling(site: Site, element: str, *, other: str, unplugged_ms: float) -> Iterator[None]:
    """The cable and ``other`` are plugged into each other's switch port; both are unplugged while they are moved.

    What moves is the interface at the switch's end: each gets the other's port number and settings, so the switch sees
    frames of the one cable come in where the other's came in before. Its name and address go with the cable.
    """
    pair = other_cable(site.network.topology, element, other)
    if site.holds("miscabling"):
        raise SpecError(
            "miscabling: other cables are in each other's place already, and only one pair may be at a time"
        )
    with site.shared("miscabling", lambda: _swapped(site, pair, unplugged_ms / 1e3)):
        yield


@contextlib.contextmanager
def _swapped(site: Site, pair: tuple[str, str], unplugged_s: float) -> Iterator[None]:
    _swap(site, pair, unplugged_s)
    try:
        yield
    finally:
        _swap(site, pair, unplugged_s)


def _swap(site: Site, pair: tuple[str, str], unplugged_s: float) -> None:
    with contextlib.ExitStack() as stack:
        for end in pair:
            stack.enter_context(_down(site, end))
        with restore.queueing(site, pair):
            site.network.ovs.swap(*pair)
        time.sleep(unplugged_s)


def _ends(site: Site, element: str) -> tuple[str, str]:
    """The interfaces at the host end and at the switch end of a cable."""
    _, first, second = link_named(site.network.topology, element)
    return first, second


def _sending(site: Site, element: str, direction: str) -> tuple[str, ...]:
    first, second = _ends(site, element)
    return {"both": (first, second), "to_host": (second,), "from_host": (first,)}[direction]


def _down(site: Site, interface: str) -> contextlib.AbstractContextManager[None]:
    return restore.down(site, site.network.topology.owner(interface), interface)
