"""The outage of traffic when the switches' controller is away for a while. Pure.

    last LACPDU   crash                       host times out      switch has a controller   LACP has agreed
    -----|----------|------------------------------|------------------------|----------------------|------->
         |<- age  ->|<------------- away_s -------------------------------->|                      |
         |<--------------- timeout --------------->|<---------------- outage --------------------->|

Groups and flows stay in the switches, so traffic flows until the host's bond has missed LACPDUs for its timeout; the
last one is up to a period old when the controller goes (IEEE 802.1AX-2014, 6.4.4).
"""

from __future__ import annotations

from testbed.theory.outage_bound import OutageBound
from testbed.theory.timers import LACP_PERIOD_S, LACP_TIMEOUT_S, LACP_TOLERANCE_S

#: IEEE 802.1AX-2014, 6.4.4: Aggregate_Wait_Time.
AGGREGATE_WAIT_S = 2.0
#: From the first LACPDU after the loss until both ends distribute, beyond any Aggregate_Wait_Time: each end answers
#: what is out of date at once, but sends no more than three LACPDUs a second, so it takes a Fast_Periodic_Time at the
#: most (6.4.16).
EXCHANGE_S = LACP_PERIOD_S["fast"]


def may_expire(rate: str, away_s: float) -> bool:
    """Whether the host's bond may miss LACPDUs for its timeout while the controller is away."""
    return away_s + LACP_PERIOD_S[rate] > LACP_TIMEOUT_S[rate]


def controller_loss_bound(rate: str, away_s: float, restart: str) -> OutageBound:
    """The outage when the controller is away for ``away_s``, until a switch has connected to the one after it.

    ``restart``: ``resume`` continues from the state of the other: nothing is lost unless the host has timed out; then
    LACP has to negotiate again. ``fresh`` has no state: its first LACPDU says that it is not in sync, which takes the
    members out in any case, and they wait for Aggregate_Wait_Time as well.
    """
    timed_out_s = max(0.0, away_s - (LACP_TIMEOUT_S[rate] - LACP_PERIOD_S[rate])) if may_expire(rate, away_s) else 0.0
    if restart == "resume":
        if not may_expire(rate, away_s):
            return OutageBound(0.0, 0.0, "nothing: the host receives a LACPDU in time", tolerance_s=0.0)
        return OutageBound(0.0, timed_out_s + EXCHANGE_S, "LACP negotiates again", tolerance_s=LACP_TOLERANCE_S)
    longest_s = timed_out_s + AGGREGATE_WAIT_S + EXCHANGE_S
    return OutageBound(0.0, longest_s, "LACP starts again", tolerance_s=LACP_TOLERANCE_S)
