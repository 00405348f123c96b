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
failure. More routers stand by where `vrrp_priorities` has more numbers. With `tenants=2` the same routers have another
two subnets, between s3 with h3 and s4 with h4, in a VRF of their own: a second tenant, whom nothing of the first one's
reaches. With `vrrp_masters=split` the first router is master for one tenant and the last one for the other.
"""

from __future__ import annotations

import dataclasses

from testbed.errors import SpecError
from testbed.spec import Addressing, Cable, Topology, VrrpOptions, validation
from testbed.spec.wiring import Wiring

#: Whether one router is master for all tenants, or every second tenant has the priorities the other way round.
MASTERS = ("same", "split")
#: As many as there are subnets for, in a drawing that can be read.
MOST_TENANTS = 4


def gateway_pair(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    vrrp: VrrpOptions = VrrpOptions(),
    tenants: int = 1,
    vrrp_masters: str = MASTERS[0],
) -> Topology:
    """Two hosts in different subnets for each tenant, and as many routers between them as there are priorities."""
    validation.at_least("tenants", tenants, 1)
    validation.at_most("tenants", tenants, MOST_TENANTS)
    validation.choice("vrrp_masters", vrrp_masters, MASTERS)
    if vrrp_masters == "split" and (tenants < 2 or len(vrrp.numbers) < 2):
        raise SpecError("vrrp_masters=split needs two tenants and two routers", "Type: --set tenants=2")
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us, addressing=addressing)
    switches = net.switches(2 * tenants)
    for number, switch in enumerate(switches):
        net.single(f"h{number + 1}", switch)
        net.subnet(number, f"h{number + 1}")
    routers = tuple(f"r{place + 1}" for place in range(len(vrrp.numbers)))
    groups = []
    for tenant in range(tenants):
        own = (2 * tenant, 2 * tenant + 1)
        for router in routers:
            vrf = f"tenant{tenant + 1}" if tenants > 1 else ""
            net.router(router, [(switches[number], number) for number in own], vrf=vrf)
        group = vrrp.over(routers, tuple(net.virtual(number) for number in own))
        if vrrp_masters == "split" and tenant % 2:
            group = dataclasses.replace(group, priorities=group.priorities[::-1])
        groups.append(group)
    return net.topology("gateway_pair", vrrp=tuple(groups), protected=("h1", "h2") if tenants > 1 else ())
