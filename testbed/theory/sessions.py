"""What becomes of TCP connections through firewalls when another one takes over. Pure.

packets of a connection's middle ---> a firewall that knows it: pass
                                      one that does not: invalid; picked up if it may be (loose) and is not translated
"""

from __future__ import annotations

from testbed.spec import Firewall


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
