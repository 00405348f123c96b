"""An LACP system: ports and LAGs. Each call takes the time, and returns a list of effects.

Nothing here waits, reads a clock or sends. The caller passes `now` in seconds on a clock that does not run backwards
(an earlier `now` counts as the latest one so far), carries out the effects in their order, and calls `handle_timer`
at `next_timer()`. The cost of a call depends on the ports concerned: those named or due, and the other ports of their
LAG only if a value has changed that selection depends on.
"""

import heapq
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from testbed.lacp import machines, outcome, saved, selection
from testbed.lacp.config import DEFAULT_PRIORITY, LagConfig, PortConfig, PortId, SystemId
from testbed.lacp.effects import Effect, Event, Transmit
from testbed.lacp.functions import marker_response, partner_timeout_s, start_current_while
from testbed.lacp.pdu import Lacpdu, Marker, PduError, PortInfo, check_mac, decode
from testbed.lacp.port import Lag, Port
from testbed.lacp.snapshot import snapshot
from testbed.lacp.states import Rx, Timer

MAX_ROUNDS = 32
"""The maximum of rounds until ports and LAGs settle; more means that rules alternate without end."""


class System:
    """An actor system; `system` is its MAC address, and the lower `priority` is the better.

    The caller names the ports, such as (dpid, port_no). They may be on different switches: its partners see one system.
    A name that was not added raises KeyError; an invalid configuration raises ValueError. Received octets never raise.
    """

    def __init__(self, system: str, priority: int = DEFAULT_PRIORITY) -> None:
        system = system.lower()
        check_mac("system", system)
        if not 0 <= priority <= 0xFFFF:
            raise ValueError(f"system priority is {priority}; it must be 0 to 65535")
        self.system_id = SystemId(priority, system)
        self.rule_evaluations = 0
        """How many guards were tested so far: the measure of work."""
        self._lags: dict[str, Lag] = {}
        self._ports: dict[PortId, Port] = {}
        self._down: dict[Port, None] = {}
        self._queue: list[tuple[float, int, int, Port]] = []  # of one instant: by port number
        self._tickets = count()
        self._now = float("-inf")

    # --- LAGs and ports -------------------------------------------------------------------------------------

    def add_lag(self, config: LagConfig) -> None:
        """Add a LAG without ports. Its name and its key must be new (ValueError)."""
        if config.name in self._lags:
            raise ValueError(f"LAG {config.name!r} exists already; remove it first or choose another name")
        for other in self._lags.values():
            if other.config.key == config.key:
                raise ValueError(f"LAG {config.name!r}: key {config.key} is that of LAG {other.config.name!r}")
        self._lags[config.name] = Lag(config, self.system_id)

    def add_port(self, config: PortConfig, now: float) -> list[Effect]:
        """Add a port, at first without carrier. Its id and number must be new (ValueError)."""
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
        """Remove a port; its last LACPDU has Synchronization clear."""
        return self._remove([self._ports[port]], now)

    def remove_lag(self, name: str, now: float) -> list[Effect]:
        """Remove a LAG with all its ports."""
        effects = self._remove(list(self._lags[name].ports), now)
        del self._lags[name]
        return effects

    # --- events ---------------------------------------------------------------------------------------------

    def set_carrier(self, port: PortId, up: bool, now: float) -> list[Effect]:
        """The link of a port came up or went down (port_enabled); a port that goes down stops distributing."""
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
        """Hold a port out of its aggregator, or release it. A held port still sends LACPDUs, out of sync."""
        it, now = self._ports[port], self._advance(now)
        it.held = held
        return self._settle([it], now)

    def is_held(self, port: PortId) -> bool:
        """Whether the port is held out of its aggregator."""
        return self._ports[port].held

    def partner(self, port: PortId) -> PortInfo:
        """The partner's present parameters at a port (Partner_Oper)."""
        return self._ports[port].partner

    def is_silent(self, port: PortId) -> bool:
        """Whether no partner has sent a LACPDU for so long that the default partner is used."""
        return self._ports[port].rx == Rx.DEFAULTED

    def set_in_reach(self, port: PortId, in_reach: bool, now: float) -> list[Effect]:
        """The caller cannot reach a port that may still work: its connection has ended, or its process was stopped.

        A partner whose LACPDUs cannot be received may still send them. It expires no earlier than we do at the partner:
        its own timeout after our last LACPDU. Once the port is in reach again, we send a LACPDU at once, and the
        partner has its whole timeout again.
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
        """A PDU came in: the octets after the Ethernet type 0x8809, or decoded.

        Octets that cannot be decoded, and PDUs without carrier, are counted and change nothing else.
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
        """Run the timers that are due by `now`; an early or a late call does no harm."""
        now = self._advance(now)
        due: dict[Port, None] = {}
        while self._queue and self._queue[0][0] <= now:
            deadline, _number, _ticket, port = heapq.heappop(self._queue)
            if port.scheduled == deadline:
                port.scheduled = None
                due[port] = None
        return self._settle(due, now) if due else []

    def next_timer(self) -> float | None:
        """When `handle_timer` has to be called next, on the caller's clock; None while no timer runs."""
        while self._queue and self._queue[0][3].scheduled != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def snapshot(self) -> dict[str, object]:
        """The whole system as JSON values (see `snapshot.snapshot`)."""
        return snapshot(self.system_id, self._lags.values())

    def saved(self) -> dict[str, Any]:
        """The state as JSON values, for `restore` in another process on the same clock."""
        return saved.saved(self._lags.values())

    def restore(self, value: Mapping[str, Any]) -> None:
        """Put a new system with the same LAGs and ports into a saved state.

        Errors: AttributeError, LookupError, TypeError or ValueError if the value is no such state. The system is then
        half restored and must not be used.
        """
        saved.restore(self._lags.values(), value)
        for port in self._ports.values():
            port.coupled = selection.sees(port)
            if not port.enabled:
                self._down[port] = None
            self._schedule(port)

    # --- its steps ------------------------------------------------------------------------------------------

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
        """Set port_moved (6.4.8) on disabled ports whose partner now sends on this port; return them."""
        partner = (pdu.actor.system, pdu.actor.port)
        if partner == (port.partner.system, port.partner.port):
            return []
        known = [other for other in self._down if not other.defaulted]
        moved = [other for other in known if (other.partner.system, other.partner.port) == partner]
        for other in moved:
            other.moved = True
        return moved

    def _settle(self, ports: Iterable[Port], now: float) -> list[Effect]:
        """Run the machines of these ports, and of ports that they affect, until no rule holds; then transmit."""
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
        """Apply the selection logic to a LAG; return the ports whose machines have to run again."""
        name, rerun = lag.config.name, []
        winner, choices = selection.choose(lag)
        if winner != lag.lag_id:
            events.append(Event(now, name, None, "lag_id", str(lag.lag_id), str(winner), "selection"))
            lag.lag_id = winner
        for port, choice in choices.items():
            if port.selected is not choice.selected:
                change = (port.selected, choice.selected, choice.reason)
                events.append(Event(now, name, port.config.port, "selected", *change))
            if (port.selected, port.misplaced) != (choice.selected, choice.misplaced):
                rerun.append(port)
            port.selected, port.lag_id, port.reason = choice.selected, choice.lag_id, choice.reason
            port.misplaced = choice.misplaced
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
                heapq.heappush(self._queue, (deadline, port.config.number, next(self._tickets), port))


def _upper(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _up(value: bool) -> str:
    return "UP" if value else "DOWN"
