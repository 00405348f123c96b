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

Survives with `routes_by=bgp` the loss of either line and of either provider. With `provider_routes=default` the
providers announce a default route alone: then e1 does not learn that a provider has lost the internet. With
`routes_by=static` nobody announces anything: each router has static routes, by ia first, and `static_track` says what
takes a next hop out. Then the loss of ib, of its line and of its uplink is survived, but not that of ia's line or
uplink, as the router beyond the next hop is not told; that of ia is survived unless `static_track=none`. In each case
the edge router e1, the internet's router x and the hosts' links are single points of failure.
"""

from __future__ import annotations

import dataclasses

from testbed.errors import SpecError
from testbed.spec import (
    Addressing,
    BgpOptions,
    BgpSession,
    BgpSpeaker,
    Cable,
    StaticOptions,
    StaticRoute,
    Topology,
    validation,
)
from testbed.spec.wiring import Wiring

#: What the providers announce to e1: all that they know, or a default route.
PROVIDER_ROUTES = ("all", "default")
#: What gives the routers their routes.
ROUTES_BY = ("bgp", "static")
#: What an argument of the function has no effect without, as the fields of its options say it of themselves.
NEEDS = {"provider_routes": ("routes_by=bgp",)}


def two_lines(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    bgp: BgpOptions = BgpOptions(),
    provider_routes: str = PROVIDER_ROUTES[0],
    routes_by: str = ROUTES_BY[0],
    static: StaticOptions = StaticOptions(),
    ip: int = 4,
) -> Topology:
    """A host behind an edge router, two providers, and a host somewhere in the internet."""
    validation.choice("provider_routes", provider_routes, PROVIDER_ROUTES)
    validation.choice("routes_by", routes_by, ROUTES_BY)
    _check_used(bgp, routes_by, "bgp")
    _check_used(static, routes_by, "static")
    if routes_by == "static" and provider_routes != PROVIDER_ROUTES[0]:
        raise SpecError(
            f"provider_routes={provider_routes} has no effect with routes_by=static",
            "Leave it out, or type: --set routes_by=bgp",
        )
    if routes_by == "static" and ip != 4:
        raise SpecError(
            f"ip={ip} with routes_by=static; wanted ip=4: static routes are those of IPv4 here",
            "Type: --set ip=4, or --set routes_by=bgp",
        )
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us, addressing=Addressing(ip=ip))
    for number, (host, router) in enumerate((("h1", "e1"), ("h2", "x"))):
        net.plain(host)
        net.subnet(number, host, by=router)
    net.router("e1", [("h1", 0)])
    providers = ("ia", "ib")
    for number, provider in enumerate(providers):
        net.beside("e1", provider, 2 + number)
        net.beside(provider, "x", 4 + number)
    net.router("x", [("h2", 1)])
    if routes_by == "static":
        return net.topology("two_lines", static=(static.over(_static(net)),))
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


def _check_used(options: BgpOptions | StaticOptions, routes_by: str, wanted: str) -> None:
    """Errors: SpecError for options other than by default that only the ``wanted`` kind of routes has."""
    for each in dataclasses.fields(options):
        found = getattr(options, each.name)
        if routes_by != wanted and found != each.default:
            raise SpecError(
                f"{each.metadata['setting']}={found} has no effect with routes_by={routes_by}",
                f"Leave it out, or type: --set routes_by={wanted}",
            )


def _static(net: Wiring) -> tuple[StaticRoute, ...]:
    """The routes of e1 and x by ia, or else by ib, and those of the providers to both ends."""
    inside, internet = net.network(0), net.network(1)
    return (
        StaticRoute("e1", internet, (net.address("ia", 2), net.address("ib", 3))),
        StaticRoute("x", inside, (net.address("ia", 4), net.address("ib", 5))),
        StaticRoute("ia", inside, (net.address("e1", 2),)),
        StaticRoute("ia", internet, (net.address("x", 4),)),
        StaticRoute("ib", inside, (net.address("e1", 3),)),
        StaticRoute("ib", internet, (net.address("x", 5),)),
    )
