"""The churn detection machines of clause 6.4.17: one end does not reach synchronization for 60 s.

In the figures a machine keeps entering the monitor state while port_enabled is FALSE, so the timer never runs.
Here one rule stops and starts the timer when port_enabled changes.
"""

from enum import StrEnum

from testbed.lacp.functions import count, expired, stop
from testbed.lacp.port import Port
from testbed.lacp.rules import Action, Guard, Machine, Rule
from testbed.lacp.states import CHURN_DETECTION_TIME_S, ActorChurn, PartnerChurn, Timer


def _started(port: Port, timer: Timer) -> bool:
    return port.timers.running(timer) or port.timers.expired(timer)


def _start_if_enabled(timer: Timer) -> Action:
    def do(port: Port, now: float) -> None:
        if port.enabled:
            port.timers.start(timer, CHURN_DETECTION_TIME_S, now)
        else:
            port.timers.stop(timer)

    return Action(f"start {timer} (Churn_Detection_Time) if port_enabled", do)


def enabled_and(guard: Guard) -> Guard:
    """The guard, and port_enabled: without it the machine would leave the monitor state and return at once."""
    return Guard(f"port_enabled = TRUE and {guard.text}", lambda port: port.enabled and guard.holds(port))


def _churn_machine(end: str, figure: str, states: type[StrEnum], timer: Timer, sync: Guard, no_sync: Guard) -> Machine:
    no_churn, churn, monitor = (
        states[name.format(end.upper())] for name in ("NO_{}_CHURN", "{}_CHURN", "{}_CHURN_MONITOR")
    )
    disabled = Guard("port_enabled = FALSE", lambda port: not port.enabled)
    changed = Guard("port_enabled changed", lambda port: port.enabled != _started(port, timer))
    return Machine(
        name=f"{end}_churn",
        clause=f"6.4.17, figure {figure}",
        states=states,
        initial=monitor,
        entry={
            monitor: (_start_if_enabled(timer),),
            no_churn: (stop(timer),),
            churn: (count(f"{end}_churns"),),
        },
        rules=(
            Rule((monitor,), changed, monitor),
            Rule((), disabled, monitor),
            Rule((monitor, churn), enabled_and(sync), no_churn),
            Rule((monitor,), expired(timer), churn),
            Rule((no_churn,), no_sync, monitor),
        ),
    )


ACTOR_CHURN_DETECTION = _churn_machine(
    "actor",
    "6-23",
    ActorChurn,
    Timer.ACTOR_CHURN,
    Guard("Actor.Synchronization = TRUE", lambda port: port.in_sync),
    Guard("Actor.Synchronization = FALSE", lambda port: not port.in_sync),
)
PARTNER_CHURN_DETECTION = _churn_machine(
    "partner",
    "6-24",
    PartnerChurn,
    Timer.PARTNER_CHURN,
    Guard("Partner.Synchronization = TRUE", lambda port: port.partner_in_sync),
    Guard("Partner.Synchronization = FALSE", lambda port: not port.partner_in_sync),
)
