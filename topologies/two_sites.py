"""One service at two sites, by anycast: both announce its address, and each client reaches the nearer one.

      +------+        +------+                      +------+        +------+
      |  h1  |--------|  x1  |----------------------|  x2  |--------|  h2  |
      +------+        +------+     the internet     +------+        +------+
      10.0.0.1           |                             |            10.1.0.2
                      +------+                      +------+
                      |  a   |                      |  b   |        routers of the sites
                      +------+                      +------+
                         |                             |
                      +------+     10.63.0.254      +------+
                      |  w1  |  on lo of each       |  w2  |        servers
                      +------+                      +------+

Survives the loss of either site, for clients of the service: of its router, its server, its line. With `sites=standby`
w2 announces a longer path, and all clients use w1 while it is there. Each client has one link to the internet.
"""

from __future__ import annotations

from testbed.spec import BgpOptions, BgpSession, BgpSpeaker, Cable, Topology, validation
from testbed.spec.wiring import Wiring

#: Whether both sites serve, or the second one only while the first is gone.
SITES = ("active", "standby")
#: How many times more the AS number of a server that stands by is in its paths: more than any way here is long.
_LATER = 3
#: The subnet of the service's address, in which nothing else is.
_SERVICE = 63


def two_sites(
    *, cable: Cable = Cable(), rx_coalesce_us: int = 100, bgp: BgpOptions = BgpOptions(), sites: str = SITES[0]
) -> Topology:
    """Two clients in the internet, and a server of one service at each of two sites."""
    validation.choice("sites", sites, SITES)
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us)
    service = net.virtual(_SERVICE).partition("/")[0]
    ends = (("h1", "x1"), ("h2", "x2"), ("w1", "a"), ("w2", "b"))
    for number, (host, router) in enumerate(ends):
        net.plain(host)
        net.subnet(number, host, by=router)
        net.router(router, [(host, number)])
    pairs = (("x1", "x2"), ("x1", "a"), ("x2", "b"))
    for number, (one, other) in enumerate(pairs, start=len(ends)):
        net.beside(one, other, number)
    speakers = tuple(
        BgpSpeaker(router, 65001 + number, (net.network(number),)) for number, (_, router) in enumerate(ends)
    )
    servers = (
        BgpSpeaker("w1", 65101, anycast=service),
        BgpSpeaker("w2", 65102, anycast=service, prepend=_LATER if sites == "standby" else 0),
    )
    sessions = [BgpSession(*pair, net.network(number)) for number, pair in enumerate(pairs, start=len(ends))]
    sessions += [BgpSession(host, router, net.network(number)) for number, (host, router) in enumerate(ends[2:], 2)]
    group = bgp.over((*speakers, *servers), tuple(sessions))
    return net.topology("two_sites", protected=("h1", "h2"), bgp=(group,))
