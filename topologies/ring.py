"""Switches in a ring, with two bonded hosts on opposite sides.

                          +--------+     h1      +--------+
                          |   s1   |== bond0 ====|   s2   |       h1: one member to s1, one to s2
                          |        |-------------|        |
                          +--------+             +--------+
                              |                      |            `switches` switches; each has a
                             ...                    ...           link to the next, the last to s1
                              |                      |
                          +--------+     h2      +--------+
                          |   s4   |== bond0 ====|   s3   |       h2: one member to s3, one to s4
                          |        |-------------|        |
                          +--------+             +--------+

Survives the loss of any link or switch. The controller floods along a spanning tree, so that
broadcast does not loop. With dual_homed=false each switch has one host with one link instead: then the ring survives
the loss of any of its links, and the loss of a switch disconnects its host.
"""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.spec import Addressing, BondOptions, Cable, LagOptions, Topology
from testbed.spec.wiring import Wiring


def ring(
    *,
    switches: int = 4,
    members: int = 1,
    dual_homed: bool = True,
    isolate: bool = True,
    member_rates: str = "",
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """``switches`` in a ring; two hosts with ``members`` links to each of two neighbours, or a host on each switch."""
    if switches < 3:
        raise SpecError(f"ring needs 3 switches or more, not {switches}", "For two: --topology trunk, or mlag.")
    net = Wiring(
        cable=cable,
        bonding=bonding,
        lag=lag,
        rx_coalesce_us=rx_coalesce_us,
        addressing=addressing,
        member_rates=member_rates,
    )
    names = net.switches(switches, isolate=isolate)
    half = switches // 2
    if dual_homed:
        net.bonded("h1", names[:2] * members, system="left")
        net.bonded("h2", names[half : half + 2] * members, system="right")
    else:
        for number, switch in enumerate(names, start=1):
            net.single(f"h{number}", switch)
    for near, far in zip(names, [*names[1:], names[0]], strict=True):
        net.join(near, far)
    return net.topology("ring")
