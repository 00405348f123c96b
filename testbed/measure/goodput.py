"""Goodput of parallel flows over one window that is common to all of them.

flow 1   |------ omitted ------|=========================|
flow 2       |------ omitted ------|=========================|
                                   |<----- window ------>|     all have sent for longer than is omitted, none ended

Sums over windows that do not coincide exceed what a link carries. Here all counts are of the same two instants, and no
more counts than the receiver's links carried between them: what had come before and lay out of sequence does not. So no
goodput is above the links' capacity, but for one frame of each link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from testbed import theory
from testbed.errors import TrialError
from testbed.measure.rates import load as load_rates
from testbed.measure.raw import Event, event_of
from testbed.measure.tcp_stall import Delivered
from testbed.spec import Topology

Window = tuple[float, float]

#: Samples are some microseconds late now and then. Where flows grow, the next is within so many periods.
_LATE = 1.5


def ideal_mbps(topology: Topology, protocol: str = "tcp", mtu: int = 1500) -> float | None:
    """What the links between the measured pair, and the bonds at both ends, can deliver of full packets, in Mbit/s;
    None if a link has no rate."""
    rate_mbps = theory.pair_mbps(topology, *topology.pair)
    return None if rate_mbps is None else rate_mbps * _fraction(topology, protocol, mtu)


def link_mbps(topology: Topology, protocol: str = "tcp", mtu: int = 1500) -> float | None:
    """What one link of the measured pair delivers of full packets at most, in Mbit/s; None if it has no rate."""
    rate_mbps = topology.link_of(topology.members(topology.client)[0]).rate_mbps
    return None if rate_mbps is None else rate_mbps * _fraction(topology, protocol, mtu)


def _fraction(topology: Topology, protocol: str, mtu: int) -> float:
    client = topology.host(topology.client)
    trailer = client.bond.trailer_bytes if client.bond else 0
    return theory.goodput_fraction(protocol, mtu, ip=client.ip_version, vlan=bool(client.vlan), trailer_bytes=trailer)


def common_window(timeline: Sequence[Event], seconds: float, omit_s: float) -> Window:
    """From when the flow that started last has sent for ``omit_s`` until the first one may have ended.

    Each sends for ``omit_s`` and then ``seconds``. Errors: TrialError if there is no such time.
    """
    first_s, last_s = (float(event_of(timeline, "iperf3", name)["t_s"]) for name in ("begin", "started"))
    begin_s, end_s = last_s + omit_s, first_s + omit_s + seconds
    if begin_s >= end_s:
        raise TrialError(f"the last flow started {last_s - first_s:.3f} s after the first: no window is common to all")
    return begin_s, end_s


def tcp_mbps(flows: Mapping[int, Delivered], window: Window, period_s: float) -> float:
    """What all flows together had delivered to their receiver, in Mbit/s of payload.

    An end of the window moves inward to the next instant at which the receiving kernel was asked, which it is every
    ``period_s``; where no flow had grown by then, nothing was under way and the end stays.
    """
    within_s = _LATE * period_s
    grown = np.unique(np.concatenate([flow.t_s for flow in flows.values()]))
    begin_s, end_s = window
    first, last = grown[grown >= begin_s], grown[grown <= end_s]
    if len(first) and first[0] <= begin_s + within_s:
        begin_s = float(first[0])
    if len(last) and last[-1] >= end_s - within_s:
        end_s = float(last[-1])
    if begin_s >= end_s:
        raise TrialError(f"no two samples of the flows between {window[0]:.3f} and {window[1]:.3f} s")
    octets = sum(flow.until(end_s) - flow.until(begin_s) for flow in flows.values())
    return octets * 8 / (end_s - begin_s) / 1e6


def carried_mbps(path: Path, topology: Topology, window: Window, protocol: str, mtu: int) -> float:
    """What the receiver's links carried, by their counters (a member_rates.csv), in Mbit/s of payload of full packets.

    A veth counts what it receives without Ethernet header and tag (veth.c, after eth_type_trans). Where each link
    carries a copy of all (PRP, HSR), the one that carried most counts. Errors: TrialError if no two samples are in the
    window.
    """
    server = topology.host(topology.server)
    samples = load_rates(path)
    found: list[float] = []
    for name in topology.members(server.name):
        inside = np.flatnonzero((samples[name].t_s >= window[0]) & (samples[name].t_s <= window[1]))
        if len(inside) < 2:
            raise TrialError(f"no two samples of {name} between {window[0]:.3f} and {window[1]:.3f} s")
        ends = inside[[0, -1]]
        seconds = float(np.diff(samples[name].t_s[ends])[0])
        found.append(int(np.diff(samples[name].rx_bytes[ends])[0]) * 8 / seconds / 1e6)
    trailer = server.bond.trailer_bytes if server.bond else 0
    carried = max(found) if trailer else sum(found)
    return carried * theory.payload_bytes(protocol, mtu - trailer, server.ip_version) / mtu
