"""An LACP system: ports and LAGs behind one call in (with the time) and a list of effects out.

Nothing here waits, reads a clock or sends: the caller passes `now` in seconds on a clock that does not run
backwards (an earlier `now` counts as the latest one seen), carries out the effects in their order, and
calls `handle_timer` when `next_timer()` has come. A call costs as much as the ports that it concerns: those
named or due, and their LAG mates only when something changed that selection looks at.
"""

import heapq
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from testbed.lacp import machines, outcome, saved, selection
from testbed.lacp.config import DEFAULT_PRIORITY, LagConfig, PortConfig, PortId, SystemId
from testbed.lacp.effects import Effect, Event, Transmit
from testbed.lacp.functions import marker_response, partner_timeout_s, start_current_while
from testbed.lacp.pdu import Lacpdu, Marker, PduError, check_mac, decode
from testbed.lacp.port import Lag, Port
from testbed.lacp.snapshot import snapshot
from testbed.lacp.states import Rx, Timer

MAX_ROUNDS = 32
"""Ports and their LAGs settle within this many rounds; more means that their rules chase each other."""


class System:
    """An actor system; `system` is its MAC address, and the lower `priority` is the better.

    Ports are named by what the caller likes, such as (dpid, port_no), and may be on different switches: to
    its partners the system is one. Calling with a name that was not added raises KeyError; a faulty
    configuration raises ValueError. Octets from the wire never raise anything.
    """

    def __init__(self, system: str, priority: int = DEFAULT_PRIORITY) -> None:
        system = system.lower()
        check_mac("system", system)
        if not 0 <= priority <= 0xFFFF:
            raise ValueError(f"system priority is {priority}; it must be 0 to 65535")
        self.system_id = SystemId(priority, system)
        self.rule_evaluations = 0
        """How many guards were asked so far: the measure of work done."""
        self._lags: dict[str, Lag] = {}
        self._ports: dict[PortId, Port] = {}
        self._down: dict[Port, None] = {}
        self._queue: list[tuple[float, int, Port]] = []
        self._tickets = count()
        self._now = float("-inf")

    # --- what there is --------------------------------------------------------------------------------------

    def add_lag(self, config: LagConfig) -> None:
        """Add a LAG without ports. Its name and its key must be new (ValueError)."""
        if config.name in self._lags:
            raise ValueError(f"LAG {config.name!r} exists already; remove it first or choose another name")
        for other in self._lags.values():
            if other.config.key == config.key:
                raise ValueError(f"LAG {config.name!r}: key {config.key} is that of LAG {other.config.name!r}")
        self._lags[config.name] = Lag(config, self.system_id)

    def add_port(self, config: PortConfig, now: float) -> list[Effect]:
        """Add a port, without carrier until told otherwise. Its id and number must be new (ValueError)."""
        if config.port in self._ports:
            raise ValueError(f"port {config.port!r} exists already; remove it first")
        if config.lag not in self._lags:
            raise ValueError(f"port {config.port!r}: there is no LAG {config.lag!r}; add_lag comes first")
        for other in self._ports.values():
            if other.config.number == config.number:
                raise ValueError(f"port {config.port!r}: number {config.number} is that of port {other.config.port!r}")
        lag = self._lags[config.lag]
        port = Port(config, lag)
        now = self._advance(now)
        for machine in (*machines.machines_of(port), machines.TRANSMIT):
            port.state[machine.name] = machine.initial
        for machine in (*machines.machines_of(port), machines.TRANSMIT):
            machine.begin(port, now)
        self._ports[config.port] = port
        lag.ports.append(port)
        lag.ports.sort(key=lambda port: port.config.number)
        return self._settle([port], now)

    def remove_port(self, port: PortId, now: float) -> list[Effect]:
        """Take a port out; its last LACPDU tells the partner that it is out of sync."""
        return self._remove([self._ports[port]], now)

    def remove_lag(self, name: str, now: float) -> list[Effect]:
        """Take a LAG out with all its ports."""
        effects = self._remove(list(self._lags[name].ports), now)
        del self._lags[name]
        return effects

    # --- what happens ---------------------------------------------------------------------------------------

    def set_carrier(self, port: PortId, up: bool, now: float) -> list[Effect]:
        """The link of a port came up or went down (port_enabled); one that goes down stops distributing."""
        it, now = self._ports[port], self._advance(now)
        if it.enabled == up:
            return []
        it.enabled = up
        if up:
            self._down.pop(it, None)
        else:
            self._down[it] = None
        event = Event(now, it.config.lag, port, "port_enabled", _upper(not up), _upper(up), "carrier")
        return [event, *self._settle([it], now)]

    def set_held(self, port: PortId, held: bool, now: float) -> list[Effect]:
        """Keep a port out of its aggregator, or let it in again; a held port speaks LACP, out of sync."""
        it, now = self._ports[port], self._advance(now)
        it.held = held
        return self._settle([it], now)

    def is_held(self, port: PortId) -> bool:
        """Whether the port is kept out of its aggregator."""
        return self._ports[port].held

    def set_in_reach(self, port: PortId, in_reach: bool, now: float) -> list[Effect]:
        """The caller cannot reach a port that may well work, as its connection ended or its process stood still.

        A partner that cannot be heard is not silent: it is believed for as long as it believes us, its own timeout
        after the last LACPDU to it. Once in reach again, it gets a LACPDU at once, and time to speak itself.
        """
        it, now = self._ports[port], self._advance(now)
        it.in_reach = in_reach
        if in_reach:
            it.timers.advance(now)
        if it.timers.running(Timer.CURRENT_WHILE) and it.rx == Rx.CURRENT:
            if in_reach:
                start_current_while(it, now)
                it.ntt = True
            elif it.sent_at:
                it.timers.extend(Timer.CURRENT_WHILE, it.sent_at[-1] + partner_timeout_s(it))
        return self._settle([it], now)

    def receive(self, port: PortId, pdu: bytes | Lacpdu | Marker, now: float) -> list[Effect]:
        """A PDU came in: octets behind the Ethernet type 0x8809, or decoded already.

        Unreadable octets are counted and change nothing else; so does whatever arrives without carrier.
        """
        it, now = self._ports[port], self._advance(now)
        if isinstance(pdu, bytes | bytearray | memoryview):
            try:
                pdu = decode(bytes(pdu))
            except PduError:
                it.counters["bad_pdus_received"] += 1
                return []
        if not it.enabled or (isinstance(pdu, Lacpdu) and not it.config.lacp_enabled):
            it.counters["pdus_ignored"] += 1
            return []
        if isinstance(pdu, Marker):
            return self._answer(it, pdu, now)
        it.counters["lacpdus_received"] += 1
        concerned = [it, *self._moved(it, pdu)]
        it.pdu = pdu
        return self._settle(concerned, now)

    def handle_timer(self, now: float) -> list[Effect]:
        """Do whatever is due by `now`; calling early or late does no harm."""
        now = self._advance(now)
        due: dict[Port, None] = {}
        while self._queue and self._queue[0][0] <= now:
            deadline, _ticket, port = heapq.heappop(self._queue)
            if port.scheduled == deadline:
                port.scheduled = None
                due[port] = None
        return self._settle(due, now) if due else []

    def next_timer(self) -> float | None:
        """When `handle_timer` has to be called next, on the caller's clock; None while nothing is to come."""
        while self._queue and self._queue[0][2].scheduled != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def snapshot(self) -> dict[str, object]:
        """Everything there is to see, as JSON would hold it (see `snapshot.snapshot`)."""
        return snapshot(self.system_id, self._lags.values())

    def saved(self) -> dict[str, Any]:
        """The state as JSON would hold it, for `restore` in another process on the same clock."""
        return saved.saved(self._lags.values())

    def restore(self, value: Mapping[str, Any]) -> None:
        """Go on from a saved state, with the LAGs and ports of the system that saved it, and nothing done yet.

        Errors: KeyError, TypeError or ValueError for a value that is no such state; the system is of no use then.
        """
        saved.restore(self._lags.values(), value)
        for port in self._ports.values():
            port.coupled = selection.sees(port)
            if not port.enabled:
                self._down[port] = None
            self._schedule(port)

    # --- how it is worked out -------------------------------------------------------------------------------

    def _advance(self, now: float) -> float:
        self._now = max(self._now, now)
        return self._now

    def _remove(self, ports: list[Port], now: float) -> list[Effect]:
        for port in ports:
            port.held = True
        effects = self._settle(ports, self._advance(now))
        for port in ports:
            del self._ports[port.config.port]
            port.lag.ports.remove(port)
            self._down.pop(port, None)
            port.scheduled = None
        return effects

    def _answer(self, port: Port, marker: Marker, now: float) -> list[Effect]:
        response = marker_response(port, marker, now)
        return [] if response is None else [Transmit(port.config.port, response)]

    def _moved(self, port: Port, pdu: Lacpdu) -> list[Port]:
        """Set port_moved (6.4.8) on disabled ports whose partner now speaks on this port; return them."""
        partner = (pdu.actor.system, pdu.actor.port)
        if partner == (port.partner.system, port.partner.port):
            return []
        known = [other for other in self._down if not other.defaulted]
        moved = [other for other in known if (other.partner.system, other.partner.port) == partner]
        for other in moved:
            other.moved = True
        return moved

    def _settle(self, ports: Iterable[Port], now: float) -> list[Effect]:
        """Run the machines of these ports, and of mates that they affect, until all rest; then transmit."""
        events: list[Effect] = []
        touched: dict[Port, None] = {}
        pending = dict.fromkeys(ports)
        rounds = 0
        while pending:
            rounds += 1
            if rounds > MAX_ROUNDS:
                raise AssertionError(f"ports do not settle: {[port.config.port for port in pending]}")
            touched.update(pending)
            lags: dict[Lag, None] = {}
            for port in pending:
                self._run_machines(port, now, events)
                seen = selection.sees(port)
                if seen != port.coupled:
                    port.coupled = seen
                    lags[port.lag] = None
            pending = {port: None for lag in lags for port in self._select(lag, now, events)}
        for port in touched:
            self.rule_evaluations += machines.TRANSMIT.run(port, now)[1]
            self._schedule(port)
        forwarding = [effect for lag in {port.lag: None for port in touched} for effect in outcome.forwarding(lag)]
        return [*events, *forwarding, *outcome.take_outbox(touched)]

    def _run_machines(self, port: Port, now: float, events: list[Effect]) -> None:
        port.timers.advance(now)
        name, lag, before = port.config.port, port.config.lag, port.selected
        for machine in machines.machines_of(port):
            steps, asked = machine.run(port, now)
            self.rule_evaluations += asked
            if port.selected is not before:
                cause = f"{machine.name} machine: the partner changed"
                events.append(Event(now, lag, name, "selected", before, port.selected, cause))
                before = port.selected
            events.extend(Event(now, lag, name, machine.name, step.old, step.new, step.cause) for step in steps)

    def _select(self, lag: Lag, now: float, events: list[Effect]) -> list[Port]:
        """Apply the selection logic to a LAG; return the ports that have to run again because of it."""
        name, rerun = lag.config.name, []
        winner, choices = selection.choose(lag)
        if winner != lag.lag_id:
            events.append(Event(now, name, None, "lag_id", str(lag.lag_id), str(winner), "selection"))
            lag.lag_id = winner
        for port, choice in choices.items():
            if port.selected is not choice.selected:
                change = (port.selected, choice.selected, choice.reason)
                events.append(Event(now, name, port.config.port, "selected", *change))
                rerun.append(port)
            port.selected, port.lag_id, port.reason = choice.selected, choice.lag_id, choice.reason
        before, lag.seen = lag.seen, (lag.ready, lag.up)
        if lag.up != before[1]:
            cause = f"{lag.links_in_sync} links in sync, {lag.needed_links(lag.lag_id)} needed"
            events.append(Event(now, name, None, "links", _up(before[1]), _up(lag.up), cause))
        return lag.ports if lag.seen != before else rerun

    def _schedule(self, port: Port) -> None:
        deadline = port.timers.earliest()
        if deadline != port.scheduled:
            port.scheduled = deadline
            if deadline is not None:
                heapq.heappush(self._queue, (deadline, next(self._tickets), port))


def _upper(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _up(value: bool) -> str:
    return "UP" if value else "DOWN"
