"""Multipath TCP as Linux carries it out: when data go on by another subflow, and how long a transfer takes. Pure.

    first lost     T              2 T                     (L+1) T
       |-----------|---------------|------- ... ------------|       the connection's retransmission timer, T each
       x           repeated by another subflow, if that     the silent subflow is stale: all that it holds
                   has nothing unacknowledged just then     is repeated, and it gets nothing new

RFC 8684 leaves both the scheduler and retransmission open. What is here is read from the kernel's code, version 7.3:
net/mptcp/protocol.c and net/mptcp/pm.c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from testbed.theory.outage_bound import OutageBound
from testbed.theory.tcp import RTO_MIN_S, kernel_timer_s
from testbed.theory.ticks import GUEST_HZ

#: Faults that a subflow does not survive, and that leave the others alone.
FAULTS = ("carrier_loss", "silent_loss", "switch_crash")
#: The round-trip time of a subflow whose receiver waits with its acknowledgement (Linux: TCP_DELACK_MIN), and a
#: millisecond: what is behind a gap the application does not read, so nothing is acknowledged with its next answer.
DELAYED_S = 0.041
#: The timer that repeats by a backup: only if the others have made no progress since the last one
#: (mptcp_subflow_get_retrans, min_stale_count > 1): the second, or the third if acknowledgements that were on their way
#: at the first one counted as progress, as where one direction alone is silent.
_BACKUP_TIMERS = 3
#: From so many losses on, a subflow that carries data counts as an alternative at each timer (pm.c,
#: active_max_loss_cnt: one less than the losses, and its own count goes from 0 to 1 and back); else at every second.
_STEADY_LOSSES = 3
#: What the kernel's own test asks of a transfer (tools/testing/selftests/net/mptcp/simult_flows.sh): nine tenths of the
#: links' rates together, and 450 ms.
_TRANSFER_SHARE, _TRANSFER_SLACK_S = 0.9, 0.450


class Options(Protocol):
    """What of a host's options decides."""

    @property
    def mptcp_backup(self) -> bool:
        """Whether all ways but the first are backups."""

    @property
    def mptcp_stale_losses(self) -> int:
        """After how many timers without progress a subflow is stale; 0: never."""


def timer_s(rtt_s: float, hz: int = GUEST_HZ) -> float:
    """How long the connection's retransmission timer takes at the most, for subflows with this round-trip time.

    It is the longest time that a subflow's own timer still has to go, RFC 6298's, but no subflow's that made no
    progress since the last one; TCP's least timeout if none runs (mptcp_subflow_get_send, __mptcp_set_timeout).
    """
    return kernel_timer_s(RTO_MIN_S + rtt_s, hz)


def timers(options: Options) -> int | None:
    """After how many of these timers, at the most, data go on by another subflow; None: at no certain time."""
    losses = options.mptcp_stale_losses
    if options.mptcp_backup:
        return _BACKUP_TIMERS
    if not losses:
        return None
    return losses + (1 if losses >= _STEADY_LOSSES else 2)


def handover(options: Options, fault: str, rtt_s: float = DELAYED_S, hz: int = GUEST_HZ) -> OutageBound | str:
    """The longest time without data of a connection that sends all the time, when a subflow that carries them is lost;
    or why there is no such time.

    Carrier or not makes no difference: nothing tells the connection. The first timer repeats at once what is missing,
    if another subflow is idle then, which is chance; a backup is idle.
    """
    if fault not in FAULTS:
        return _why(fault)
    count = timers(options)
    if count is None:
        return (
            "with mptcp_stale_losses=0 a subflow is never stale, and what it lost is repeated only when another one has"
            " nothing unacknowledged, which is chance"
        )
    label = f"{count} retransmission timers of Multipath TCP" if count > 1 else "its retransmission timer"
    return OutageBound(RTO_MIN_S, count * timer_s(rtt_s, hz), label)


def _why(fault: str) -> str:
    if fault in ("lossy", "slow"):
        return "a subflow that still gets acknowledgements is never stale to Multipath TCP, and goes on with its share"
    if fault == "flapping":
        return "a subflow that is back between two flaps makes progress, and Multipath TCP counts its losses anew"
    return f"what fault {fault} means for a subflow is not known"


def transfer_s(octets: int, rates_mbps: Sequence[float]) -> float:
    """How long one connection over ways with these rates takes for so many octets, at the most."""
    return octets * 8 / (_TRANSFER_SHARE * math.fsum(rates_mbps) * 1e6) + _TRANSFER_SLACK_S
