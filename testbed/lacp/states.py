"""Names and times of IEEE 802.1AX-2014 clause 6.4: states, timers, the Selected variable."""

from enum import StrEnum

FAST_PERIODIC_TIME_S = 1.0
SLOW_PERIODIC_TIME_S = 30.0
SHORT_TIMEOUT_TIME_S = 3.0
LONG_TIMEOUT_TIME_S = 90.0
CHURN_DETECTION_TIME_S = 60.0
AGGREGATE_WAIT_TIME_S = 2.0
ANSWER_TIME_S = 5.0
"""Ours: how long a partner may take to be in sync with a port that is attached, before others get the aggregator. It
may have to leave another aggregator first, and then waits for Aggregate_Wait_Time."""
DOUBT_TIME_S = 5.0
"""Ours: how long a port's partner may be another than its LAG's, before its cable is reported."""
INSIST_TIME_S = 10.0
"""Ours: how long such a partner may be in sync, before it is made to time out once. One of our kind has given up by
then (Answer_Time)."""

MAX_LACPDUS_PER_WINDOW = 3
"""The maximum of LACPDUs in any Fast_Periodic_Time (6.4.16)."""
MAX_MARKER_RESPONSES_PER_SECOND = 10
"""The Slow Protocols' limit for frames of one subtype (IEEE 802.3 57A.3); it prevents amplification."""


class Rx(StrEnum):
    """States of the receive machine (figure 6-18)."""

    INITIALIZE = "INITIALIZE"
    PORT_DISABLED = "PORT_DISABLED"
    LACP_DISABLED = "LACP_DISABLED"
    EXPIRED = "EXPIRED"
    DEFAULTED = "DEFAULTED"
    CURRENT = "CURRENT"


class Periodic(StrEnum):
    """States of the periodic transmission machine (figure 6-19)."""

    NO_PERIODIC = "NO_PERIODIC"
    FAST_PERIODIC = "FAST_PERIODIC"
    SLOW_PERIODIC = "SLOW_PERIODIC"
    PERIODIC_TX = "PERIODIC_TX"


class Mux(StrEnum):
    """States of the mux machine: independent control (figure 6-21) and coupled control (figure 6-22)."""

    DETACHED = "DETACHED"
    WAITING = "WAITING"
    ATTACHED = "ATTACHED"
    COLLECTING = "COLLECTING"
    DISTRIBUTING = "DISTRIBUTING"
    COLLECTING_DISTRIBUTING = "COLLECTING_DISTRIBUTING"


class ActorChurn(StrEnum):
    """States of the actor churn detection machine (figure 6-23)."""

    ACTOR_CHURN_MONITOR = "ACTOR_CHURN_MONITOR"
    NO_ACTOR_CHURN = "NO_ACTOR_CHURN"
    ACTOR_CHURN = "ACTOR_CHURN"


class PartnerChurn(StrEnum):
    """States of the partner churn detection machine (figure 6-24)."""

    PARTNER_CHURN_MONITOR = "PARTNER_CHURN_MONITOR"
    NO_PARTNER_CHURN = "NO_PARTNER_CHURN"
    PARTNER_CHURN = "PARTNER_CHURN"


class Tx(StrEnum):
    """States of the transmit machine; clause 6.4.16 describes it in words, the names are ours."""

    IDLE = "IDLE"
    TRANSMIT = "TRANSMIT"
    DISCARD = "DISCARD"


class Restore(StrEnum):
    """States of the wait-to-restore machine; the names are ours."""

    STEADY = "STEADY"
    LOST = "LOST"
    RESTORING = "RESTORING"


class Answer(StrEnum):
    """States of the answer machine: whether the partner wants the link for the same LAG; the names are ours."""

    UNASKED = "UNASKED"
    ASKED = "ASKED"
    WILLING = "WILLING"
    REFUSED = "REFUSED"


class Cabling(StrEnum):
    """States of the cabling machine: whether the port's partner is that of its LAG; the names are ours."""

    RIGHT = "RIGHT"
    DOUBTED = "DOUBTED"
    WRONG = "WRONG"
    INSISTED = "INSISTED"
    SILENT = "SILENT"
    TOLD = "TOLD"


class Selected(StrEnum):
    """The Selected variable of a port (6.4.8)."""

    UNSELECTED = "UNSELECTED"
    STANDBY = "STANDBY"
    SELECTED = "SELECTED"


class Timer(StrEnum):
    """The timers of a port (6.4.10), and four of ours: of the transmit, restore, answer and cabling machines."""

    CURRENT_WHILE = "current_while_timer"
    PERIODIC = "periodic_timer"
    WAIT_WHILE = "wait_while_timer"
    ACTOR_CHURN = "actor_churn_timer"
    PARTNER_CHURN = "partner_churn_timer"
    TRANSMIT_WINDOW = "transmit_window_timer"
    WAIT_TO_RESTORE = "wait_to_restore_timer"
    ANSWER = "answer_timer"
    DOUBT = "doubt_timer"


IN_SYNC = frozenset({Mux.ATTACHED, Mux.COLLECTING, Mux.DISTRIBUTING, Mux.COLLECTING_DISTRIBUTING})
"""Mux states in which the port is attached to its aggregator: Synchronization is set."""
COLLECTING = frozenset({Mux.COLLECTING, Mux.DISTRIBUTING, Mux.COLLECTING_DISTRIBUTING})
DISTRIBUTING = frozenset({Mux.DISTRIBUTING, Mux.COLLECTING_DISTRIBUTING})
