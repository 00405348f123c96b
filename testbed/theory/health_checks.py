"""How long a balancer takes to find out that a server has failed, and which requests fail until then. Pure.

server   c     c     c X   c     c     c              a check every I, answered at once; the server fails at X
refuses                    1     2     3 -> out       F failures in a row: (F - 1) I to F I after X
silent                     1---     2---     3---     each gets the time-out T, the next is due I after its end: + F T

fast     c     c     c X   1 2 3 -> out               once one has failed the others are fastinter apart

HAProxy's configuration manual, 5.2 (inter, fastinter, fall) and 4.2 (timeout check, timeout connect, option
redispatch); that the interval begins at the end of a check is in process_chk_conn of its src/check.c.
keepalived.conf(5), real_server: delay_loop, delay_before_retry, retry, connect_timeout.

A server whose process is halted still takes connections, by its kernel. keepalived does not go on before the end of a
connection is acknowledged (socket(7), SO_LINGER), and by a process that reads nothing it is 40 ms later (TCP_DELACK_MIN
in include/net/tcp.h).
"""

from __future__ import annotations

import math

from testbed.spec import Balancer
from testbed.theory.laws import Sum
from testbed.theory.outage_bound import OutageBound, of_law
from testbed.theory.tcp import DELAYED_ACK_S

#: Faults after which a server's machine refuses connections, takes them and says nothing, is not heard of, or is late.
REFUSES, HALTED, UNHEARD, SLOW = "service_crash", "service_pause", "silent_loss", "slow"
#: How much sooner than the time-out of a check an answer has to come so that theory says that it comes in time.
_CLOSE_S = 0.01
#: What checks, timers that count in milliseconds, and a process that is woken may add, in seconds.
_LATE_S = 0.005


def slowed_s(delay_s: float) -> float:
    """How much later an answer comes where each direction of a server's cable takes so much longer: of a connection
    that is asked for, or of a request on one."""
    return 2 * delay_s


def undecided(group: Balancer, delay_s: float) -> bool:
    """Whether the answer of a slow server comes just when its check ends, or just before."""
    return -_CLOSE_S < slowed_s(delay_s) - group.timeout_ms / 1e3 < 0


def detection(group: Balancer, fault: str, delay_s: float = 0.0) -> OutageBound | str:
    """How long after a fault of a server the balancer places nothing on it any more; text: it does not, and why.

    ``delay_s``: of a slow server, what each direction of its cable takes longer. A check waits once for the connection
    and once for the answer, each time for the whole time-out.
    """
    if fault == SLOW and slowed_s(delay_s) < group.timeout_ms / 1e3:
        return f"each answer comes {slowed_s(delay_s):g} s later, within the time-out of {group.timeout_ms / 1e3:g} s"
    if fault not in (REFUSES, HALTED, UNHEARD, SLOW):
        return f"no check notices {fault}"
    every_s, waits_s, more = group.check_ms / 1e3, group.timeout_ms / 1e3, group.fall - 1
    apart_s = _apart_s(group)
    fixed_s = more * apart_s + (0.0 if fault == REFUSES else group.fall * waits_s)
    if fault == HALTED and group.layer == 4:
        fixed_s += more * DELAYED_ACK_S
    label = f"{group.fall} checks fail, {apart_s:g} s apart" + ("" if fault == REFUSES else f", time-out {waits_s:g} s")
    return of_law(Sum(fixed_s, (every_s,)), label, tolerance_s=_LATE_S * group.fall)


def reinstated_s(group: Balancer) -> float:
    """How long a server that works again may take to be back: successes in a row, after a check that still failed."""
    return (group.check_ms + group.timeout_ms) / 1e3 + (group.rise - 1) * _apart_s(group)


def _apart_s(group: Balancer) -> float:
    """How far apart checks are while their results change."""
    return (group.fastinter_ms or group.check_ms) / 1e3


def unnoticed_s(group: Balancer, delay_s: float) -> float:
    """How long more checks than would take a server out take, of one that is slow but answers in time."""
    return (group.fall + 1) * (group.check_ms / 1e3 + 2 * slowed_s(delay_s))


def interrupted(group: Balancer, delay_s: float, interval_s: float) -> float:
    """How many requests to a slow server, one each ``interval_s``, fail because their connection is being made at one
    instant: when IPVS takes the server out, and resets it (ipvs-sysctl.rst, expire_nodest_conn), or when the cable is
    repaired, and what is on it is lost. HAProxy connects again."""
    if group.redispatch:
        return 0.0
    return slowed_s(delay_s) / interval_s / len(group.servers)


def failing_share(group: Balancer, fault: str, delay_s: float = 0.0, timeout_s: float = math.inf) -> float | None:
    """The share of requests, each on a connection of its own, that fail while a fault is not detected; None: unknown.

    A slow server answers later, once for the connection and once for the request: within what its client waits,
    ``timeout_s``, or not. At layer 7 a balancer waits for the connection no longer than for a check.

    A balancer of layer 7 that cannot connect to a server may choose another (option redispatch); one that has connected
    waits for the answer. In turn each server gets the same share; by a hash of the client's address, or where a client
    stays with a server, one gets all.
    """
    if fault == SLOW:
        connects = group.layer == 4 or slowed_s(delay_s) < group.timeout_ms / 1e3
        late_s = 2 * slowed_s(delay_s) if connects else group.timeout_ms / 1e3
        if (connects or group.redispatch) and late_s + _CLOSE_S < timeout_s:
            return 0.0
        if connects and late_s < timeout_s:
            return None
    if group.redispatch and fault in (REFUSES, UNHEARD):
        return 0.0
    return 1 / len(group.servers) if group.scheduler == "rr" and not group.stick else None
