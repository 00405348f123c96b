"""Two routers that announce the subnet behind them with the virtual address that they share as next hop.

                +-- f1 --+
    h1 --- s1 --+        +-- s2 --- x --- h2      VRRP on both sides; x has a BGP session with each
                +-- f2 --+

Survives the loss of either router.
"""

from __future__ import annotations

from testbed.spec import BgpOptions, BgpSession, BgpSpeaker, Topology, VrrpOptions
from testbed.spec.wiring import Wiring


def shared_next_hop(
    *, bgp: BgpOptions = BgpOptions(bfd_ms=100), vrrp: VrrpOptions = VrrpOptions(advert_ms=100)
) -> Topology:
    """A host behind two routers, and one behind a third that knows them by BGP."""
    net = Wiring()
    near, far = net.switches(2)
    net.single("h1", near)
    net.plain("h2")
    net.subnet(0, "h1")
    net.subnet(2, "h2", by="x")
    pair = ("f1", "f2")
    for name in pair:
        net.router(name, [(near, 0), (far, 1)])
    net.router("x", [(far, 1), ("h2", 2)])
    virtual = net.virtual(1).partition("/")[0]
    speakers = (
        *(BgpSpeaker(name, 65001, (net.network(0),), next_hop=virtual, transit=False) for name in pair),
        BgpSpeaker("x", 65030, (net.network(2),)),
    )
    sessions = tuple(BgpSession(name, "x", net.network(1)) for name in pair)
    group = vrrp.over(pair, (net.virtual(0), net.virtual(1)))
    return net.topology("shared_next_hop", vrrp=(group,), bgp=(bgp.over(speakers, sessions),))
