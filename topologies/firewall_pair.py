"""An inside and an outside subnet, and two stateful firewalls between them that stand in for one another by VRRP.

                                     +------+
                     +---------------|  f1  |---------------+
                     | 10.0.0.253    +------+    10.1.0.253 |
      +------+    +------+              | 10.2.0.253    +------+    +------+
      |  h1  |----|  s1  |     what they know of        |  s2  |----|  h2  |
      +------+    +------+     connections: 10.2.0.0/24 +------+    +------+
      10.0.0.1       | 10.0.0.252    +------+    10.1.0.252 |       10.1.0.2
      inside         +---------------|  f2  |---------------+       outside
                                     +------+

Survives the loss of either firewall and of any of its links; connections survive it too with firewall_sync=ftfw. The
switches and the hosts' links are single points of failure.
"""

from __future__ import annotations

from testbed.spec import Addressing, Cable, FirewallOptions, Topology, VrrpOptions
from testbed.spec.wiring import Wiring


def firewall_pair(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    vrrp: VrrpOptions = VrrpOptions(preempt=False),
    firewall: FirewallOptions = FirewallOptions(),
) -> Topology:
    """A host inside and one outside, and two firewalls between them."""
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us, addressing=addressing)
    near, far = net.switches(2)
    net.single("h1", near)
    net.single("h2", far)
    for number, host in enumerate(("h1", "h2")):
        net.subnet(number, host)
    pair = ("f1", "f2")
    for name in pair:
        net.router(name, [(near, 0), (far, 1)])
    net.beside(*pair, 2)
    return net.topology(
        "firewall_pair",
        vrrp=(vrrp.over(pair, (net.virtual(0), net.virtual(1))),),
        firewalls=(firewall.over(pair, net.network(0), net.network(1), net.network(2)),),
    )
