"""A network with two lines to the internet, each by a provider of its own, joined by BGP.

                                             AS 65010
                                             +------+
                               line a  +-----|  ia  |-----+
      +------+            +------+-----+     +------+     +------+            +------+
      |  h1  |------------|  e1  |                        |  x   |------------|  h2  |
      +------+            +------+-----+     +------+     +------+            +------+
      10.0.0.1            AS 65001     +-----|  ib  |-----+ AS 65030          10.1.0.2
                               line b        +------+       the internet
                                             AS 65020

Survives the loss of either line and of either provider. The edge router e1, the internet's router x and the hosts'
links are single points of failure. With `provider_routes=default` the providers announce a default route alone: then
e1 does not learn that a provider has lost the internet.
"""

from __future__ import annotations

from testbed.spec import BgpOptions, BgpSession, BgpSpeaker, Cable, Topology, validation
from testbed.spec.wiring import Wiring

#: What the providers announce to e1: all that they know, or a default route.
PROVIDER_ROUTES = ("all", "default")


def two_lines(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    bgp: BgpOptions = BgpOptions(),
    provider_routes: str = PROVIDER_ROUTES[0],
) -> Topology:
    """A host behind an edge router, two providers, and a host somewhere in the internet."""
    validation.choice("provider_routes", provider_routes, PROVIDER_ROUTES)
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us)
    for number, (host, router) in enumerate((("h1", "e1"), ("h2", "x"))):
        net.plain(host)
        net.subnet(number, host, by=router)
    net.router("e1", [("h1", 0)])
    providers = ("ia", "ib")
    for number, provider in enumerate(providers):
        net.beside("e1", provider, 2 + number)
        net.beside(provider, "x", 4 + number)
    net.router("x", [("h2", 1)])
    to_edge = ("e1",) if provider_routes == "default" else ()
    speakers = (
        BgpSpeaker("e1", 65001, (net.network(0),), transit=False),
        BgpSpeaker("ia", 65010, default_to=to_edge),
        BgpSpeaker("ib", 65020, default_to=to_edge),
        BgpSpeaker("x", 65030, (net.network(1),)),
    )
    lines = tuple(BgpSession("e1", each, net.network(2 + place)) for place, each in enumerate(providers))
    uplinks = tuple(BgpSession(each, "x", net.network(4 + place)) for place, each in enumerate(providers))
    return net.topology("two_lines", bgp=(bgp.over(speakers, (*lines, *uplinks)),))
