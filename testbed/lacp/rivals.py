"""Two machines of ours, for a LAG whose ports lead to different partners: the selection logic chooses between them.

The answer machine: a partner that stays out of sync with an attached port has other plans for the link. What it last
said holds until it says otherwise, or is another. The cabling machine: a port whose partner is not its LAG's for some
time is reported; most likely a cable is in a wrong port.
"""

from testbed.lacp.functions import expired, start, stop
from testbed.lacp.port import Port
from testbed.lacp.rules import Guard, Machine, Rule
from testbed.lacp.states import ANSWER_TIME_S, DOUBT_TIME_S, Answer, Cabling, Rx, Timer


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

CABLING = Machine(
    name="cabling",
    clause="ours, for the selection logic (6.4.14)",
    states=Cabling,
    initial=Cabling.RIGHT,
    entry={
        Cabling.RIGHT: (stop(Timer.DOUBT),),
        Cabling.DOUBTED: (start(Timer.DOUBT, DOUBT_TIME_S, "Doubt_Time"),),
    },
    rules=(
        Rule(
            (Cabling.RIGHT,), Guard("the partner is not that of the LAG", lambda port: port.misplaced), Cabling.DOUBTED
        ),
        Rule(
            (Cabling.DOUBTED, Cabling.WRONG),
            Guard("the partner is that of the LAG, or not heard", lambda port: not port.misplaced),
            Cabling.RIGHT,
        ),
        Rule((Cabling.DOUBTED,), expired(Timer.DOUBT), Cabling.WRONG),
    ),
)
