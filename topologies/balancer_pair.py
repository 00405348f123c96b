"""A client, two load balancers that stand in for one another by VRRP, and web servers behind them.

      +------+    +------+    +------+    balancer_layer=4 and balancer_kind=dr, or balancer_layer=7
      |  h1  |----|  s1  |----|  b1  |
      +------+    +------+    +------+    10.0.0.254: virtual, the master's
      10.0.0.1     | | | |    +------+
                   | | | +----|  b2  |
                   | | |      +------+
                   | | +------  w1
                   | +--------  w2
                   +----------  w3

                                     +------+               balancer_layer=4 and balancer_kind=nat
                     +---------------|  b1  |---------------+
                     |               +------+               |    +---  w1
      +------+    +------+                              +------+ |
      |  h1  |----|  s1  |    10.0.0.254  10.1.0.254    |  s2  |-+---  w2
      +------+    +------+    virtual: the master's     +------+ |
      10.0.0.1       |               +------+               |    +---  w3
                     +---------------|  b2  |---------------+
                                     +------+

Survives the loss of either balancer, and of all servers but one. The switches and the client's link are single points
of failure. Requests go to port 80 of 10.0.0.254.
"""

from __future__ import annotations

from testbed.spec import Addressing, BalancerOptions, Cable, Server, Topology, VrrpOptions, validation
from testbed.spec.wiring import Wiring

#: What an argument has no effect without, beside what the fields of its options say of themselves: a balancer with one
#: interface has no other side that could follow.
NEEDS = {"vrrp_follow": ("balancer_layer=4", "balancer_kind=nat")}

#: The addresses of a subnet.
_ADDRESSES = 254


def balancer_pair(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    addressing: Addressing = Addressing(),
    vrrp: VrrpOptions = VrrpOptions(preempt=False, refresh_s=1),
    balancer: BalancerOptions = BalancerOptions(),
    servers: int = 3,
) -> Topology:
    """A client, as many balancers as there are priorities, and ``servers`` web servers."""
    validation.at_least("servers", servers, 1)
    why = "one subnet has the client, the balancers and their virtual address, too"
    validation.at_most("servers", servers, _ADDRESSES - 2 - len(vrrp.numbers), why)
    net = Wiring(cable=cable, rx_coalesce_us=rx_coalesce_us, addressing=addressing)
    between = balancer.layer == 4 and balancer.kind == "nat"
    near, *more = net.switches(2 if between else 1)
    far = more[0] if more else near
    net.single("h1", near)
    names = tuple(f"w{number + 1}" for number in range(servers))
    for name in names:
        net.single(name, far)
    pair = tuple(f"b{place + 1}" for place in range(len(vrrp.numbers)))
    for name in pair:
        if between:
            net.router(name, [(near, 0), (far, 1)])
        else:
            net.single(name, near)
    if between:
        net.subnet(0, "h1")
        net.subnet(1, *names)
    addresses = (net.virtual(0), net.virtual(1)) if between else (net.virtual(0),)
    group = vrrp.over(pair, addresses)
    return net.topology(
        "balancer_pair",
        vrrp=(group,),
        protected=("h1", *names[:1]),
        servers=tuple(Server(name) for name in names),
        balancers=(balancer.over(pair, group.ips[0], 80, names),),
    )
