"""How TCP reacts to an outage of its path. Pure.

    last ACK      probe         first               second                    third
       |-- PTO ---->|---- R ----->|------- 2 R ------->|---------- 4 R ---------->|     tries
       x x x x x x x x x x x x x x x x x x x x
       |<-------------- outage -------------->|
       |<--------------- stall ----------------------->|                               the next try gets through

A sender that receives no acknowledgement has only its timers: it continues not when the path is back, but when it
next tries. Times are Linux' (net/ipv4/tcp_output.c, tcp_timer.c, tcp_input.c), with the RFC that each follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from testbed.theory.ticks import GUEST_HZ, monitor_period_s

#: The least that the retransmission timeout is longer than the round-trip time (TCP_RTO_MIN; RFC 6298, 2.4, asks for
#: a timeout of a second).
RTO_MIN_S = 0.200
#: How long a receiver keeps an acknowledgement back for data that may go with it (RFC 1122, 4.2.3.2; TCP_DELACK_MIN in
#: include/net/tcp.h).
DELAYED_ACK_S = 0.040
#: What the kernel adds to two round-trip times before it probes (TCP_TIMEOUT_MIN, two ticks).
_PROBE_TICKS = 2
#: The weight of a new sample in the smoothed round-trip time (RFC 6298, 2.3).
_SAMPLE = 1 / 8


def tries_s(rtt_s: float, hz: int = GUEST_HZ) -> Iterator[float]:
    """When a sender tries again, at the latest, in seconds after the last acknowledgement, if the round-trip time was
    steady at ``rtt_s``: a probe after two of them (RFC 8985, 7.2), then after the retransmission timeout (RFC 6298,
    2.3), which doubles each time (5.5). Each timer is as coarse as the kernel's wheel."""
    at_s = kernel_timer_s(2 * rtt_s + _PROBE_TICKS / hz, hz)
    yield at_s
    timeout_s = rtt_s + RTO_MIN_S
    while True:
        at_s += kernel_timer_s(timeout_s, hz)
        yield at_s
        timeout_s *= 2


def next_try_s(outage_s: float, rtt_s: float, hz: int = GUEST_HZ) -> float:
    """The first try, in seconds after the last acknowledgement, that comes when the path has been away for so long."""
    return next(at_s for at_s in tries_s(rtt_s, hz) if at_s >= outage_s)


def mistaken_s(first_s: float, rtt_s: float, hz: int = GUEST_HZ) -> float:
    """When a sender probes again that took its first try to get through, ``first_s`` after the last acknowledgement,
    for a mistake: what that try repeated had arrived before, and only the acknowledgement had been lost.

    The sender then takes everything else for still on its way (F-RTO, RFC 5682), until it probes, by a round-trip time
    into which the stall has been counted.
    """
    smoothed_s = (1 - _SAMPLE) * rtt_s + _SAMPLE * first_s
    return first_s + kernel_timer_s(2 * smoothed_s + _PROBE_TICKS / hz, hz)


def second_try_s(outage_s: float, rtt_s: float, hz: int = GUEST_HZ) -> float:
    """When a sender probes whose first try after the outage got through and was taken for a mistake, in seconds after
    the last acknowledgement: the one that shows it the mistake comes a round trip after that try (`mistaken_s`)."""
    return mistaken_s(next_try_s(outage_s, rtt_s, hz) + rtt_s, rtt_s, hz)


def longest_stall_s(outage_s: float, rtt_s: float, hz: int = GUEST_HZ) -> float:
    """The longest stall that a receiver sees of a flow whose path is away for ``outage_s``.

    Nothing is delivered until the first try after the outage has crossed the path, and little if that is taken for a
    mistake. A flow of which some packets arrive resumes earlier. ``rtt_s`` is the longest round-trip time; a shorter
    one may make a try come too early, and so the stall longer.
    """
    shorter_s = (milliseconds / 1e3 for milliseconds in range(1, math.ceil(rtt_s * 1000)))
    return max(_longest_s(outage_s, each_s, hz) for each_s in (rtt_s, *shorter_s))


def _longest_s(outage_s: float, rtt_s: float, hz: int) -> float:
    # The last acknowledgement may have left a round trip before the outage began.
    first_s = next_try_s(outage_s + rtt_s, rtt_s, hz)
    return mistaken_s(first_s + rtt_s, rtt_s, hz) + 2 * rtt_s


def kernel_timer_s(seconds: float, hz: int) -> float:
    """How long a timer of the kernel takes at the most."""
    return monitor_period_s(math.ceil(seconds * 1000), hz)
