"""The selection logic (6.4.14): which links of a LAG are selected, standby or unselected.

Each LAG has one aggregator. A port may join if it has carrier, is not held out by the caller, receives LACPDUs from a
partner that is not this LAG itself (loopback, 6.4.14.1), and has completed its wait-to-restore. A port that is EXPIRED
stays selected until it is DEFAULTED, but is not newly selected. Ports whose partner does not respond may join only as
the fallback allows, and only while no partner responds on any port.

Ports that may join are grouped by LAG identifier, and one group wins: two partners never share an aggregator. Which
one the standard leaves open (6.4.14.1, 6.7.4). Here it depends on what is there, and not on what came first; in this
order:

1. a group whose partner responds before a fallback;
2. a group that may work before one that the partner has refused (all its ports are REFUSED, see `rivals`);
3. a group with min_links before one without;
4. the group whose best port has the better priority, by the end that has the lower system identifier (6.7.1);
5. the larger group; then the one with the lower LAG identifier.

Both ends put the groups that they share into the same order, apart from 2 and 3. So the best group is the best at both
its ends, and both choose it; of the rest the best, and so on. A group whose far end prefers another one is found out
by asking: the port attaches and says that it is in sync, and the partner is not within Answer_Time. A group that works
is left for a better one only if the partner there is in sync already or was; or if our end, having the lower system
identifier, is the one to ask. The ports of the other groups stay UNSELECTED.

min_links: with fewer ports in the winning group all of them are STANDBY. Their LACPDUs then have Synchronization clear,
so the partner does not send into a LAG that does not collect. (A host on an individual fallback port is exempt.) In
addition, ports collect and distribute only while at least min_links are attached with the partner in sync, see
`Lag.up`.

max_active: the best ports are SELECTED and the others STANDBY. The order is by priority, then number, of the end with
the lower system identifier; a port on which either end has EXPIRED or DEFAULTED comes last. A better port that returns
replaces one that carries traffic only after its Aggregate_Wait_Time, when it can take over at once.
"""

from dataclasses import dataclass

from testbed.lacp.config import SystemId
from testbed.lacp.pdu import State
from testbed.lacp.port import Lag, LagId, Port
from testbed.lacp.states import Answer, Mux, Restore, Rx, Selected

_LOOPBACK = "loopback: the partner is this LAG"


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision of the selection logic for a port, with its reason."""

    selected: Selected
    lag_id: LagId | None
    reason: str
    misplaced: bool = False


def sees(port: Port) -> object:
    """All values that selection and a LAG's levels depend on. While they are the same, selection need not run."""
    machine_states = (port.rx, port.mux, port.state["restore"], port.state["answer"], port.enabled, port.held)
    return (machine_states, port.partner.identity, port.partner.state, port.selected, port.waited)


def choose(lag: Lag) -> tuple[LagId | None, dict[Port, Choice]]:
    """The identifier of the group that wins the aggregator, and the choice for each port. Pure."""
    groups: dict[LagId, list[Port]] = {}
    choices: dict[Port, Choice] = {}
    for port in lag.ports:
        offer = offered_lag_id(port)
        if isinstance(offer, LagId):
            groups.setdefault(offer, []).append(port)
        else:
            choices[port] = Choice(Selected.UNSELECTED, None, offer, misplaced=offer is _LOOPBACK)
    if not groups:
        return None, choices
    winner = _winner(lag, groups)
    for lag_id, ports in groups.items():
        if lag_id != winner:
            reason = "partner is silent" if lag_id.fallback else f"the aggregator belongs to {winner}"
            misplaced = not (lag_id.fallback or winner.fallback)
            choices.update((port, Choice(Selected.UNSELECTED, None, reason, misplaced)) for port in ports)
    choices.update(_share(lag, winner, groups[winner]))
    for port in groups[winner]:
        # A port enters an aggregator from DETACHED only: it first leaves its previous one.
        elsewhere = port.selected is not Selected.UNSELECTED and port.lag_id != winner
        detaching = port.selected is Selected.UNSELECTED and port.mux != Mux.DETACHED
        if elsewhere or detaching:
            choices[port] = Choice(Selected.UNSELECTED, None, f"moves to {winner}")
    return winner, choices


