"""Loads before, during and after a fault: what the ways carry, and what it costs on the wire."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from testbed.observe.messages import connections
from testbed.observe.offered_load import offer, stream
from testbed.theory.goodput import ETHERNET_HEADER_BYTES, VLAN_TAG_BYTES
from testbed.theory.loads import FULL_TIMES

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: The load that fills the ways: so many times what all of them carry, for so long. Two ways of 100 Mbit/s or more then
#: queue less than 80 ms, which neither LACP nor BFD takes for a failure.
_OVER, _FULL_S = FULL_TIMES, 0.2
#: The load that no way is filled by: this part of what one carries.
_UNDER, _LIGHT_S = 0.2, 0.2
#: A stream finds out by itself what the ways carry, and needs time for it.
_STREAM_S = 1.0
#: Nothing listens there (RFC 863); how long the packet may take.
_DISCARD_PORT, _INTRODUCED_S = 9, 0.05
#: Beside those of messages, which go at the same time (testbed.observe.messages).
_STREAM_PORT = 9100

#: Offers a load once, or both.
Load = Callable[[], dict[str, Any]]


@contextlib.contextmanager
def loading(lab: Lab) -> Iterator[Load]:
    """What offers both loads: a light one, while the octets of all links are counted, then one that fills all ways.

    Packets of many flows; where Multipath TCP joins the ways one connection, which stays open while the block runs.
    """
    bond = lab.topology.host(lab.client).bond
    if bond is None or bond.mode != "mptcp":
        yield lambda: _offered(lab)
        return
    with connections(lab.network, [lab.pair], ports=[_STREAM_PORT]) as (opened,):
        light_octets = round(_UNDER * min(_rates_mbps(lab)) * 1e6 / 8 * _LIGHT_S)
        sending = functools.partial(stream, opened.sender, opened.receiver, seconds=_STREAM_S)
        yield lambda: _both(lab, lambda: sending(octets=light_octets), sending)


def _offered(lab: Lab) -> dict[str, Any]:
    chance = random.Random(f"loads {lab.trial.seed}")
    rates = _rates_mbps(lab)
    offering = functools.partial(offer, lab.network, *lab.pair, chance=chance)
    _introduce(lab)
    return _both(
        lab,
        lambda: offering(mbps=_UNDER * min(rates), seconds=_LIGHT_S),
        lambda: offering(mbps=_OVER * sum(rates), seconds=_FULL_S),
    )


def _both(lab: Lab, light: Load, full: Load) -> dict[str, Any]:
    """One load after the other; of the light one also the octets that all links carried meanwhile."""
    before = _sent_octets(lab)
    found = light()
    octets = _sent_octets(lab) - before
    return {"light": {**found, "wire_octets": octets}, "full": full()}


def _introduce(lab: Lab) -> None:
    """Let the server send a packet to the client: switches that have forgotten its address would flood the load, which
    goes one way only, as they do not with traffic that is answered."""
    with lab.socket(lab.server) as sock:
        sock.sendto(b"", (lab.topology.host(lab.client).ip, _DISCARD_PORT))
    lab.sleep_until(lab.now() + _INTRODUCED_S)


def _rates_mbps(lab: Lab) -> list[float]:
    return [lab.topology.link_of(member).rate_mbps or 0.0 for member in lab.members(lab.client)]


def _sent_octets(lab: Lab) -> int:
    """The octets that all links have carried, as their sending ends count them: frames without FCS.

    A veth counts what it sends as its peer received it. One that merges frames (GRO), as hosts' interfaces do, counts
    them without their headers (veth_xdp_rcv); and a tag is beside the frame, where it is not counted.
    """
    topology = lab.topology
    merging = {host.name for host in topology.hosts if host.rx_coalesce_us}
    tag = VLAN_TAG_BYTES * any(host.vlan for host in topology.hosts)
    found = lab.counters(list(topology.ports))["interfaces"]
    octets = 0
    for name, counted in found.items():
        header = ETHERNET_HEADER_BYTES if topology.far(name).node in merging else 0
        octets += int(counted["tx_bytes"]) + (header + tag) * int(counted["tx_packets"])
    return octets
