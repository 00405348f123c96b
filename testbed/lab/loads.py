"""Loads before, during and after a fault: what the ways carry, and what it costs on the wire."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from testbed.observe.offered_load import offer

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
    ways = len(rates) if len(rates) > 1 else len(topology.interfaces(topology.far(lab.members(lab.client)[0]).node))
    chance = random.Random(f"loads {lab.trial.seed}")
    before = _sent_octets(lab)
    light = offer(lab.network, *lab.pair, mbps=_UNDER * min(rates), seconds=_LIGHT_S, chance=chance)
    octets = _sent_octets(lab) - before
    full = offer(lab.network, *lab.pair, mbps=_OVER * max(rates) * max(1, ways), seconds=_FULL_S, chance=chance)
    return {"light": {**light, "wire_octets": octets}, "full": full}


def _sent_octets(lab: Lab) -> int:
    """The octets that all links have carried, as their sending ends count them: frames without FCS."""
    interfaces = list(lab.topology.ports)
    found = lab.counters(interfaces)["interfaces"]
    return sum(int(found[name]["tx_bytes"]) for name in interfaces)