def offered_lag_id(port: Port) -> LagId | str:
    """The identifier under which the port may join an aggregator now, or the reason why it may not."""
    if port.held:
        return "held out"
    if not port.enabled:
        return "no carrier"
    if port.rx in (Rx.DEFAULTED, Rx.LACP_DISABLED):
        return "partner is silent" if port.lag.config.fallback == "none" else _fallback_lag_id(port)
    if port.rx not in (Rx.CURRENT, Rx.EXPIRED):
        return "LACP starts"
    placed = port.selected is not Selected.UNSELECTED
    if port.rx == Rx.EXPIRED and not placed:
        return "partner is not heard"
    partner, lag = port.partner, port.lag
    if (partner.system, partner.key) == (lag.system.system, lag.config.key):
        return _LOOPBACK
    if port.state["restore"] != Restore.STEADY and not placed:
        return "wait to restore"
    individual = not (lag.config.aggregation and partner.state.has(State.AGGREGATION))
    link = (port.config.priority, port.config.number, partner.port_priority, partner.port) if individual else None
    return LagId(lag.system, lag.config.key, SystemId(partner.system_priority, partner.system), partner.key, link)


def _fallback_lag_id(port: Port) -> LagId:
    individual = port.lag.config.fallback == "individual" or not port.lag.config.aggregation
    link = (port.config.priority, port.config.number, 0, 0) if individual else None
    nobody = port.lag.default_partner
    partner = SystemId(nobody.system_priority, nobody.system)
    return LagId(port.lag.system, port.lag.config.key, partner, nobody.key, link, fallback=True)


def _winner(lag: Lag, groups: dict[LagId, list[Port]]) -> LagId:
    """The best group; while the one that has the aggregator works, the best of those that may replace it."""
    best = min(groups, key=lambda lag_id: _merit(lag, lag_id, groups[lag_id]))
    now = lag.lag_id
    if now is None or now == best or now not in groups or now.fallback or not _works(lag, now, groups[now]):
        return best
    better = [each for each in groups if _merit(lag, each, groups[each]) < _merit(lag, now, groups[now])]
    able = [each for each in better if each.actor_decides or _is_offered(groups[each])]
    return min((*able, now), key=lambda lag_id: _merit(lag, lag_id, groups[lag_id]))


def _works(lag: Lag, lag_id: LagId, ports: list[Port]) -> bool:
    return sum(port.usable for port in ports) >= lag.needed_links(lag_id)


def _is_offered(ports: list[Port]) -> bool:
    return any(port.state["answer"] == Answer.WILLING for port in ports)


def _merit(lag: Lag, lag_id: LagId, ports: list[Port]) -> tuple[object, ...]:
    """The sort key of a group; the lowest wins."""
    refused = all(port.state["answer"] == Answer.REFUSED for port in ports)
    too_few = len(ports) < lag.needed_links(lag_id)
    ours = lag_id.actor_decides or lag_id.fallback
    best = min(port.config.priority if ours else port.partner.port_priority for port in ports)
    return (lag_id.fallback, refused, too_few, best, -len(ports), lag_id.ends)


def _rank(port: Port, lag_id: LagId) -> tuple[object, ...]:
    """The sort key of a port; the lowest is the best port."""
    deaf = port.rx == Rx.EXPIRED or port.partner.state.has(State.EXPIRED | State.DEFAULTED)
    ours = (port.config.priority, port.config.number)
    theirs = (port.partner.port_priority, port.partner.port)
    return (deaf, ours if lag_id.actor_decides or lag_id.fallback else theirs, ours)


def _share(lag: Lag, lag_id: LagId, ports: list[Port]) -> dict[Port, Choice]:
    """Which ports of the winning group are SELECTED and which are STANDBY."""
    if len(ports) < lag.needed_links(lag_id):
        reason = f"{len(ports)} of {lag.config.min_links} min_links"
        return {port: Choice(Selected.STANDBY, lag_id, reason) for port in ports}
    ranked = sorted(ports, key=lambda port: _rank(port, lag_id))
    active, spare = ranked[: lag.config.max_active], ranked[len(ranked[: lag.config.max_active]) :]
    carrying = [port for port in spare if port.usable]
    late = [port for port in active if port.selected is not Selected.SELECTED and not port.waited]
    for keeps, waits in zip(carrying, reversed(late), strict=False):
        active[active.index(waits)] = keeps
    chosen = {port: Choice(Selected.SELECTED, lag_id, f"joins {lag_id}") for port in active}
    standby = Choice(Selected.STANDBY, lag_id, f"max_active is {lag.config.max_active}")
    return {port: chosen.get(port, standby) for port in ranked}
