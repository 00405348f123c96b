"""LACP's timers: those of the standard, and what the kernel's ticks make of them in the bonding driver. Pure.

    last LACPDU    silence begins                 noticed
    -----|---------------|---------------------------|--->     timeout less the age of the last LACPDU
         |<--- age ----->|
         |<---------------- timeout ---------------->|

Each end times out by the rate that it asked its partner for: the partner sends at that rate, and that is the timeout
(IEEE 802.1AX-2014, 6.4.12: Actor_State.LACP_Timeout).
"""

from __future__ import annotations

from testbed.theory.laws import Apart, Sum
from testbed.theory.outage_bound import RELEARN_PAUSE_S, OutageBound, of_law, uniform
from testbed.theory.ticks import GUEST_HZ, monitor_period_s

#: How far LACP's timers may be off (IEEE 802.1AX, 6.4.10).
LACP_TOLERANCE_S = 0.250
#: IEEE 802.1AX, 6.4.4: Fast_ and Slow_Periodic_Time, Short_ and Long_Timeout_Time.
LACP_PERIOD_S = {"fast": 1.0, "slow": 30.0}
LACP_TIMEOUT_S = {"fast": 3.0, "slow": 90.0}
#: The bonding driver counts LACP's timers down every so often (bond_3ad.c, AD_TIMER_INTERVAL).
LACP_STEP_MS = 100


def lacp_bound(rate: str) -> OutageBound:
    """A partner that falls silent: its last LACPDU is up to a period old, and the timeout is three periods.

    IEEE 802.1AX, 6.4.12: current_while is set to the timeout by each LACPDU. Uniform in (2, 3] s with rate
    fast, in (60, 90] s with rate slow.
    """
    period_s, timeout_s = LACP_PERIOD_S[rate], LACP_TIMEOUT_S[rate]
    return uniform(timeout_s - period_s, period_s, f"LACP timeout {timeout_s:.0f} s", LACP_TOLERANCE_S)


def bonding_lacp_bound(rate: str, hz: int = GUEST_HZ) -> OutageBound:
    """When a Linux bond that asked for ``rate`` times out a silent partner that keeps its periods exactly.

    The driver takes the timeout as so many steps of 100 ms and counts one down whenever its work runs, which is every
    `monitor_period_s` of them; the first step is cut short by up to a step. So the time is the sum of two uniform ones:
    what is left of the first step, and what the last LACPDU lacks of a whole period in age.
    """
    step_s = monitor_period_s(LACP_STEP_MS, hz)
    steps = LACP_TIMEOUT_S[rate] * 1000 / LACP_STEP_MS
    period_s = LACP_PERIOD_S[rate]
    label = f"LACP timeout {LACP_TIMEOUT_S[rate]:.0f} s in steps of {step_s * 1e3:g} ms"
    return of_law(Sum((steps - 1) * step_s - period_s, (period_s, step_s)), label, 1 / hz)


def apart_bound(rate: str) -> OutageBound:
    """How long after each other two Linux bonds time out that stop hearing the same partner: each by its own clock.

    For so long, what one still sends by that partner to the other is lost.
    """
    law = bonding_lacp_bound(rate).law
    assert isinstance(law, Sum)
    return of_law(Apart(law, law), "between the timeouts of the two bonds", RELEARN_PAUSE_S)


def bonding_lacp_period_s(rate: str, hz: int = GUEST_HZ) -> float:
    """How far apart the LACPDUs of a Linux bond are whose partner asked for ``rate``: one in so many of its steps."""
    return LACP_PERIOD_S[rate] * 1000 / LACP_STEP_MS * monitor_period_s(LACP_STEP_MS, hz)


def facing_bonding_lacp_bound(rate: str, hz: int = GUEST_HZ) -> OutageBound:
    """When an end that keeps the standard's clock, and asked for ``rate``, notices that a Linux bond has fallen silent.

    The driver sends by its own clock: the last LACPDU may be older than a period.
    """
    period_s, timeout_s = bonding_lacp_period_s(rate, hz), LACP_TIMEOUT_S[rate]
    label = f"LACP timeout {timeout_s:.0f} s after LACPDUs {period_s:g} s apart"
    return uniform(timeout_s - period_s, period_s, label, 1 / hz)


def excluded_bound(*, quiet: bool = True, hz: int = GUEST_HZ) -> OutageBound:
    """When a Linux bond stops sending on a member that its partner takes out of the LAG and says so in a LACPDU.

    The driver takes the LACPDU in at once and acts in its next step. The LACPDU is sent at once if the LAG has been
    ``quiet``; but no more than three are sent in a Fast_Periodic_Time (IEEE 802.1AX-2014, 6.4.16), so after several
    changes it may be held back for that long. What does not cross that member loses nothing.
    """
    step_s = monitor_period_s(LACP_STEP_MS, hz)
    if quiet:
        return OutageBound(0.0, step_s, f"LACPDU, then the driver's next step of {step_s * 1e3:g} ms")
    longest_s = LACP_PERIOD_S["fast"] + step_s
    return OutageBound(0.0, longest_s, "LACPDU held back, then the driver's next step")
