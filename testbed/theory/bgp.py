"""How long BGP speakers send by a session that is dead, and what that costs (RFC 4271, RFC 5880). Pure.

ia    |K   |K   |K  X                        a KEEPALIVE every K, less a jitter of up to a quarter (RFC 4271, 10)
e1    |    |    |<------ hold time H ----->| NOTIFICATION, and the other provider's routes (RFC 4271, 6.5)
                    <---- H - K ... H ----->
                    <- BFD: (m-1) I ... m I ->

By the standard the hold timer has no jitter. BIRD 2.0.12 shortens it, too, by up to a quarter at random each time
(bgp_start_timer, proto/bgp/bgp.c). It leaves the routes of a session whose hold timer has expired at the next turn of
its main loop, which waits for the next timer or packet, for 3 s at most: io_loop (sysdep/unix/io.c) looks for events
before it fires timers, and an event that a timer made waits for the next turn. What BFD, the kernel or a neighbor says
is an event of its own, and BIRD acts on it at once. A session that is established again sends its routes as late, for
the same reason: ev_run_list of what is to be sent comes before that of the work that decides it.

FRR 8.4 (sources: frr 8.4.4) has no jitter on the hold timer. It sends a keepalive up to 0.1 s early (peer_process,
bgpd/bgp_keepalives.c), and BFD's packets 75 to 100 % of the interval apart (ptm_bfd_start_xmt_timer, bfdd/bfd.c). But
work waits in queues before it is done, the whole of it, however little it is:

a session ends   10 ms  its routes are removed   50 ms  other ones are chosen   10 ms  zebra gives them to the kernel
                 (bgp_clear_node_queue_init)     (bgp_process_queue_init)       (ZEBRA_RIB_PROCESS_HOLD_TIME)
                                                   `--> the neighbors are told   50 ms, 10 ms   as above

Its bgpd and bfdd are processes of their own: BFD does not notice that bgpd is halted. And zebra takes the routes of a
bgpd that has gone out of the kernel (zread_client_disconnect, after the last 10 ms again).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from testbed.spec import Bgp
from testbed.theory.laws import First, Law, Longest, Rest, Sum, Total, Wait
from testbed.theory.outage_bound import SWITCH_PAUSE_S, OutageBound, of_law
from testbed.theory.routed import BIRD_APART, BIRD_S, bfd_rest
from testbed.theory.tcp import DELAYED_ACK_S

#: RFC 4271, 10: a timer is set to 0.75 to 1 of its value.
_LEAST = 0.75
#: The longest sleep of BIRD's main loop, and the periods in which it looks at the kernel's interfaces and routes.
_SLEEP_S, _SCANS_S = 3.0, (60.0, 60.0)
#: FRR: how much earlier a keepalive may be, and the shares of BFD's interval between two packets.
_EARLY_S, _APART = 0.1, (0.75, 1.0)
#: FRR: how long the routes of a session that has ended wait, prefixes of which the best path is to be chosen, and
#: routes for the kernel.
_CLEAR_S, _PROCESS_S, _ZEBRA_S = 0.010, 0.050, 0.010
#: A speaker acts on an event, and its neighbors on what it then says.
PAUSE_S = SWITCH_PAUSE_S + BIRD_S
#: Both ends lose carrier, or are told: traffic has another way after the packets that were on the old one.
AT_THE_EVENT = OutageBound(0.0, 0.0, "an event at each end: carrier, or the neighbor says so", tolerance_s=PAUSE_S)
#: The same where the speaker that notices withdraws the subnet of its interface beside what it had by its session: it
#: sends the second message with the acknowledgement of the first (RFC 896), which the other one delays.
BESIDE_A_SUBNET = OutageBound(
    0.0, DELAYED_ACK_S, "an event, and of two withdrawals the second waits for an acknowledgement", tolerance_s=PAUSE_S
)

#: The faults of a speaker's daemon alone: its kernel forwards on.
OF_DAEMON = ("service_stop", "service_crash", "service_pause", "route_withdrawal")
#: The faults that neighbors only notice because nothing comes any more.
SILENT = ("silent_loss", "router_hang", "service_pause")


def hold(group: Bgp, others: int = 1) -> Law:
    """From the last moment at which a session worked until its speaker leaves its routes, by the hold time.

    ``others``: the speaker's other sessions, whose keepalives in and out wake BIRD.
    """
    held_s, apart_s = float(group.hold_s), float(group.keepalive_s)
    if group.daemon == "frr":
        return Rest(held_s, apart_s - _EARLY_S, apart_s)
    rest = Rest(_LEAST * held_s, _LEAST * apart_s, apart_s)
    return Total((rest, Sum(0.0, ((1 - _LEAST) * held_s,)), late(group, others)))


def late(group: Bgp, others: int = 1) -> Law:
    """How long BIRD sleeps when its hold timer has expired: until the next timer or packet, 3 s at most."""
    apart = Wait(_LEAST * group.keepalive_s, float(group.keepalive_s))
    scans = tuple(Sum(0.0, (period_s,)) for period_s in _SCANS_S)
    return First((Sum(_SLEEP_S), *scans, *(apart,) * 2 * others))


class Watched(Protocol):
    """What BFD watches: the sessions of BGP speakers, or the next hops of static routes."""

    @property
    def bfd_ms(self) -> int: ...

    @property
    def bfd_mult(self) -> int: ...

    @property
    def daemon(self) -> str: ...


def by_bfd(group: Watched, fault: str = "") -> bool:
    """Whether BFD watches the sessions, and notices the fault: it does not if FRR's bgpd alone is halted."""
    return bool(group.bfd_ms) and not (group.daemon == "frr" and fault == "service_pause")


