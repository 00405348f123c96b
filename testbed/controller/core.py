"""The controller without OpenFlow: events come in with the time, commands go out to the switches.

It connects the LACP systems, which know ports, with the fabric, which knows the network, and keeps the order:
LACP's effects are carried out one after the other; new flows follow once the switches have confirmed that the old ones
are gone; a frame is forwarded once every switch knows its source.

When a switch connects, those of its LAG members that carry no traffic yet are held out until it has confirmed its
groups and flows. When a switch disconnects, its flows stay in it, and LACP times out its members.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from testbed.controller import forwarding, lacp_systems
from testbed.controller.config import Configuration, PortId, port_name
from testbed.controller.fabric import Fabric
from testbed.controller.interface import Datapath, Log
from testbed.controller.learning import Frames, Learning
from testbed.controller.southbound import Southbound
from testbed.lacp import Collect, Distribute, Effect, PduError, Transmit, unwrap
from testbed.lacp import Event as LacpEvent

#: When `Core.handle_timer` is called this many seconds late, the process was stopped or starved in between.
_STALL_S = 0.5
#: How long a port that has come back takes no traffic away from another part of a parted network, in seconds: a switch
#: that starts brings up its links one after the other.
_FRESH_S = 5.0
#: How long a switch may take to connect to a controller that has resumed, in seconds. Open vSwitch tries again within
#: ``max_backoff``, which is 1 s at least (ovs-vswitchd.conf.db(5)).
_RECONNECT_TIMEOUT_S = 3.0


class Core(Southbound):
    """One controller. Times are seconds on the caller's clock."""

    def __init__(self, configuration: Configuration, log: Log, now: float) -> None:
        super().__init__(Fabric(configuration), log, now)
        self.systems = lacp_systems.systems(configuration, now)
        self.system_of = lacp_systems.system_of(configuration, self.systems)
        self.held: frozenset[PortId] = frozenset()
        self.isolated: frozenset[PortId] = frozenset()
        self.transitions: Counter[str] = Counter()
        self._hardware: dict[PortId, str] = {}
        self._unready: dict[int, frozenset[PortId]] = {}
        self.fresh: dict[PortId, float] = {}
        """Until when a LAG's port that has come back takes no traffic away from another part of the network."""
        self._isolating = False
        self._learning = Learning()
        self._effects: deque[Effect] = deque()
        self._acting = False

    # --- events ---------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """When `handle_timer` has to be called next; None while no timer runs."""
        deadlines = [system.next_timer() for system in self.systems.values()]
        deadlines += [self._barriers.next_deadline(), *self.fresh.values()]
        return min((at for at in deadlines if at is not None), default=None)

    def resume(self, age_s: float, now: float) -> None:
        """Continue from a state that was saved ``age_s`` seconds ago and has just been restored (see checkpoint).

        Call it before any other event. No switch is isolated until the switches of that state have connected, or
        have not done so in time.
        """
        self._now = now
        self.held = frozenset(port for port in self.system_of if self.system_of[port].is_held(port))
        self._log("controller", "resumed", age_s=round(age_s, 9))
        self._isolating = True
        self._conclude()
        for port, system in self.system_of.items():
            self._act(system.set_in_reach(port, False, now))
        absent = dict.fromkeys(self.fabric.connected, -1)  # no transaction id: only a connection ends the wait
        self._barriers.begin(absent, self._complete, now, _RECONNECT_TIMEOUT_S)

    def handle_timer(self, now: float) -> None:
        """Run every timer that is due."""
        self._now = now
        due = self.next_timer()
        if due is not None and now - due > _STALL_S:
            self._log("controller", "stalled", stalled_s=round(now - due, 9))
            self._barriers.restart(now)
            self._set_in_reach(self.datapaths, False)
            self._set_in_reach(self.datapaths, True)
        self.fresh = {port: until for port, until in self.fresh.items() if until > now}
        for system in self.systems.values():
            self._act(system.handle_timer(now))
        for dpid in self._barriers.late(now):
            self._log("controller", "switch_silent", dpid=dpid)
            self._unresponsive.add(dpid)
            self._remove(dpid)
        self._act()

    def connect(self, dpid: int, datapath: Datapath, ports: Mapping[int, tuple[bool, str]], now: float) -> None:
        """A switch has connected, with these ports: carrier and hardware address of each.

        Its tables and its ports may have changed since it was last connected: both are set again.
        """
        self._now = now
        self.datapaths[dpid] = datapath
        self._hardware |= {(dpid, number): hardware for number, (_, hardware) in ports.items()}
        self._unresponsive.discard(dpid)
        self._barriers.drop(dpid)
        carrying = {port for lag in self.fabric.lags.values() for port in lag.collecting}
        own = (port for port in self.system_of if port[0] == dpid)
        self._unready[dpid] = frozenset(port for port in own if port not in carrying)
        if self.fabric.ports.get(dpid):  # it was connected before
            self._note_back(self._unready[dpid])
        self.fabric.connect(dpid)
        self._act()
        for number in self.fabric.ports[dpid].keys() - ports.keys():
            self._set_port((dpid, number), None)
        for number, (carrier, _) in ports.items():
            self._set_port((dpid, number), carrier)
        self._set_in_reach((dpid,), True)
        self._conclude()
        datapath.replace(self.fabric.parts.get(dpid, {}))
        self._pending[dpid] = datapath.ask_barrier()
        self._when_confirmed(lambda: self._ready(dpid, datapath))
        self._act()

    def disconnect(self, dpid: int, datapath: Datapath, now: float) -> None:
        """A connection to a switch has ended; the switch may have a newer connection already."""
        if self.datapaths.get(dpid) is datapath:
            self._now = now
            del self.datapaths[dpid]
            self._pending.pop(dpid, None)
            self._unready.pop(dpid, None)
            self._log("controller", "switch_disconnected", dpid=dpid)
            self._set_in_reach((dpid,), False)
            self._remove(dpid)
            self._act()

    def confirmed(self, dpid: int, transaction: int, now: float) -> None:
        """A switch has answered a barrier: it has processed what was sent before."""
        self._now = now
        if self._pending.get(dpid) == transaction:
            del self._pending[dpid]
            self._log("controller", "programmed", dpid=dpid)
        if dpid in self._unresponsive:
            self._unresponsive.discard(dpid)
            self._log("controller", "switch_answers", dpid=dpid)
            self.fabric.connect(dpid)
            self._conclude()
            datapath = self.datapaths[dpid]
            self._when_confirmed(lambda: self._ready(dpid, datapath))
        self._barriers.reply(dpid, transaction)
        self._act()

    def set_port(self, port: PortId, carrier: bool | None, hardware: str, now: float) -> None:
        """A port of a connected switch has carrier, has no carrier, or (None) was removed."""
        self._now = now
        self._hardware[port] = hardware
        self._set_port(port, carrier)
        self._conclude()
        self._act()

    def receive(self, port: PortId, frame: bytes, now: float) -> None:
        """A Slow Protocols frame came in by a port."""
        self._now = now
        if (system := self.system_of.get(port)) is not None:
            try:
                payload = unwrap(frame)
            except PduError as error:
                self._log("lacp", "bad_frame", port=port_name(port), reason=str(error))
                return
            self._act(system.receive(port, payload, now))

    def learn(self, port: PortId, frame: bytes, now: float) -> None:
        """A frame with an unknown source came in: program the source's place, then hand the frame back."""
        self._now = now
        if len(frame) < 14 or port[0] not in self.datapaths:
            return
        address = frame[6:12].hex(":")
        if forwarding.is_group_address(address):
            return
        name = self.fabric.named(address, port[0])
        if self.fabric.learn(address, port):
            self._log("controller", "learned", address=address, dpid=port[0], port=port_name(port))
            kept = self._learning.begin(name, port, frame)
            self._conclude()
            self._when_confirmed(lambda: self._learned(name, kept))
            self._act()
        elif self._learning.keep(name, port, frame):
            return
        elif self.fabric.addresses.get(name) == self.fabric.edge(port):
            self._hand_back(port, frame)

    # --- reactions ------------------------------------------------------------------------------------------

    def _set_port(self, port: PortId, carrier: bool | None) -> None:
        dpid, number = port
        if self.fabric.ports[dpid].get(number, False) != bool(carrier):
            self._log("controller", "port_status", port=port_name(port), carrier=bool(carrier))
        returns = bool(carrier) and self.fabric.ports[dpid].get(number) is False
        self.fabric.set_port(dpid, number, carrier)
        if (system := self.system_of.get(port)) is not None:
            if returns:
                self._note_back((port,))
            self._act(system.set_carrier(port, bool(carrier), self._now))

    def _note_back(self, ports: Iterable[PortId]) -> None:
        """These ports are back, and take no traffic from others of their LAGs for a while. Where none carries any, as
        after a start, no port is behind the others."""
        for port in ports:
            if self.fabric.lags[str(self.fabric.edge(port))].collecting:
                self.fresh[port] = self._now + _FRESH_S

    def _set_in_reach(self, dpids: Iterable[int], in_reach: bool) -> None:
        reached = frozenset(dpids)
        for port, system in self.system_of.items():
            if port[0] in reached:
                self._act(system.set_in_reach(port, in_reach, self._now))

    def _ready(self, dpid: int, datapath: Datapath) -> None:
        if self.datapaths.get(dpid) is datapath and dpid not in self._unresponsive:
            self._unready.pop(dpid, None)
            self._log("controller", "switch_ready", dpid=dpid)

    def _learned(self, name: str, kept: Frames) -> None:
        for port, frame in self._learning.end(name, kept):
            self._hand_back(port, frame)

    def _act(self, effects: Iterable[Effect] = ()) -> None:
        """Carry out LACP's effects in order, and those that follow from them, until none is left."""
        self._effects.extend(effects)
        if self._acting:
            return
        self._acting = True
        try:
            while self._effects or self._hold():
                self._carry_out(self._effects.popleft())
        finally:
            self._acting = False

    def _carry_out(self, effect: Effect) -> None:
        self.changed = True
        if isinstance(effect, Transmit):
            dpid, number = port = _port_id(effect.port)
            if dpid in self.datapaths:
                self.datapaths[dpid].send(number, effect.frame(self._hardware[port]))
        elif isinstance(effect, LacpEvent):
            self.transitions[effect.machine] += 1
            shown = None if effect.port is None else port_name(_port_id(effect.port))
            change = {"machine": effect.machine, "old": effect.old, "new": effect.new, "cause": effect.cause}
            self._log("lacp", "transition", lag=effect.lag, port=shown, **change)
            if (effect.machine, effect.old, effect.new) == ("cabling", "DOUBTED", "WRONG"):
                port_id = _port_id(effect.port)
                partner = self.system_of[port_id].partner(port_id)
                found = {"partner": partner.system, "partner_key": partner.key, "partner_port": partner.port}
                self._log("lacp", "wrong_cable", lag=effect.lag, port=shown, **found)
        else:
            self._apply(effect)

    def _apply(self, effect: Collect | Distribute) -> None:
        ports = [_port_id(port) for port in effect.ports]
        kind = type(effect).__name__.lower()
        self._log("controller", kind, lag=effect.lag, ports=[port_name(port) for port in ports])
        if isinstance(effect, Collect):
            self.fabric.set_collecting(effect.lag, ports)
        else:
            self.fabric.set_distributing(effect.lag, ports)
        self._conclude()

    def _hold(self) -> bool:
        """Hold ports out of their LAGs, or release them. Returns whether there are effects to carry out.

        A barrier comes first: a switch that does not answer must not count when the better part is chosen.
        """
        isolated = self._to_isolate()
        self.isolated &= isolated
        if isolated - self.isolated and not self._isolating:
            self._isolating = True
            self._when_answered(self._isolate)
        held = self.isolated.union(*self._unready.values())
        for port in sorted(held ^ self.held):
            self._log("controller", "held" if port in held else "released", port=port_name(port))
            self._effects.extend(self.system_of[port].set_held(port, port in held, self._now))
        self.held = held
        return bool(self._effects)

    def _complete(self) -> None:
        """The switches of the restored state have connected, or have been removed."""
        self._isolating = False
        self._program(True)

    def _isolate(self) -> None:
        self._isolating = False
        self.isolated = self._to_isolate()

    def _to_isolate(self) -> frozenset[PortId]:
        deaf = {port for port, system in self.system_of.items() if system.is_silent(port)}
        return self.fabric.isolated(deaf, self.fresh)


def _port_id(port: Any) -> PortId:
    dpid, number = port
    return int(dpid), int(number)
