"""Loads before, during and after a fault: what the ways carry, and what it costs on the wire."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from testbed.observe.offered_load import offer
from testbed.theory.goodput import ETHERNET_HEADER_BYTES, VLAN_TAG_BYTES

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: The load that fills the ways: so many times what all of them carry, for so long. Two ways of 100 Mbit/s or more then
#: queue less than 80 ms, which neither LACP nor BFD takes for a failure.
_OVER, _FULL_S = 1.4, 0.2
#: The load that no way is filled by: this part of what one carries.
_UNDER, _LIGHT_S = 0.2, 0.2


def loaded(lab: Lab) -> dict[str, Any]:
    """Offer a light load, counting the octets that all links send meanwhile, then one that fills all ways."""
    topology = lab.topology
    rates = [topology.link_of(member).rate_mbps or 0.0 for member in lab.members(lab.client)]
    chance = random.Random(f"loads {lab.trial.seed}")
    before = _sent_octets(lab)
    light = offer(lab.network, *lab.pair, mbps=_UNDER * min(rates), seconds=_LIGHT_S, chance=chance)
    octets = _sent_octets(lab) - before
    full = offer(lab.network, *lab.pair, mbps=_OVER * sum(rates), seconds=_FULL_S, chance=chance)
    return {"light": {**light, "wire_octets": octets}, "full": full}


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