def watching(group: Watched) -> Rest:
    """What is left of BFD's Detection Time when packets stop coming, as the daemon sends them."""
    return bfd_rest(group.bfd_ms, group.bfd_mult, _APART if group.daemon == "frr" else BIRD_APART)


def by_watching(group: Watched) -> OutageBound:
    """How long a machine sends to a neighbor of which BFD hears nothing any more."""
    return of_law(watching(group), f"BFD {group.bfd_mult} x {group.bfd_ms} ms", PAUSE_S)


def detection(group: Bgp, others: int = 1, fault: str = "") -> OutageBound:
    """How long a speaker has a session of which it hears nothing any more, because of the ``fault``."""
    if by_bfd(group, fault):
        return by_watching(group)
    return of_law(hold(group, others), f"hold time {group.hold_s} s", PAUSE_S)


def moves_s(group: Bgp, hops: int) -> float:
    """How long it takes from the end of a session until packets take another way, where so many speakers one after the
    other have to be told before the one that sends them knows."""
    return _CLEAR_S + _PROCESS_S * (1 + hops) + _ZEBRA_S if group.daemon == "frr" else 0.0


def moved(group: Bgp, noticed: OutageBound, hops: int) -> OutageBound:
    """How long packets go where they are lost if a session's end is noticed so, and that many are told after it."""
    if not (more_s := moves_s(group, hops)):
        return noticed
    return replace(noticed, low_s=noticed.low_s + more_s, bound_s=noticed.bound_s + more_s, law=None)


def outage(
    group: Bgp,
    fault: str,
    *,
    told: bool = True,
    delay_s: float = 0.0,
    others: int = 1,
    hops: tuple[int, int] = (0, 0),
    one_session: bool = True,
) -> OutageBound | str:
    """The outage of traffic both ways when a fault hits the way in use, and there is another; text: no bound, and why.

    Each direction waits for the end that sends it; the two times are taken as independent, though keepalives begin at
    one instant at both ends and need many cycles to forget it. ``told``: those that send are told of routes that have
    gone, not only of a default route. ``delay_s`` is what the links of the way delay: packets on it are lost, too.
    ``hops``: how many speakers are told after the one that notices, on the side of each end. ``one_session``: both
    sides lose the same session, not each one of its own. FRR's two ends of one send their keepalives in step for good,
    so that both hold timers end at once.
    """
    if fault in ("service_stop", "service_crash") and group.daemon == "frr":
        lost_s = moves_s(group, 0) - _ZEBRA_S  # the kernel still had its routes for as long
        return OutageBound(lost_s, lost_s, "FRR's queues at its neighbors", tolerance_s=PAUSE_S + delay_s)
    if fault in OF_DAEMON:
        label = "the kernel forwards until the neighbors have other routes"
        return OutageBound(0.0, 0.0, label, tolerance_s=PAUSE_S + delay_s)
    if not told:
        return "the provider goes on announcing its default route: the failure beyond it is in no route of the edge"
    if fault in ("carrier_loss", "router_crash"):
        return replace(moved(group, AT_THE_EVENT, max(hops)), tolerance_s=PAUSE_S + delay_s)
    if fault in SILENT:
        one = detection(group, others)
        assert one.law is not None
        if group.daemon == "frr" and one_session and not by_bfd(group, fault):
            law = _later(one.law, max(moves_s(group, each) for each in hops))
            return of_law(law, f"{one.label}, at both ends at once", PAUSE_S + delay_s)
        ends = tuple(_later(one.law, moves_s(group, each)) for each in hops)
        return of_law(Longest(ends), f"{one.label}, the later end", PAUSE_S + delay_s)
    return f"theory does not say what {fault} costs"


def _later(law: Law, more_s: float) -> Law:
    return replace(law, total_s=law.total_s + more_s) if isinstance(law, Rest) else law
