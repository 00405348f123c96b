"""How long LACP's timers in the bonding driver take by the kernel's ticks. Pure."""

from __future__ import annotations

from testbed.theory.bounds import LACP_PERIOD_S, LACP_STEP_MS, LACP_TIMEOUT_S, LACP_TOLERANCE_S, OutageBound
from testbed.theory.ticks import GUEST_HZ, monitor_period_s


def bonding_lacp_bound(rate: str, hz: int = GUEST_HZ) -> OutageBound:
    """When a Linux bond times out a silent partner that keeps its periods exactly: `lacp_bound` by the driver's clock.

    The driver counts the timeout in steps of 100 ms, one down each time that its work runs, which is every
    `monitor_period_s` of them; the first step is shorter by up to a step.
    """
    step_s = monitor_period_s(LACP_STEP_MS, hz)
    steps = LACP_TIMEOUT_S[rate] * 1000 / LACP_STEP_MS
    return OutageBound(
        (steps - 1) * step_s - LACP_PERIOD_S[rate],
        steps * step_s,
        f"LACP timeout {LACP_TIMEOUT_S[rate]:.0f} s in steps of {step_s * 1e3:g} ms",
        uniform=True,
        tolerance_s=LACP_TOLERANCE_S,
    )


def facing_bonding_lacp_bound(rate: str, hz: int = GUEST_HZ) -> OutageBound:
    """When an end that keeps the standard's clock times out a Linux bond that has become silent.

    The driver sends by its own clock, a LACPDU every 10 or 300 steps of 100 ms: the last one may be older than its
    period.
    """
    period_s = LACP_PERIOD_S[rate] * 1000 / LACP_STEP_MS * monitor_period_s(LACP_STEP_MS, hz)
    label = f"LACP timeout {LACP_TIMEOUT_S[rate]:.0f} s after LACPDUs {period_s:g} s apart"
    return OutageBound(LACP_TIMEOUT_S[rate] - period_s, LACP_TIMEOUT_S[rate], label, True, LACP_TOLERANCE_S)
