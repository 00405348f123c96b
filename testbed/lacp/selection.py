"""The selection logic (6.4.14): which links of a LAG are selected, standby or unselected.

Each LAG has one aggregator. A port may join if it has carrier, is not held out by the caller, receives LACPDUs from a
partner that is not this LAG itself (loopback, 6.4.14.1), and has completed its wait-to-restore. A port that is EXPIRED
stays selected until it is DEFAULTED, but is not newly selected. Ports whose partner does not respond may join only as
the fallback allows, and only while no partner responds on any port.

Ports that may join are grouped by LAG identifier, and one group wins: a group whose partner responds before a
fallback, a group with min_links before one without, the group that has the aggregator before others (stability), then
the larger one, then the one with the best port. The ports of the other groups stay UNSELECTED: two partners never share
an aggregator.

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
from testbed.lacp.states import Mux, Restore, Rx, Selected


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision of the selection logic for a port, with its reason."""

    selected: Selected
    lag_id: LagId | None
    reason: str


def sees(port: Port) -> object:
    """All values that selection and a LAG's levels depend on. While they are the same, selection need not run."""
    machine_states = (port.rx, port.mux, port.state["restore"], port.enabled, port.held)
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
            choices[port] = Choice(Selected.UNSELECTED, None, offer)
    if not groups:
        return None, choices
    winner = min(groups, key=lambda lag_id: _merit(lag, lag_id, groups[lag_id]))
    for lag_id, ports in groups.items():
        if lag_id != winner:
            reason = "partner is silent" if lag_id.fallback else f"the aggregator belongs to {winner}"
            choices.update((port, Choice(Selected.UNSELECTED, None, reason)) for port in ports)
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
        return "loopback: the partner is this LAG"
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


def _merit(lag: Lag, lag_id: LagId, ports: list[Port]) -> tuple[object, ...]:
    """The sort key of a group; the lowest wins."""
    too_few = len(ports) < lag.needed_links(lag_id)
    best = min((port.config.priority, port.config.number) for port in ports)
    return (lag_id.fallback, too_few, lag_id != lag.lag_id, -len(ports), best)


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
