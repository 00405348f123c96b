"""The machines of a port as tables: receive, periodic transmission, transmit; and the list of all of them.

States, variables and functions have the names of IEEE 802.1AX-2014 clause 6.4; additions are marked as ours. One
addition changes the behaviour: entering EXPIRED sets NTT. So the first LACPDU is sent when the link comes up, not a
second later, and a partner is notified at once that its LACPDUs do not arrive.
"""

from testbed.lacp.churn import ACTOR_CHURN_DETECTION, PARTNER_CHURN_DETECTION
from testbed.lacp.functions import (
    NTT,
    PARTNER_OUT_OF_SYNC,
    RECORD_DEFAULT,
    UNSELECT,
    expired,
    record_pdu,
    set_partner_state,
    start,
    start_current_while,
    stop,
    transmit,
    update_default_selected,
    update_ntt,
    update_selected,
)
from testbed.lacp.mux import COUPLED_MUX, INDEPENDENT_MUX
from testbed.lacp.pdu import State
from testbed.lacp.port import Port
from testbed.lacp.rivals import ANSWER, CABLING
from testbed.lacp.rules import UCT, Action, Guard, Machine, Rule
from testbed.lacp.states import (
    FAST_PERIODIC_TIME_S,
    SHORT_TIMEOUT_TIME_S,
    SLOW_PERIODIC_TIME_S,
    Periodic,
    Restore,
    Rx,
    Timer,
    Tx,
)


def _is_short(port: Port) -> bool:
    return port.partner.state.has(State.LACP_TIMEOUT)


def _in_no_periodic(port: Port) -> bool:
    return port.state["periodic"] == Periodic.NO_PERIODIC


def _periodic_is_off(port: Port) -> bool:
    silent = not (port.lag.config.mode == "active" or port.partner.state.has(State.LACP_ACTIVITY))
    return silent or not port.enabled or not port.config.lacp_enabled


PARTNER_SHORT = Guard("Partner.LACP_Timeout = short", _is_short)
PARTNER_LONG = Guard("Partner.LACP_Timeout = long", lambda port: not _is_short(port))
LACPDU_RECEIVED = Guard("LACPDU received", lambda port: port.pdu is not None)

RECEIVE = Machine(
    name="receive",
    clause="6.4.12, figure 6-18",
    states=Rx,
    initial=Rx.INITIALIZE,
    entry={
        Rx.INITIALIZE: (
            UNSELECT,
            RECORD_DEFAULT,
            Action("port_moved = FALSE", lambda port, _now: setattr(port, "moved", False)),
        ),
        Rx.PORT_DISABLED: (PARTNER_OUT_OF_SYNC, stop(Timer.CURRENT_WHILE)),
        Rx.LACP_DISABLED: (UNSELECT, RECORD_DEFAULT),
        Rx.EXPIRED: (
            PARTNER_OUT_OF_SYNC,
            Action(
                "Partner.LACP_Timeout = short",
                lambda port, _now: set_partner_state(port, on=State.LACP_TIMEOUT),
            ),
            start(Timer.CURRENT_WHILE, SHORT_TIMEOUT_TIME_S, "Short_Timeout_Time"),
            NTT,
        ),
        Rx.DEFAULTED: (Action("update_Default_Selected", update_default_selected), RECORD_DEFAULT),
        Rx.CURRENT: (
            Action("update_Selected", update_selected),
            Action("update_NTT", update_ntt),
            Action("recordPDU", record_pdu),
            Action("start current_while_timer (Actor.LACP_Timeout)", start_current_while),
        ),
    },
    rules=(
        Rule(
            (Rx.LACP_DISABLED, Rx.EXPIRED, Rx.DEFAULTED, Rx.CURRENT),
            Guard(
                "port_enabled = FALSE and port_moved = FALSE",
                lambda port: not port.enabled and not port.moved,
            ),
            Rx.PORT_DISABLED,
        ),
        Rule((Rx.INITIALIZE,), UCT, Rx.PORT_DISABLED),
        Rule((Rx.PORT_DISABLED,), Guard("port_moved = TRUE", lambda port: port.moved), Rx.INITIALIZE),
        Rule(
            (Rx.PORT_DISABLED,),
            Guard("port_enabled = TRUE and LACP_Enabled = TRUE", lambda p: p.enabled and p.config.lacp_enabled),
            Rx.EXPIRED,
        ),
        Rule(
            (Rx.PORT_DISABLED,),
            Guard(
                "port_enabled = TRUE and LACP_Enabled = FALSE",
                lambda p: p.enabled and not p.config.lacp_enabled,
            ),
            Rx.LACP_DISABLED,
        ),
        # A LACPDU has precedence over an expired timer: a late caller must not expire a partner.
        Rule((Rx.EXPIRED, Rx.DEFAULTED, Rx.CURRENT), LACPDU_RECEIVED, Rx.CURRENT),
        Rule((Rx.CURRENT,), expired(Timer.CURRENT_WHILE), Rx.EXPIRED),
        Rule((Rx.EXPIRED,), expired(Timer.CURRENT_WHILE), Rx.DEFAULTED),
    ),
)

