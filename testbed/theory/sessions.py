"""What becomes of TCP connections through firewalls and balancers when another one takes over. Pure.

packets of a connection's middle ---> a firewall that knows it: pass
                                      one that does not: invalid; picked up if it may be (loose) and is not translated
                                      a balancer of layer 4 that knows it: to the same server
                                      one that does not: refused (RST), as no socket of its own has that connection
"""

from __future__ import annotations

from testbed.spec import Balancer, Firewall

#: After how many packets of a client IPVS tells the others of a connection (ipvs-sysctl.rst, sync_threshold: "3 50"),
#: and for how long at most it collects what it tells, in seconds: 2 s, and it looks once a second
#: (IPVS_SYNC_FLUSH_TIME, IPVS_SYNC_CHECK_PERIOD in net/netfilter/ipvs/ip_vs_sync.c).
SYNC_PACKETS, SYNC_TOLD_S = 3, 3.0


def survive(group: Firewall) -> tuple[bool, str]:
    """Whether established connections go on through another firewall of the group; and why (or why not).

    nf_conntrack-sysctl.rst, nf_conntrack_tcp_loose: a connection that is not known is picked up in its middle, or its
    packets are invalid. What an address was translated to is known to the firewall alone that did it.
    """
    if group.sync != "none":
        return True, "the other firewall has the connection in its table"
    if group.nat:
        return False, "the other firewall does not know what the connection was translated to"
    if not group.loose:
        return False, "the other firewall takes the middle of a connection for invalid"
    return True, "the other firewall picks the connection up in its middle"


def survive_balancer(group: Balancer) -> tuple[bool, str]:
    """Whether established connections go on through another balancer of the group; and why (or why not).

    Of layer 4 each has to have had `SYNC_PACKETS` of the client's, and to be older than `SYNC_TOLD_S`.
    """
    if group.layer == 7:
        return False, "the connection ended at the balancer that failed"
    if group.sync:
        return True, "the other balancer has been told of the connection"
    return False, "the other balancer does not know the connection, and refuses its packets"
