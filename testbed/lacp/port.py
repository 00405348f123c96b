"""The state of one aggregation port and of its LAG: plain values that the machines read and write.

Every value that a guard may test is here as a level. The actor's state octet is not stored: `actor_state`
derives it.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from testbed.lacp.config import LagConfig, PortConfig, PortId, SystemId
from testbed.lacp.pdu import Lacpdu, PortInfo, State
from testbed.lacp.states import (
    COLLECTING,
    DISTRIBUTING,
    IN_SYNC,
    MAX_LACPDUS_PER_WINDOW,
    MAX_MARKER_RESPONSES_PER_SECOND,
    Cabling,
    Mux,
    Rx,
    Selected,
    Timer,
)
from testbed.lacp.timers import Timers


@dataclass(frozen=True, slots=True)
class LagId:
    """A LAG identifier (6.3.6): only links with equal identifiers may share an aggregator.

    `link` holds actor port priority and number, partner port priority and number of an individual link, which
    therefore equals no other; it is None where links may be aggregated. `fallback` marks a link whose partner does
    not respond: it equals no link whose partner does.
    """

    actor: SystemId
    actor_key: int
    partner: SystemId
    partner_key: int
    link: tuple[int, int, int, int] | None = None
    fallback: bool = False

    @property
    def actor_decides(self) -> bool:
        """Whether our port priorities decide which links are standby: those of the lower system identifier do."""
        return (self.actor, self.actor_key) <= (self.partner, self.partner_key)

    @property
    def ends(self) -> list[tuple[int, str, int, int, int]]:
        """As in 6.3.6.2: (system priority, system, key, port priority, port) of each end, the lower first.

        Both systems find the same value.
        """
        link = self.link or (0, 0, 0, 0)
        return sorted([(*self.actor, self.actor_key, *link[:2]), (*self.partner, self.partner_key, *link[2:])])

    def __str__(self) -> str:
        texts = (f"({end[0]:04X},{end[1]},{end[2]:04X},{end[3]:02X},{end[4]:04X})" for end in self.ends)
        return f"[{','.join(texts)}]" + (" by fallback" if self.fallback else "")


@dataclass(eq=False, slots=True)
class Lag:
    """A LAG and its aggregator: its links, and the ports that it collects and distributes on."""

    config: LagConfig
    system: SystemId
    ports: list["Port"] = field(default_factory=list)
    lag_id: LagId | None = None
    seen: tuple[bool, bool] = (True, False)
    """`ready` and `up` as the ports last acted on them (kept by the system)."""
    collecting: tuple[PortId, ...] = ()
    distributing: tuple[PortId, ...] = ()

    @property
    def ready(self) -> bool:
        """Ready (6.4.8): every selected port that waits to attach has waited long enough."""
        waiting = (p for p in self.ports if p.selected is Selected.SELECTED and p.mux == Mux.WAITING)
        return all(port.waited for port in waiting)

    @property
    def links_in_sync(self) -> int:
        """How many links are selected and in sync at both ends."""
        return sum(port.usable for port in self.ports)

    @property
    def up(self) -> bool:
        """Whether enough links are in sync to collect and distribute on any."""
        return self.links_in_sync >= self.needed_links(self.lag_id)

    def needed_links(self, lag_id: LagId | None) -> int:
        """min_links, but 1 for the one link of the individual fallback."""
        exempt = lag_id is not None and lag_id.fallback and lag_id.link is not None
        return 1 if exempt else self.config.min_links

    @property
    def default_partner(self) -> PortInfo:
        """The default partner, used while none responds: Partner_Admin as recordDefault uses it (6.4.9).

        It is passive and has the null system. Its timeout is ours, so that a partner that returns unnoticed gets
        LACPDUs at that rate. Collecting is set because independent control needs it.
        """
        state = State.SYNCHRONIZATION | State.COLLECTING
        return PortInfo(state=state | (State.LACP_TIMEOUT if self.config.rate == "fast" else State(0)))


@dataclass(eq=False, slots=True)
class Port:
    """An aggregation port. `state` holds the state of each machine under the machine's name."""

    config: PortConfig
    lag: Lag
    enabled: bool = False
    """port_enabled: the link has carrier."""
    held: bool = False
    """The caller keeps the port out of its aggregator."""
    in_reach: bool = True
    """The caller can send by the port, and receives what comes in."""
    moved: bool = False
    """port_moved: a LACPDU of this disabled port's partner came in by another port."""
    pdu: Lacpdu | None = None
    """A LACPDU that was received and is not yet processed."""
    partner: PortInfo = field(default_factory=PortInfo)
    """Partner_Oper: the partner's current parameters."""
    defaulted: bool = True
    """`partner` is the default partner, not a received one."""
    selected: Selected = Selected.UNSELECTED
    lag_id: LagId | None = None
    misplaced: bool = False
    """The partner is not the one that has the LAG's aggregator, or is the LAG itself."""
    reason: str = ""
    """Why the port is selected, standby or unselected."""
    ntt: bool = False
    """NTT: need to transmit."""
    state: dict[str, str] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)
    sent_at: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_LACPDUS_PER_WINDOW))
    answered_at: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_MARKER_RESPONSES_PER_SECOND))
    outbox: list[Lacpdu] = field(default_factory=list)
    last_sent: Lacpdu | None = None
    last_received: Lacpdu | None = None
    counters: Counter[str] = field(default_factory=Counter)
    coupled: object = None
    """The values of this port that selection last used (kept by the system)."""
    scheduled: float | None = None
    """The port's deadline in the system's queue (kept by the system)."""

    @property
    def rx(self) -> str:
        """The state of the receive machine."""
        return self.state["receive"]

    @property
    def mux(self) -> str:
        """The state of the mux machine."""
        return self.state["mux"]

    @property
    def waited(self) -> bool:
        """Ready_N (6.4.8): the port has waited to attach for Aggregate_Wait_Time."""
        return self.mux == Mux.WAITING and self.timers.expired(Timer.WAIT_WHILE)

    @property
    def silent(self) -> bool:
        """No LACPDU is sent, so that the partner gives the link up (see `rivals`)."""
        return self.state["cabling"] == Cabling.SILENT

    @property
    def in_sync(self) -> bool:
        """Actor_Oper_Port_State.Synchronization."""
        return self.mux in IN_SYNC

    @property
    def partner_in_sync(self) -> bool:
        """Partner_Oper_Port_State.Synchronization."""
        return self.partner.state.has(State.SYNCHRONIZATION)

    @property
    def usable(self) -> bool:
        """Selected and in sync at both ends: the link can carry traffic once its LAG is up."""
        return self.selected is Selected.SELECTED and self.in_sync and self.partner_in_sync

    @property
    def actor(self) -> PortInfo:
        """The actor information of our LACPDUs."""
        system, lag, config = self.lag.system, self.lag.config, self.config
        state = actor_state(self)
        return PortInfo(system.priority, system.system, lag.key, config.priority, config.number, state)

    def lacpdu(self) -> Lacpdu:
        """The LACPDU that describes the port as it is now."""
        return Lacpdu(self.actor, self.partner, self.lag.config.collector_max_delay)


def actor_state(port: Port) -> State:
    """Actor_Oper_Port_State, derived from the configuration and the machines; it is computed only here."""
    config = port.lag.config
    bits = {
        State.LACP_ACTIVITY: config.mode == "active",
        State.LACP_TIMEOUT: config.rate == "fast",
        State.AGGREGATION: config.aggregation,
        State.SYNCHRONIZATION: port.mux in IN_SYNC,
        State.COLLECTING: port.mux in COLLECTING,
        State.DISTRIBUTING: port.mux in DISTRIBUTING,
        State.DEFAULTED: port.defaulted,
        State.EXPIRED: port.rx == Rx.EXPIRED,
    }
    return State(sum(bit for bit, is_set in bits.items() if is_set))