PERIODIC = Machine(
    name="periodic",
    clause="6.4.13, figure 6-19",
    states=Periodic,
    initial=Periodic.NO_PERIODIC,
    entry={
        Periodic.NO_PERIODIC: (stop(Timer.PERIODIC),),
        Periodic.FAST_PERIODIC: (start(Timer.PERIODIC, FAST_PERIODIC_TIME_S, "Fast_Periodic_Time"),),
        Periodic.SLOW_PERIODIC: (start(Timer.PERIODIC, SLOW_PERIODIC_TIME_S, "Slow_Periodic_Time"),),
        Periodic.PERIODIC_TX: (NTT,),
    },
    rules=(
        Rule(
            (),
            Guard("LACP_Enabled = FALSE or port_enabled = FALSE or both ends passive", _periodic_is_off),
            Periodic.NO_PERIODIC,
        ),
        Rule((Periodic.NO_PERIODIC,), UCT, Periodic.FAST_PERIODIC),
        Rule((Periodic.FAST_PERIODIC, Periodic.SLOW_PERIODIC), expired(Timer.PERIODIC), Periodic.PERIODIC_TX),
        Rule((Periodic.FAST_PERIODIC,), PARTNER_LONG, Periodic.SLOW_PERIODIC),
        Rule((Periodic.SLOW_PERIODIC,), PARTNER_SHORT, Periodic.PERIODIC_TX),
        Rule((Periodic.PERIODIC_TX,), PARTNER_SHORT, Periodic.FAST_PERIODIC),
        Rule((Periodic.PERIODIC_TX,), PARTNER_LONG, Periodic.SLOW_PERIODIC),
    ),
    logged=False,
)

TRANSMIT = Machine(
    name="transmit",
    clause="6.4.16 (in words; the states are ours)",
    states=Tx,
    initial=Tx.IDLE,
    entry={
        Tx.TRANSMIT: (Action("send a LACPDU, NTT = FALSE", transmit),),
        Tx.DISCARD: (Action("NTT = FALSE", lambda port, _now: setattr(port, "ntt", False)),),
    },
    rules=(
        Rule(
            (Tx.IDLE,),
            Guard("NTT, and NO_PERIODIC or SILENT", lambda port: port.ntt and (_in_no_periodic(port) or port.silent)),
            Tx.DISCARD,
        ),
        Rule(
            (Tx.IDLE,),
            Guard(
                "NTT and in reach and fewer than 3 LACPDUs in the last Fast_Periodic_Time",
                lambda port: port.ntt and port.in_reach and not port.timers.running(Timer.TRANSMIT_WINDOW),
            ),
            Tx.TRANSMIT,
        ),
        Rule((Tx.TRANSMIT, Tx.DISCARD), UCT, Tx.IDLE),
    ),
    logged=False,
)

WAIT_TO_RESTORE = Machine(
    name="restore",
    clause="ours, after the wait-to-restore of 802.1AX-2020",
    states=Restore,
    initial=Restore.STEADY,
    entry={
        Restore.LOST: (stop(Timer.WAIT_TO_RESTORE),),
        Restore.RESTORING: (
            Action(
                "start wait_to_restore_timer (wait_to_restore_s)",
                lambda port, now: port.timers.start(Timer.WAIT_TO_RESTORE, port.lag.config.wait_to_restore_s, now),
            ),
        ),
    },
    rules=(
        Rule(
            (Restore.STEADY,),
            # A partner that is not the default has sent LACPDUs: only a port that has worked has to wait.
            Guard(
                "a partner was heard and is heard no more",
                lambda port: not port.defaulted and port.rx in (Rx.PORT_DISABLED, Rx.EXPIRED),
            ),
            Restore.LOST,
        ),
        Rule(
            (Restore.LOST,),
            Guard("the partner is heard", lambda port: port.rx == Rx.CURRENT),
            Restore.RESTORING,
        ),
        Rule(
            (Restore.RESTORING,),
            Guard("the partner is heard no more", lambda port: port.rx != Rx.CURRENT),
            Restore.LOST,
        ),
        Rule((Restore.RESTORING,), expired(Timer.WAIT_TO_RESTORE), Restore.STEADY),
    ),
)

MACHINES = (
    RECEIVE,
    PERIODIC,
    COUPLED_MUX,
    INDEPENDENT_MUX,
    ACTOR_CHURN_DETECTION,
    PARTNER_CHURN_DETECTION,
    TRANSMIT,
    WAIT_TO_RESTORE,
    ANSWER,
    CABLING,
)
"""All tables, for the documentation."""

_AROUND_MUX = (
    (RECEIVE, PERIODIC, WAIT_TO_RESTORE),
    (ANSWER, CABLING, ACTOR_CHURN_DETECTION, PARTNER_CHURN_DETECTION),
)
_MACHINES_OF = {
    "coupled": (*_AROUND_MUX[0], COUPLED_MUX, *_AROUND_MUX[1]),
    "independent": (*_AROUND_MUX[0], INDEPENDENT_MUX, *_AROUND_MUX[1]),
}


def machines_of(port: Port) -> tuple[Machine, ...]:
    """The machines that a port runs until no rule holds. TRANSMIT runs after them, to send the result."""
    return _MACHINES_OF[port.lag.config.mux]
