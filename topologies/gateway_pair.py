"""Two subnets, and two routers between them that stand in for one another by VRRP.

                                     +------+
                     +---------------|  r1  |---------------+
                     | 10.0.0.253    +------+    10.1.0.253 |
      +------+    +------+                              +------+    +------+
      |  h1  |----|  s1  |    10.0.0.254  10.1.0.254    |  s2  |----|  h2  |
      +------+    +------+      virtual: the master's   +------+    +------+
      10.0.0.1       | 10.0.0.252    +------+    10.1.0.252 |       10.1.0.2
                     +---------------|  r2  |---------------+
                                     +------+

Survives the loss of either router and of any of its links. The switches and the hosts' links are single points of
failure. More routers stand by where `vrrp_priorities` has more numbers.
"""

from __future__ import annotations

from testbed.spec import Addressing, Cable, Topology, VrrpOptions
from testbed.spec.wiring import Wiring


def gateway_pair(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    vrrp: VrrpOptions = VrrpOptions(),
) -> Topology:
    """A host in each of two subnets, and as many routers between them as there are priorities."""
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us, addressing=addressing)
    near, far = net.switches(2)
    net.single("h1", near)
    net.single("h2", far)
    for number, host in enumerate(("h1", "h2")):
        net.subnet(number, host)
    routers = tuple(f"r{place + 1}" for place in range(len(vrrp.numbers)))
    for router in routers:
        net.router(router, [(near, 0), (far, 1)])
    return net.topology("gateway_pair", vrrp=(vrrp.over(routers, (net.virtual(0), net.virtual(1))),))
