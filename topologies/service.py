"""A web service from its client to its servers: every element is there twice, or as often as is asked for.

                      +-----+   10.62.0.1, AS 65030
                      |  c  |   the client, by two lines
                      +-----+
                line a /   \\ line b
                 +------+ +------+
                 |  ia  | |  ib  |     providers, AS 65010 and 65020: BGP with BFD
                 +------+ +------+
                     |       |
                  +-----+ +-----+
                  | s1  |=| s2  |     one LACP system; each machine below is on a bond, one member to each
                  +-----+ +-----+
       +-------------+-------+-------+-------------+
    +-----+-----+   +----+----+   +-----+-----+
    | f1  | f2  |   | b1 | b2 |   | w1  | w2  |
    +-----+-----+   +----+----+   +-----+-----+
    firewalls,      balancers,    servers
    AS 65001        VRRP: 10.1.0.200
    VRRP: 10.0.0.254 outside (untagged), 10.1.0.254 inside (VLAN 20); they tell each other of connections in VLAN 30

Requests go to 10.63.0.254:80, which the firewalls announce and translate to the balancers' address.

Survives the loss of any one element; with line=single, firewall=single, switch=single, balancer=single or servers=1
that layer is a single point of failure.
"""

from __future__ import annotations

import dataclasses

from testbed.spec import (
    BalancerOptions,
    BgpOptions,
    BgpSession,
    BgpSpeaker,
    BondOptions,
    Cable,
    FirewallOptions,
    LagOptions,
    Published,
    Server,
    Topology,
    VrrpOptions,
    validation,
)
from testbed.spec.wiring import Wiring

#: An option of BGP that has no use here: FRR does not announce a next hop that is not its own.
WITHOUT = ("bgp_daemon",)
#: What an argument has no effect without, beside what the fields of its options say of themselves.
NEEDS = {"bgp_ecmp": ("line=pair",)}
#: How often an element of a layer is there.
COUNTS = ("pair", "single")
#: The subnets: of the switches outside and inside the firewalls, and of what these tell each other; of the lines.
_OUTSIDE, _INSIDE, _SHARED, _LINES = 0, 1, 2, 3
#: Those in which nothing else is: the client's on its loopback interface, and the published address.
_CLIENT, _PUBLISHED = 62, 63
_VLANS = {_INSIDE: 20, _SHARED: 30}
_PORT = 80


def service(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    bonding: BondOptions = BondOptions(mode="802.3ad"),
    lag: LagOptions = LagOptions(),
    bgp: BgpOptions = BgpOptions(bfd_ms=100),
    vrrp: VrrpOptions = VrrpOptions(advert_ms=100, preempt=False, refresh_s=1, startup_delay_s=5.0),
    filtering: FirewallOptions = FirewallOptions(),
    balancing: BalancerOptions = BalancerOptions(),
    line: str = COUNTS[0],
    firewall: str = COUNTS[0],
    switch: str = COUNTS[0],
    balancer: str = COUNTS[0],
    servers: int = 2,
) -> Topology:
    """The chain of a client, lines, firewalls, switches, balancers and servers.

    ``firewall`` may also be without_sync: a pair that does not tell each other of connections.
    """
    for name, found in (("line", line), ("switch", switch), ("balancer", balancer)):
        validation.choice(name, found, COUNTS)
    validation.choice("firewall", firewall, (*COUNTS, "without_sync"))
    validation.at_least("servers", servers, 1)
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us, bonding=bonding, lag=lag)
    for subnet, vlan in _VLANS.items():
        net.vlan(subnet, vlan)
    switches = net.switches(2 if switch == "pair" else 1)
    ends = [switches[0], switches[-1]]
    providers = ("ia", "ib")[: 2 if line == "pair" else 1]
    walls = ("f1", "f2")[: 1 if firewall == "single" else 2]
    places = ("b1", "b2")[: 2 if balancer == "pair" else 1]
    webs = tuple(f"w{number + 1}" for number in range(servers))

    net.loopback("c", _CLIENT)
    for number, (provider, end) in enumerate(zip(providers, ends, strict=False)):
        net.beside("c", provider, _LINES + number)
        net.router(provider, [(end, _OUTSIDE)])
    if switch == "pair":
        net.join(*switches, members=2)
    for wall in walls:
        net.bonded(wall, ends)
        net.forwarding(wall, (_OUTSIDE, _INSIDE, _SHARED))
    for host in (*places, *webs):
        net.bonded(host, ends)
    net.subnet(_INSIDE, *places, *webs)

    outside, inside, own = net.virtual(_OUTSIDE), net.virtual(_INSIDE), net.second_virtual(_INSIDE)
    target = own.partition("/")[0]
    public = net.virtual(_PUBLISHED).partition("/")[0] if filtering.nat else target
    if firewall != "pair":
        filtering = dataclasses.replace(filtering, sync="none")
    prefix = f"{public}/32" if filtering.nat else net.network(_INSIDE)
    speakers = (
        BgpSpeaker("c", 65030, (net.network(_CLIENT),), transit=False),
        *(BgpSpeaker(each, 65010 + 10 * number) for number, each in enumerate(providers)),
        *(BgpSpeaker(each, 65001, (prefix,), outside.partition("/")[0]) for each in walls),
    )
    sessions = (
        *(BgpSession("c", each, net.network(_LINES + number)) for number, each in enumerate(providers)),
        *(BgpSession(wall, each, net.network(_OUTSIDE)) for wall in walls for each in providers),
    )
    return net.topology(
        "service",
        protected=("c", webs[0]),
        bgp=(bgp.over(speakers, sessions),),
        vrrp=(
            _as_many(vrrp, walls).over(walls, (outside, inside)),
            _as_many(vrrp, places).over(places, (own,)),
        ),
        firewalls=(
            filtering.over(
                walls,
                net.network(_INSIDE),
                net.network(_OUTSIDE),
                net.network(_SHARED),
                (Published(public, _PORT, target),),
            ),
        ),
        balancers=(balancing.over(places, target, _PORT, webs),),
        servers=tuple(Server(each) for each in webs),
    )


def _as_many(vrrp: VrrpOptions, machines: tuple[str, ...]) -> VrrpOptions:
    """The options of a group of one machine have one priority."""
    return vrrp if len(machines) > 1 else dataclasses.replace(vrrp, priorities=str(vrrp.numbers[0]))
