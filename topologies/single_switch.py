"""Two bonded hosts on one switch.

          +--------+   h1-eth0      s1-eth1   +--------+   s1-eth3      h2-eth0   +--------+
          |        |==========================|        |==========================|        |
          |   h1   |          ...             |   s1   |          ...             |   h2   |
          | bond0  |==========================|        |==========================| bond0  |
          +--------+   h1-eth1      s1-eth2   +--------+   s1-eth4      h2-eth1   +--------+
           10.0.0.1      `members` links       LAG to h1, LAG to h2                10.0.0.2

Survives the loss of any member link; s1 is a single point of failure.
"""

from __future__ import annotations

from testbed.spec import Addressing, BondOptions, Cable, LagOptions, Topology
from testbed.spec.wiring import Wiring


def single_switch(
    *,
    members: int = 2,
    member_rates: str = "",
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """Two hosts with bonds of ``members`` links to one switch, which has the LAGs that the mode needs."""
    net = Wiring(
        cable=cable,
        bonding=bonding,
        lag=lag,
        rx_coalesce_us=rx_coalesce_us,
        addressing=addressing,
        member_rates=member_rates,
    )
    (switch,) = net.switches(1)
    for host in ("h1", "h2"):
        net.bonded(host, [switch] * members)
    return net.topology("single_switch")
