"""How long a balanced service is away when the balancer that has its address fails, and which requests fail. Pure.

the balancer loses power or hangs     VRRP moves the address (testbed.theory.vrrp)
HAProxy is killed, ends, is halted    a script asks it every second; keepalived then gives up the address: the skew more
keepalived is killed or halted        IPVS goes on in the kernel, until the other balancer has the address
keepalived ends in order              it clears IPVS and gives up the address: the skew
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from testbed.spec import Balancer, Vrrp
from testbed.spec.balancer import ALIVE_S, ALIVE_WAITS_S
from testbed.theory import vrrp
from testbed.theory.laws import Sum
from testbed.theory.outage_bound import OutageBound, of_law

#: A client's kernel sends its first segment (SYN) again a second after the first, and every second after that for four
#: times (RFC 6298, 2.1; ip-sysctl.rst, tcp_syn_linear_timeouts).
_AGAIN_S = 1.0
#: What starting a script, and connecting to HAProxy, take at most.
_SCRIPT_LATE_S = 0.05


def outage(group: Balancer, shared: Vrrp, fault: str, daemon: str) -> OutageBound | str:
    """How long new connections to the service fail after a fault of the best balancer, or of a ``daemon`` on it;
    text: there is no bound, and why."""
    if not daemon:
        return vrrp.outage(shared, fault)
    if daemon == "keepalived" and (group.layer == 7 or fault != "service_stop"):
        return vrrp.outage(shared, fault)
    skew = vrrp.takeover(shared, "service_stop")
    assert isinstance(skew, OutageBound)
    if daemon == "keepalived":
        return skew.rerouted()
    if daemon != "haproxy":
        return f"{daemon} has no part in balancing"
    waits_s = ALIVE_WAITS_S if fault == "service_pause" else 0.0
    label = f"the script asks every {ALIVE_S} s, then {skew.label}"
    return of_law(Sum(waits_s + skew.low_s, (float(ALIVE_S),)), label, tolerance_s=_SCRIPT_LATE_S)


def kept_share(group: Balancer) -> float | None:
    """The share of clients that another balancer of the group sends to the server that they had before.

    None: theory does not say. HAProxy's manual, 4.2 (stick on) and 3.5 (peers); ipvsadm(8). A client of which a
    balancer knows nothing gets the server whose turn it is. Clients that come in no order get one at random.
    """
    if group.scheduler in ("sh", "mh"):  # both compute the server from the client's address
        return 1.0
    if group.stick and group.peers:
        return 1.0
    return 1 / len(group.servers) if group.scheduler == "rr" else None


def refused_s(shared: Vrrp, daemon: str, away_s: float) -> float:
    """For how long of the time that the service is away requests do not get through at all: until a balancer without
    its HAProxy gives up the address. For the skew that is left no balancer has it."""
    skew = vrrp.takeover(shared, "service_stop")
    return max(0.0, away_s - skew.low_s) if daemon == "haproxy" and isinstance(skew, OutageBound) else 0.0


def failing(due_s: Iterable[float], begin_s: float, back_s: float, timeout_s: float, refused_s: float = 0.0) -> int:
    """How many requests fail that were due at these instants, if the service is away from ``begin_s`` to ``back_s``.

    Those of the first ``refused_s`` are refused. After that a client's SYN is not answered, and is sent again.
    """
    again_s = _AGAIN_S * (math.ceil(timeout_s / _AGAIN_S) - 1)
    last_s = max(begin_s + refused_s, back_s - again_s)
    return sum(begin_s <= at < last_s for at in due_s)
