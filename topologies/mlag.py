"""Two hosts, each with one LAG to two switches that act as one LACP system; a third host has one link to the first.

                    h1-eth0      s1-eth1   +--------+   s1-eth2      h2-eth0
           +===============================|        |===============================+
           |              ...              |   s1   |              ...              |
           |                               |        |-----------+ s1-eth4           |
      +--------+                           +--------+           |              +--------+
      |   h1   |                       s1-eth3 ||           +--------+         |   h2   |
      | bond0  |                  peer link(s) ||           |   h3   |         | bond0  |
      +--------+                       s2-eth3 ||           +--------+         +--------+
       10.0.0.1                            +--------+        10.0.0.3           10.0.0.2
           |                               |        |                               |
           |              ...              |   s2   |              ...              |
           +===============================|        |===============================+
                    h1-eth1      s2-eth1   +--------+   s2-eth2      h2-eth1

Survives the loss of any link but h3's, and of s2; the loss of s1 disconnects only h3. Each host sees one partner, and
all members carry traffic. The peer link carries frames that a switch cannot deliver itself: to and from h3, and to a
host whose members on that switch have failed. If it fails, s2 leaves the LAGs, so that all hosts use s1.
"""

from __future__ import annotations

from testbed.spec import Addressing, BondOptions, Cable, LagOptions, Topology
from testbed.spec.wiring import Wiring


def mlag(
    *,
    members: int = 1,
    peer_members: int = 1,
    isolate: bool = True,
    member_rates: str = "",
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """Two hosts with ``members`` links to each of two switches, which are connected by ``peer_members`` links."""
    net = Wiring(
        cable=cable,
        bonding=bonding,
        lag=lag,
        rx_coalesce_us=rx_coalesce_us,
        addressing=addressing,
        member_rates=member_rates,
    )
    pair = net.switches(2, isolate=isolate)
    for host in ("h1", "h2"):
        net.bonded(host, pair * members)
    net.join(*pair, members=peer_members, name="peer")
    net.single("h3", pair[0])
    return net.topology("mlag")
