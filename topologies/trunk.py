"""Two bonded hosts, each on its own switch; the switches are connected by a LAG.

      +--------+  h1-eth0   s1-eth1  +------+  s1-eth3     s2-eth3  +------+  s2-eth1   h2-eth0  +--------+
      |        |=====================|      |=======================|      |=====================|        |
      |   h1   |         ...         |  s1  |          ...          |  s2  |         ...         |   h2   |
      | bond0  |=====================|      |=======================|      |=====================| bond0  |
      +--------+  h1-eth1   s1-eth2  +------+  s1-eth4     s2-eth4  +------+  s2-eth2   h2-eth1  +--------+
       10.0.0.1    `members` links               `trunk_members` links        `members` links     10.0.0.2

Survives the loss of any link as long as one of the same LAG remains; each switch is a single point of failure. The LAG
in the middle uses LACP at both ends; s1 and s2 are two LACP systems.
"""

from __future__ import annotations

from testbed.spec import Addressing, BondOptions, Cable, LagOptions, Topology
from testbed.spec.wiring import Wiring


def trunk(
    *,
    members: int = 2,
    trunk_members: int = 2,
    member_rates: str = "",
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """Two hosts with ``members`` links each to their switches, which are connected by a LAG of ``trunk_members``."""
    net = Wiring(
        cable=cable,
        bonding=bonding,
        lag=lag,
        rx_coalesce_us=rx_coalesce_us,
        addressing=addressing,
        member_rates=member_rates,
    )
    switches = net.switches(2)
    for host, switch in zip(("h1", "h2"), switches, strict=True):
        net.bonded(host, [switch] * members, system=switch)
    net.join(*switches, members=trunk_members, rate=bonding.lacp_rate)
    return net.topology("trunk")
