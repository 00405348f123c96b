"""Two machines of ours, for a LAG whose ports lead to different partners: the selection logic chooses between them.

The answer machine: a partner that stays out of sync with an attached port has other plans for the link. What it last
said holds until it says otherwise, or is another. The cabling machine: a port whose partner is not its LAG's for some
time is reported; most likely a cable is in a wrong port. A partner that stays in sync there may wait for nothing: Linux
keeps an aggregator that it has chosen while that has a partner (bonding.rst, "ad_select"). So the port sends it no
LACPDU until it has timed us out, once.
"""

from testbed.lacp.functions import NTT, expired, partner_timeout_s, start, stop
from testbed.lacp.port import Port
from testbed.lacp.rules import Action, Guard, Machine, Rule
from testbed.lacp.states import (
    ANSWER_TIME_S,
    DOUBT_TIME_S,
    FAST_PERIODIC_TIME_S,
    INSIST_TIME_S,
    SHORT_TIMEOUT_TIME_S,
    Answer,
    Cabling,
    Rx,
    Selected,
    Timer,
)


def _unanswered(port: Port) -> bool:
    return port.in_sync and not port.partner_in_sync


_DEFAULTED = Guard("the partner is the default one", lambda port: port.defaulted or port.rx == Rx.INITIALIZE)
_PARTNER_IN_SYNC = Guard(
    "Partner.Synchronization = TRUE", lambda port: port.partner_in_sync and not _DEFAULTED.holds(port)
)
_ASKS = Guard("Actor.Synchronization = TRUE and Partner.Synchronization = FALSE", _unanswered)

ANSWER = Machine(
    name="answer",
    clause="ours, for the selection logic (6.4.14)",
    states=Answer,
    initial=Answer.UNASKED,
    entry={
        Answer.UNASKED: (stop(Timer.ANSWER),),
        Answer.ASKED: (start(Timer.ANSWER, ANSWER_TIME_S, "Answer_Time"),),
        Answer.WILLING: (stop(Timer.ANSWER),),
    },
    rules=(
        Rule((), _DEFAULTED, Answer.UNASKED),
        Rule((Answer.UNASKED, Answer.ASKED, Answer.REFUSED), _PARTNER_IN_SYNC, Answer.WILLING),
        Rule((Answer.UNASKED, Answer.WILLING), _ASKS, Answer.ASKED),
        Rule((Answer.ASKED,), Guard("Actor.Synchronization = FALSE", lambda port: not port.in_sync), Answer.WILLING),
        Rule((Answer.ASKED,), expired(Timer.ANSWER), Answer.REFUSED),
    ),
)

_MISPLACED = Guard("the partner is not that of the LAG", lambda port: port.misplaced)
_PLACED = Guard("the partner is that of the LAG, or not heard", lambda port: not port.misplaced)
_SETTLED = Guard(
    "port_enabled = FALSE or Selected not UNSELECTED",
    lambda port: not port.enabled or port.selected is not Selected.UNSELECTED,
)
_START_SILENCE = Action(
    "start doubt_timer (until the partner is DEFAULTED)",
    lambda port, now: port.timers.start(
        Timer.DOUBT, partner_timeout_s(port) + SHORT_TIMEOUT_TIME_S + FAST_PERIODIC_TIME_S, now
    ),
)

CABLING = Machine(
    name="cabling",
    clause="ours, for the selection logic (6.4.14)",
    states=Cabling,
    initial=Cabling.RIGHT,
    entry={
        Cabling.RIGHT: (stop(Timer.DOUBT),),
        Cabling.DOUBTED: (start(Timer.DOUBT, DOUBT_TIME_S, "Doubt_Time"),),
        Cabling.WRONG: (stop(Timer.DOUBT),),
        Cabling.INSISTED: (start(Timer.DOUBT, INSIST_TIME_S, "Insist_Time"),),
        Cabling.SILENT: (_START_SILENCE,),
        Cabling.TOLD: (stop(Timer.DOUBT), NTT),
    },
    rules=(
        Rule((Cabling.RIGHT,), _MISPLACED, Cabling.DOUBTED),
        Rule((Cabling.DOUBTED, Cabling.WRONG, Cabling.INSISTED), _PLACED, Cabling.RIGHT),
        Rule((Cabling.DOUBTED,), expired(Timer.DOUBT), Cabling.WRONG),
        Rule((Cabling.WRONG,), _PARTNER_IN_SYNC, Cabling.INSISTED),
        Rule(
            (Cabling.INSISTED,),
            Guard("Partner.Synchronization = FALSE", lambda port: not port.partner_in_sync),
            Cabling.WRONG,
        ),
        Rule((Cabling.INSISTED,), expired(Timer.DOUBT), Cabling.SILENT),
        Rule((Cabling.SILENT,), _SETTLED, Cabling.TOLD),
        Rule((Cabling.SILENT,), expired(Timer.DOUBT), Cabling.TOLD),
        Rule((Cabling.TOLD,), _SETTLED, Cabling.RIGHT),
    ),
)
