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
"""

from __future__ import annotations

from testbed.spec import Bgp
from testbed.theory.laws import First, Law, Longest, Rest, Sum, Total, Wait
from testbed.theory.outage_bound import SWITCH_PAUSE_S, OutageBound, of_law
from testbed.theory.routed import BIRD_S, bfd_rest
from testbed.theory.tcp import DELAYED_ACK_S

#: RFC 4271, 10: a timer is set to 0.75 to 1 of its value.
_LEAST = 0.75
#: The longest sleep of BIRD's main loop, and the periods in which it looks at the kernel's interfaces and routes.
_SLEEP_S, _SCANS_S = 3.0, (60.0, 60.0)
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
    rest = Rest(_LEAST * held_s, _LEAST * apart_s, apart_s)
    return Total((rest, Sum(0.0, ((1 - _LEAST) * held_s,)), late(group, others)))


def late(group: Bgp, others: int = 1) -> Law:
    """How long BIRD sleeps when its hold timer has expired: until the next timer or packet, 3 s at most."""
    apart = Wait(_LEAST * group.keepalive_s, float(group.keepalive_s))
    scans = tuple(Sum(0.0, (period_s,)) for period_s in _SCANS_S)
    return First((Sum(_SLEEP_S), *scans, *(apart,) * 2 * others))


def detection(group: Bgp, others: int = 1) -> OutageBound:
    """How long a speaker sends by a session of which it hears nothing any more."""
    if group.bfd_ms:
        law: Law = bfd_rest(group.bfd_ms, group.bfd_mult)
        return of_law(law, f"BFD {group.bfd_mult} x {group.bfd_ms} ms", PAUSE_S)
    return of_law(hold(group, others), f"hold time {group.hold_s} s", PAUSE_S)


def outage(group: Bgp, fault: str, *, told: bool = True, delay_s: float = 0.0, others: int = 1) -> OutageBound | str:
    """The outage of traffic both ways when a fault hits the way in use, and there is another; text: no bound, and why.

    Each direction waits for the end that sends it; the two times are taken as independent, though keepalives begin at
    one instant at both ends and need many cycles to forget it. ``told``: those that send are told of routes that have
    gone, not only of a default route. ``delay_s`` is what the links of the way delay: packets on it are lost, too.
    """
    if fault in OF_DAEMON:
        label = "the kernel forwards until the neighbors have other routes"
        return OutageBound(0.0, 0.0, label, tolerance_s=PAUSE_S + delay_s)
    if not told:
        return "the provider goes on announcing its default route: the failure beyond it is in no route of the edge"
    if fault in ("carrier_loss", "router_crash"):
        return OutageBound(0.0, 0.0, AT_THE_EVENT.label, tolerance_s=PAUSE_S + delay_s)
    if fault in SILENT:
        one = detection(group, others)
        assert one.law is not None
        return of_law(Longest((one.law, one.law)), f"{one.label}, the later end", PAUSE_S + delay_s)
    return f"theory does not say what {fault} costs"
