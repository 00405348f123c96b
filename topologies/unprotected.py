"""Two hosts without bonds at the ends of a row of switches: nothing is redundant.

      +--------+  h1-eth0   s1-eth1  +------+  s1-eth2     s2-eth1  +------+  s2-eth2   h2-eth0  +--------+
      |   h1   |---------------------|  s1  |--------- ... ---------|  s2  |---------------------|   h2   |
      +--------+                     +------+                       +------+                     +--------+
       10.0.0.1                           `switches` switches in a row                            10.0.0.2

Survives nothing: every link and every switch is a single point of failure. The other topologies are compared with it.
"""

from __future__ import annotations

import itertools

from testbed.spec import Addressing, Cable, Topology
from testbed.spec.wiring import Wiring


def unprotected(
    *, switches: int = 2, cable: Cable = Cable(), rx_coalesce_us: int = 100, addressing: Addressing = Addressing()
) -> Topology:
    """Two hosts, each with one link, at the ends of a row of ``switches``."""
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us, addressing=addressing)
    names = net.switches(switches)
    net.single("h1", names[0])
    for near, far in itertools.pairwise(names):
        net.join(near, far)
    net.single("h2", names[-1])
    return net.topology("unprotected")
