"""The mux machine of clause 6.4.15 in its two forms.

Figures 6-21 and 6-22 with one addition: a port leaves ATTACHED towards COLLECTING only while its LAG has min_links.
The mux stores no bit of the actor's state: `port.actor_state` derives Synchronization, Collecting and Distributing
from the machine's state.
"""

from testbed.lacp.functions import NTT, start
from testbed.lacp.pdu import State
from testbed.lacp.port import Port
from testbed.lacp.rules import Action, Guard, Machine, Rule
from testbed.lacp.states import AGGREGATE_WAIT_TIME_S, Mux, Selected, Timer

_MUX_ENTRY: dict[str, tuple[Action, ...]] = {
    Mux.DETACHED: (NTT,),
    Mux.WAITING: (start(Timer.WAIT_WHILE, AGGREGATE_WAIT_TIME_S, "Aggregate_Wait_Time"),),
    Mux.ATTACHED: (NTT,),
    Mux.COLLECTING: (NTT,),
    Mux.DISTRIBUTING: (NTT,),
    Mux.COLLECTING_DISTRIBUTING: (NTT,),
}
_MAY_COLLECT = Guard(
    "Selected = SELECTED and Partner.Synchronization = TRUE and min_links met",
    lambda port: port.usable and port.lag.up,
)
_MAY_NOT_COLLECT = Guard(
    "Selected not SELECTED or Partner.Synchronization = FALSE or min_links missed",
    lambda port: not (port.usable and port.lag.up),
)
_MUX_JOIN = (
    Rule(
        (Mux.DETACHED,),
        Guard("Selected = SELECTED or STANDBY", lambda port: port.selected is not Selected.UNSELECTED),
        Mux.WAITING,
    ),
    Rule(
        (Mux.WAITING,),
        Guard("Selected = UNSELECTED", lambda port: port.selected is Selected.UNSELECTED),
        Mux.DETACHED,
    ),
    Rule(
        (Mux.WAITING,),
        Guard(
            "Selected = SELECTED and Ready",
            lambda port: port.selected is Selected.SELECTED and port.lag.ready,
        ),
        Mux.ATTACHED,
    ),
    Rule(
        (Mux.ATTACHED,),
        Guard("Selected = UNSELECTED or STANDBY", lambda port: port.selected is not Selected.SELECTED),
        Mux.DETACHED,
    ),
)

COUPLED_MUX = Machine(
    name="mux",
    clause="6.4.15, figure 6-22 (coupled control)",
    states=Mux,
    initial=Mux.DETACHED,
    entry=_MUX_ENTRY,
    rules=(
        *_MUX_JOIN,
        Rule((Mux.ATTACHED,), _MAY_COLLECT, Mux.COLLECTING_DISTRIBUTING),
        Rule((Mux.COLLECTING_DISTRIBUTING,), _MAY_NOT_COLLECT, Mux.ATTACHED),
    ),
)


def _may_distribute(port: Port) -> bool:
    return _MAY_COLLECT.holds(port) and port.partner.state.has(State.COLLECTING)


INDEPENDENT_MUX = Machine(
    name="mux",
    clause="6.4.15, figure 6-21 (independent control)",
    states=Mux,
    initial=Mux.DETACHED,
    entry=_MUX_ENTRY,
    rules=(
        *_MUX_JOIN,
        Rule((Mux.ATTACHED,), _MAY_COLLECT, Mux.COLLECTING),
        Rule((Mux.COLLECTING,), _MAY_NOT_COLLECT, Mux.ATTACHED),
        Rule((Mux.COLLECTING,), Guard("Partner.Collecting = TRUE", _may_distribute), Mux.DISTRIBUTING),
        Rule(
            (Mux.DISTRIBUTING,),
            Guard(
                _MAY_NOT_COLLECT.text + " or Partner.Collecting = FALSE",
                lambda port: not _may_distribute(port),
            ),
            Mux.COLLECTING,
        ),
    ),
)
