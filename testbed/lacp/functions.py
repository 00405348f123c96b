"""The parts of the machines' tables: the functions of 6.4.9, and named actions and guards."""

from testbed.lacp.pdu import Marker, PortInfo, State
from testbed.lacp.port import Port
from testbed.lacp.rules import Action, Guard
from testbed.lacp.states import (
    FAST_PERIODIC_TIME_S,
    LONG_TIMEOUT_TIME_S,
    MAX_LACPDUS_PER_WINDOW,
    SHORT_TIMEOUT_TIME_S,
    Selected,
    Timer,
)

_NONE = State(0)
_NTT_BITS = State.LACP_ACTIVITY | State.LACP_TIMEOUT | State.AGGREGATION | State.SYNCHRONIZATION


def set_partner_state(port: Port, on: State = _NONE, off: State = _NONE) -> None:
    """Set and clear bits of Partner_Oper_Port_State."""
    partner = port.partner
    state = (partner.state | on) & ~off
    if state != partner.state:
        port.partner = PortInfo(*partner.identity[:5], state=state)


def unselect(port: Port, _now: float) -> None:
    """Selected = UNSELECTED; the selection logic may select the port again once the mux has detached it."""
    port.selected = Selected.UNSELECTED


def record_default(port: Port, _now: float) -> None:
    """recordDefault: use the configured partner's parameters."""
    port.partner = port.lag.default_partner
    port.defaulted = True


def update_default_selected(port: Port, now: float) -> None:
    """update_Default_Selected: unselect the port if its partner was not the default one."""
    if port.partner.identity != port.lag.default_partner.identity:
        unselect(port, now)


def update_selected(port: Port, now: float) -> None:
    """update_Selected: unselect the port if the LACPDU is from another partner than before."""
    assert port.pdu is not None
    if port.pdu.actor.identity != port.partner.identity:
        unselect(port, now)


def update_ntt(port: Port, _now: float) -> None:
    """update_NTT: transmit if the partner's view of us is out of date."""
    assert port.pdu is not None
    ours, theirs = port.actor, port.pdu.partner
    if ours.identity != theirs.identity or (ours.state ^ theirs.state).has(_NTT_BITS):
        port.ntt = True


def record_pdu(port: Port, _now: float) -> None:
    """recordPDU: record the PDU's actor as our partner.

    It counts as in sync only if its Synchronization is set, its partner information matches this port (or it is an
    individual link), and one of the two ends is active, so that LACPDUs are exchanged.
    """
    pdu, ours = port.pdu, port.actor
    assert pdu is not None
    individual = not pdu.actor.state.has(State.AGGREGATION)
    matched = individual or pdu.partner.identity == ours.identity
    we_maintain = ours.state.has(State.LACP_ACTIVITY) and pdu.partner.state.has(State.LACP_ACTIVITY)
    maintained = pdu.actor.state.has(State.LACP_ACTIVITY) or we_maintain
    port.partner, port.last_received = pdu.actor, pdu
    port.defaulted = False
    port.pdu = None
    if not (matched and maintained):
        set_partner_state(port, off=State.SYNCHRONIZATION)


def start_current_while(port: Port, now: float) -> None:
    """Start the timer with the timeout that our LACPDUs announce: short or long."""
    fast = port.lag.config.rate == "fast"
    port.timers.start(Timer.CURRENT_WHILE, SHORT_TIMEOUT_TIME_S if fast else LONG_TIMEOUT_TIME_S, now)


def partner_timeout_s(port: Port) -> float:
    """The partner's timeout for our LACPDUs, in seconds, from its own LACPDU."""
    return SHORT_TIMEOUT_TIME_S if port.partner.state.has(State.LACP_TIMEOUT) else LONG_TIMEOUT_TIME_S


def transmit(port: Port, now: float) -> None:
    """Send a LACPDU with the current values. After three within a second the next one waits (6.4.16)."""
    pdu = port.lacpdu()
    port.outbox.append(pdu)
    port.last_sent = pdu
    port.ntt = False
    port.counters["lacpdus_sent"] += 1
    port.sent_at.append(now)
    # The deque keeps the last three times: if the oldest is recent, a fourth has to wait for it.
    window_ends = port.sent_at[0] + FAST_PERIODIC_TIME_S
    if len(port.sent_at) == MAX_LACPDUS_PER_WINDOW and window_ends > now:
        port.timers.start_until(Timer.TRANSMIT_WINDOW, window_ends, now)


def marker_response(port: Port, marker: Marker, now: float) -> Marker | None:
    """The Marker Responder (6.5.4): answers a Marker PDU, at the rate that Slow Protocols allow."""
    port.counters["markers_received"] += 1
    sent = port.answered_at
    if marker.response or (len(sent) == sent.maxlen and now < sent[0] + 1.0):
        return None
    sent.append(now)
    port.counters["marker_responses_sent"] += 1
    return Marker(marker.port, marker.system, marker.transaction, response=True)


def start(timer: Timer, seconds: float, name: str) -> Action:
    """The action that starts a timer; `name` is the standard's name of its time."""
    return Action(f"start {timer} ({name})", lambda port, now: port.timers.start(timer, seconds, now))


def stop(timer: Timer) -> Action:
    """The action that stops a timer."""
    return Action(f"stop {timer}", lambda port, _now: port.timers.stop(timer))


def set_ntt(value: bool) -> Action:
    """The action that sets or clears NTT."""
    return Action(f"NTT = {str(value).upper()}", lambda port, _now: setattr(port, "ntt", value))


def count(counter: str) -> Action:
    """The action that counts the entries into a state."""
    return Action(f"count {counter}", lambda port, _now: port.counters.update((counter,)))


def expired(timer: Timer) -> Guard:
    """The guard that holds once the timer ran out."""
    return Guard(f"{timer} expired", lambda port: port.timers.expired(timer))


NTT = set_ntt(True)
UNSELECT = Action("Selected = UNSELECTED", unselect)
RECORD_DEFAULT = Action("recordDefault", record_default)
PARTNER_OUT_OF_SYNC = Action(
    "Partner.Synchronization = FALSE", lambda port, _now: set_partner_state(port, off=State.SYNCHRONIZATION)
)
