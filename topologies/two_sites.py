"""One service at two sites: each client reaches the nearer one, by anycast (BGP) or by the answers of a name server.

      +------+        +------+                      +------+        +------+
      |  h1  |--------|  x1  |----------------------|  x2  |--------|  h2  |
      +------+        +------+     the internet     +------+        +------+
      10.0.0.1         |   |                           |   |        10.1.0.2
              +------+ +------+                     +------+  +------+
              | ns2  | |  a   |                     |  b   |  |  ns  |  name servers, with sites_by=dns
              +------+ +------+                     +------+  +------+
                         |                             |
                      +------+     10.63.0.254      +------+
                      |  w1  |  on lo of each       |  w2  |        web servers
                      +------+                      +------+

Survives the loss of either site, for clients of the service: of its router, its server, its line. With `sites=standby`
w2 announces a longer path, or comes last in all answers: all clients use w1 while it is there. With `sites=by_hand` w2
announces nothing, or is in no answer, until an operator switches over. With `sites_by=dns` a client asks w1 or w2 by
its own address, as ns says (www.service.example): ns is a single point of failure, but for answers that are kept;
`name_servers=2` adds ns2, which is asked when ns does not answer. Each client has one link to the internet.
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

#: Whether both sites serve, or the second one only while the first is gone, or once an operator has switched over.
SITES = ("active", "standby", "by_hand")
#: Options of BGP that have no use here: FRR has no address that is announced by health, and no two ways are equal.
WITHOUT = ("bgp_daemon", "bgp_ecmp")
#: The name servers, in the order in which clients ask, each with the router that it is beside.
_NAMES = (("ns", "x2"), ("ns2", "x1"))
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
    by_hand = sites == "by_hand"
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us)
    ends = [("h1", "x1"), ("h2", "x2"), ("w1", "a"), ("w2", "b")]
    pairs = (("x1", "x2"), ("x1", "a"), ("x2", "b"))
    subnets = dict(zip(pairs, range(len(ends), len(ends) + len(pairs)), strict=True))
    names = _NAMES[: site.name_servers] if site.by == "dns" else ()
    numbers = [*range(len(ends)), *(len(ends) + len(subnets) + place for place in range(len(names)))]
    ends += names
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
    places = (("a", "w1"), ("b", "w2"))
    if site.by == "dns":
        near = clients if sites == "active" else ()
        found = site.named(servers, tuple(name for name, _ in names), near, places, by_hand=by_hand)
    else:
        found = site.anycast(servers, places, by_hand=by_hand)
        service = net.virtual(_SERVICE).partition("/")[0]
        speakers.append(BgpSpeaker("w1", 65101, anycast=service))
        later = _LATER if sites == "standby" else 0
        speakers.append(BgpSpeaker("w2", 65102, anycast=service, prepend=later, by_hand=by_hand))
        sessions += [BgpSession(host, router, net.network(number)) for number, (host, router) in enumerate(ends[2:], 2)]
    return net.topology(
        "two_sites",
        protected=("h1", "h2"),
        bgp=(bgp.over(tuple(speakers), tuple(sessions)),),
        servers=tuple(Server(each) for each in servers),
        sites=(found,),
    )
