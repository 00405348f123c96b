"""Two bonded hosts, connected member to member without a switch.

      +--------+   h1-eth0      h2-eth0   +--------+
      |        |--------------------------|        |
      |   h1   |           ...            |   h2   |
      | bond0  |--------------------------| bond0  |
      +--------+   h1-eth1      h2-eth1   +--------+
       10.0.0.1      `members` links       10.0.0.2

Survives the loss of any link as long as one remains. With 802.3ad each host is the other's LACP partner.
"""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.spec import Addressing, BondOptions, Cable, Topology
from testbed.spec.wiring import Wiring


def back_to_back(
    *,
    members: int = 2,
    member_rates: str = "",
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    bonding: BondOptions = BondOptions(),
) -> Topology:
    """Two hosts whose bonds are connected by ``members`` links."""
    if bonding.mode in ("balance-tlb", "balance-alb"):
        raise SpecError(
            f"back_to_back does not take mode {bonding.mode}: it would send on members on which the other bond,"
            " which chooses its members by itself, receives nothing",
            "Use another mode, or --topology single_switch.",
        )
    net = Wiring(
        cable=cable, bonding=bonding, rx_coalesce_us=rx_coalesce_us, addressing=addressing, member_rates=member_rates
    )
    net.back_to_back("h1", "h2", members)
    return net.topology("back_to_back")
