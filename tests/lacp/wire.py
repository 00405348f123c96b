"""Two or more LACP systems on simulated cables: deterministic, with delay, silent loss and carrier.

This module acts as the controller: it calls the timers when they are due, delivers the LACPDUs and records the effects
with their times. As for a controller, only the effects say what a LAG collects and distributes.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from testbed.lacp import Collect, Effect, Event, LagConfig, PortConfig, System, Transmit
from testbed.lacp.config import Fallback, Mode, MuxControl, PortId, Rate

DELAY_S = 0.001
GAP_S = 10 * DELAY_S
"""A switchover between links takes a few exchanges of LACPDUs, not a timeout."""
MACS = {"A": "02:00:00:00:00:0a", "B": "02:00:00:00:00:0b", "C": "02:00:00:00:00:0c"}

Socket = tuple[str, PortId]


@dataclass(eq=False)
class Cable:
    """A cable between two ports; it silently loses what the ends in `loses` send."""

    ends: tuple[Socket, Socket]
    up: bool = False
    loses: set[str] = field(default_factory=set)


class Lab:
    """Systems by name, cables between their ports, and a clock that jumps to the next event."""

    def __init__(self) -> None:
        self.now = 0.0
        self.systems: dict[str, System] = {}
        self.cables: list[Cable] = []
        self.events: list[tuple[str, Event]] = []
        self.sent: dict[Socket, list[float]] = defaultdict(list)
        self.forwarding: list[tuple[float, str, Effect]] = []
        self.collecting: dict[tuple[str, str], tuple[PortId, ...]] = defaultdict(tuple)
        self.distributing: dict[tuple[str, str], tuple[PortId, ...]] = defaultdict(tuple)
        self.after_each: Callable[[], None] = lambda: None
        self._flying: list[tuple[float, int, Socket, bytes]] = []
        self._tickets = count()

    def add(self, end: str, *lags: LagConfig, system: str | None = None) -> System:
        """A system named `end`, with LAGs that have no ports yet."""
        self.systems[end] = System(system or MACS[end])
        for lag in lags:
            self.systems[end].add_lag(lag)
        return self.systems[end]

    def plug(self, one: PortConfig, of_one: str, other: PortConfig, of_other: str) -> Cable:
        """Add a port to each of two systems, and a cable between them, at first without carrier."""
        for end, port in ((of_one, one), (of_other, other)):
            self.act(end, self.systems[end].add_port(port, self.now))
        self.cables.append(Cable(((of_one, one.port), (of_other, other.port))))
        return self.cables[-1]

    def carrier(self, cable: Cable, up: bool) -> None:
        """Set the carrier of both ends. What is under way on a cable that goes down is lost."""
        cable.up = up
        for end, port in cable.ends:
            self.act(end, self.systems[end].set_carrier(port, up, self.now))

    def all_up(self) -> None:
        """Carrier on every cable."""
        for cable in self.cables:
            self.carrier(cable, True)

    def deliver(self, end: str, port: PortId, payload: bytes) -> None:
        """Let a port receive octets, from its cable or forged."""
        self.act(end, self.systems[end].receive(port, payload, self.now))

    def act(self, end: str, effects: list[Effect]) -> None:
        """Carry out effects as a controller does."""
        for effect in effects:
            if isinstance(effect, Event):
                self.events.append((end, effect))
            elif isinstance(effect, Transmit):
                self.sent[end, effect.port].append(self.now)
                self._send((end, effect.port), effect.payload)
            else:
                where = self.collecting if isinstance(effect, Collect) else self.distributing
                where[end, effect.lag] = effect.ports
                self.forwarding.append((self.now, end, effect))
        self.after_each()

    def _send(self, sender: Socket, payload: bytes) -> None:
        for cable in self.cables:
            if sender in cable.ends and cable.up and sender[0] not in cable.loses:
                far = cable.ends[1 - cable.ends.index(sender)]
                heapq.heappush(self._flying, (self.now + DELAY_S, next(self._tickets), far, payload))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.run_until(self.now + seconds, lambda: False)

    def run_until(self, limit: float, done: Callable[[], bool]) -> bool:
        """Let time pass until the condition holds or the limit has come; return whether it holds."""
        while not done():
            timers = {end: system.next_timer() for end, system in self.systems.items()}
            due = [timer for timer in timers.values() if timer is not None]
            due += [self._flying[0][0]] if self._flying else []
            if not due or min(due) > limit:
                self.now = limit
                return done()
            self.now = max(self.now, min(due))
            while self._flying and self._flying[0][0] <= self.now:
                _at, _ticket, (end, port), payload = heapq.heappop(self._flying)
                if any((end, port) in cable.ends and cable.up for cable in self.cables):
                    self.deliver(end, port, payload)
            for end, system in self.systems.items():
                self.act(end, system.handle_timer(self.now))
        return True

    def lag(self, end: str, lag: str = "lag") -> dict[str, Any]:
        """A LAG in the system's snapshot."""
        lags = cast("dict[str, dict[str, Any]]", self.systems[end].snapshot()["lags"])
        return lags[lag]

    def port(self, end: str, port: PortId, lag: str = "lag") -> dict[str, Any]:
        """A port in the system's snapshot."""
        ports: list[dict[str, Any]] = self.lag(end, lag)["ports"]
        return next(it for it in ports if it["port"] == port)

    def times(self, end: str, machine: str, new: str, port: PortId | None = None) -> list[float]:
        """When a machine entered a state, from the events."""
        mine = (event for at, event in self.events if at == end and event.machine == machine and event.new == new)
        return [event.time for event in mine if port in (None, event.port)]


def config(
    key: int = 1,
    *,
    name: str = "lag",
    mode: Mode = "active",
    rate: Rate = "fast",
    min_links: int = 1,
    max_active: int | None = None,
    fallback: Fallback = "none",
    wait_to_restore_s: float = 0.0,
    mux: MuxControl = "coupled",
) -> LagConfig:
    """A LAG; its default name is 'lag'."""
    return LagConfig(name, key, mode, rate, min_links, max_active, fallback, wait_to_restore_s, mux)


def pair(a: LagConfig, b: LagConfig, links: int = 2) -> Lab:
    """Two systems, A with the lower identifier, and `links` cables: port 1 to port 1, and so on. No carrier yet."""
    lab = Lab()
    lab.add("A", a)
    lab.add("B", b)
    for number in range(1, links + 1):
        lab.plug(PortConfig(number, a.name, number), "A", PortConfig(number, b.name, number), "B")
    return lab


def distributes(lab: Lab, *ports: PortId, ends: str = "AB") -> bool:
    """Whether exactly these ports distribute and collect at the given ends."""
    return all(lab.distributing[end, "lag"] == ports == lab.collecting[end, "lag"] for end in ends)


def star(fallback: Fallback = "none") -> Lab:
    """A has one LAG of three ports; the first two lead to B, the third by mistake to C."""
    lab = Lab()
    lab.add("A", config(fallback=fallback))
    lab.add("B", config())
    lab.add("C", config())
    for number, far in ((1, "B"), (2, "B"), (3, "C")):
        lab.plug(PortConfig(number, "lag", number), "A", PortConfig(number, "lag", number), far)
    return lab
