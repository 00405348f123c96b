"""One service at two sites: each client reaches the nearer one, by anycast (BGP) or by the answers of a name server.

      +------+        +------+                      +------+        +------+
      |  h1  |--------|  x1  |----------------------|  x2  |--------|  h2  |
      +------+        +------+     the internet     +------+        +------+
      10.0.0.1           |                             |   |        10.1.0.2
                      +------+                      +------+  +------+
                      |  a   |                      |  b   |  |  ns  |  name server, with sites_by=dns
                      +------+                      +------+  +------+
                         |                             |
                      +------+     10.63.0.254      +------+
                      |  w1  |  on lo of each       |  w2  |        web servers
                      +------+                      +------+

Survives the loss of either site, for clients of the service: of its router, its server, its line. With `sites=standby`
w2 announces a longer path, or comes last in all answers: all clients use w1 while it is there. With `sites_by=dns` a
client asks w1 or w2 by its own address, as ns says (www.service.example): ns is a single point of failure, but for
answers that are kept. Each client has one link to the internet.
"""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.spec import (
    BgpOptions,
    BgpSession,
    BgpSpeaker,
    Cable,
    Server,
    SiteOptions,
    Topology,
    validation,
)
from testbed.spec.wiring import Wiring

#: Whether both sites serve, or the second one only while the first is gone.
SITES = ("active", "standby")
#: How many times more the AS number of a server that stands by is in its paths: more than any way here is long.
_LATER = 3
#: The subnet of the service's address, in which nothing else is.
_SERVICE = 63


def two_sites(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    bgp: BgpOptions = BgpOptions(),
    site: SiteOptions = SiteOptions(),
    sites: str = SITES[0],
) -> Topology:
    """Two clients in the internet, and a server of one service at each of two sites."""
    validation.choice("sites", sites, SITES)
    if bgp.daemon != "bird":
        raise SpecError(
            f"bgp_daemon is {bgp.daemon}; wanted bird: the laws of two sites are those of BIRD",
            "Type: --set bgp_daemon=bird",
        )
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us)
    ends = [("h1", "x1"), ("h2", "x2"), ("w1", "a"), ("w2", "b")]
    pairs = (("x1", "x2"), ("x1", "a"), ("x2", "b"))
    subnets = dict(zip(pairs, range(len(ends), len(ends) + len(pairs)), strict=True))
    if site.by == "dns":
        ends.append(("ns", "x2"))
    numbers = [*range(4), len(subnets) + 4]
    beside: dict[str, list[str]] = {}
    for number, (host, router) in zip(numbers, ends, strict=False):
        net.plain(host)
        net.subnet(number, host, by=router)
        net.router(router, [(host, number)])
        beside.setdefault(router, []).append(net.network(number))
    for pair, number in subnets.items():
        net.beside(*pair, number)
    speakers = [BgpSpeaker(router, 65001 + place, tuple(own)) for place, (router, own) in enumerate(beside.items())]
    sessions = [BgpSession(*pair, net.network(number)) for pair, number in subnets.items()]
    servers, clients = ("w1", "w2"), (net.network(0), net.network(1))
    if site.by == "dns":
        found = site.named(servers, "ns", () if sites == "standby" else clients)
    else:
        found = site.anycast(servers)
        service = net.virtual(_SERVICE).partition("/")[0]
        speakers.append(BgpSpeaker("w1", 65101, anycast=service))
        speakers.append(BgpSpeaker("w2", 65102, anycast=service, prepend=_LATER if sites == "standby" else 0))
        sessions += [BgpSession(host, router, net.network(number)) for number, (host, router) in enumerate(ends[2:], 2)]
    return net.topology(
        "two_sites",
        protected=("h1", "h2"),
        bgp=(bgp.over(tuple(speakers), tuple(sessions)),),
        servers=tuple(Server(each) for each in servers),
        sites=(found,),
    )
