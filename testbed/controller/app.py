"""The Ryu application: turns OpenFlow's events into calls of the core, and keeps the time. Runs on os-ken and on Ryu.

What to do is decided by testbed.controller.core and what it builds on; how a switch is told, in datapath.
Its configuration is the file that the environment variable TESTBED_CONTROLLER names. With TESTBED_CONTROLLER_STATE it
keeps its state in that file, and goes on from it when it is started again (see store). With TESTBED_CONTROLLER_HTTP its
state can be seen on that port of the loopback address (see web). Each line that it prints is one event (see log).
"""

from __future__ import annotations

import functools
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed.controller import checkpoint, forwarding
from testbed.controller.config import Configuration, load
from testbed.controller.core import Core
from testbed.controller.datapath import Datapath
from testbed.controller.framework import (
    CONFIG_DISPATCHER,
    DEAD_DISPATCHER,
    MAIN_DISPATCHER,
    Application,
    event,
    hub,
    ofp_event,
    ofproto_v1_5,
    set_ev_cls,
)
from testbed.controller.framework import Event as Alarm
from testbed.controller.interface import Log
from testbed.controller.log import log
from testbed.controller.state import core_state
from testbed.controller.store import Store, Unusable
from testbed.controller.web import server

Handler = Callable[[Any, Any], None]

#: How often the web server looks whether it is to end, which it never is.
_NEVER_S = 1e6
#: After the state has been written it is left alone for so many times as long as that took.
_REST_PER_WORK = 20


def handles(event_class: type, dispatcher: str | None = None) -> Callable[[Handler], Handler]:
    """Mark a handler of events. What it raises is told, and the next event is handled: os-ken would stop for good.

    After every event the alarm is set for what is due next.
    """

    def mark(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def guarded(self: Any, event_: Any) -> None:
            try:
                handler(self, event_)
            except Exception:
                log("controller", "exception", handler=handler.__name__, traceback=traceback.format_exc())
            self.wind_up()

        return set_ev_cls(event_class, dispatcher)(guarded)  # type: ignore[no-any-return]

    return mark


class EventTimer(event.EventBase):
    """Something is due."""


class EventLook(event.EventBase):
    """Somebody wants to see the state."""


class Controller(Application):
    """Answers LACP for the switches' LAGs, and forwards between hosts that may be bonded."""

    OFP_VERSIONS = (ofproto_v1_5.OFP_VERSION,)
    _EVENTS = (EventTimer, EventLook)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keep_from = time.monotonic()  # not before
        configuration = load(Path(os.environ["TESTBED_CONTROLLER"]))
        path = os.environ.get("TESTBED_CONTROLLER_STATE")
        self._store = Store(Path(path), configuration) if path else None
        self.core = make_core(configuration, self._store, log, time.monotonic())
        self._datapaths: dict[Any, Datapath] = {}  # by connection
        self._ports: dict[Any, dict[int, tuple[bool, str]]] = {}  # as far as a switch has told them
        self._alarm = Alarm()
        self._deadline: float | None = None
        # The answer to a first request that comes while the application is busy.
        self._state = core_state(self.core, time.monotonic())
        self._looked = Alarm()

    # --- time -----------------------------------------------------------------------------------------------

    def start(self) -> Any:
        """Start the application's threads: its events', its timers' and, if asked for, its web server's."""
        self.wind_up()
        hub.spawn(self._keep_time)
        if port := os.environ.get("TESTBED_CONTROLLER_HTTP"):
            try:
                hub.spawn(server(int(port), self._look).serve_forever, _NEVER_S)
            except OSError as error:  # somebody else has the port: steering goes on, unseen
                log("controller", "not_shown", reason=f"port {port}: {error.strerror}")
        return super().start()

    def _keep_time(self) -> None:
        """Turn the next deadline into an event, so that the core is touched only where events are handled."""
        while True:
            self._alarm.clear()
            deadline = self._deadline
            if deadline is None:
                self._alarm.wait(None)
            elif (remaining := deadline - time.monotonic()) > 0:
                self._alarm.wait(remaining)
            else:
                self._deadline = None  # the event's handler sets the next one
                self.send_event(self.name, EventTimer())

    def wind_up(self) -> None:
        """Keep the state if there is anything new in it, and set the alarm for what is due next."""
        self._deadline = self.core.next_timer()
        if self._store is not None and self.core.news:
            self._keep(self._store)
        self._alarm.set()

    def _keep(self, store: Store) -> None:
        now = time.monotonic()
        if now < self._keep_from:
            self._deadline = min(self._deadline or self._keep_from, self._keep_from)
            return
        store.write(checkpoint.saved(self.core), now)
        self.core.news = False
        done = time.monotonic()
        self._keep_from = done + _REST_PER_WORK * (done - now)

    @handles(EventTimer)
    def on_timer(self, _event: EventTimer) -> None:
        """Something is due."""
        self.core.handle_timer(time.monotonic())

    # --- switches -------------------------------------------------------------------------------------------

    @handles(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def on_switch_features(self, event_: Any) -> None:
        """A switch has connected: ask for its ports."""
        connection = event_.msg.datapath
        log("controller", "switch_connected", dpid=connection.id)
        self._ports[connection] = {}
        connection.send_msg(connection.ofproto_parser.OFPPortDescStatsRequest(connection, 0))

    @handles(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    def on_ports(self, event_: Any) -> None:
        """Ports of a switch that has just connected; with the last of them it can be told what to do."""
        message, connection = event_.msg, event_.msg.datapath
        if (ports := self._ports.get(connection)) is None:
            return
        ports.update({port.port_no: _port(connection, port) for port in message.body if _is_port(connection, port)})
        if not message.flags & connection.ofproto.OFPMPF_REPLY_MORE:
            datapath = self._datapaths[connection] = Datapath(connection)
            del self._ports[connection]
            self.core.connect(connection.id, datapath, ports, time.monotonic())

    @handles(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def on_port_status(self, event_: Any) -> None:
        """A port came, went, or changed."""
        message, connection = event_.msg, event_.msg.datapath
        if not _is_port(connection, message.desc):
            return
        number, (carrier, hardware) = message.desc.port_no, _port(connection, message.desc)
        gone = message.reason == connection.ofproto.OFPPR_DELETE
        if (ports := self._ports.get(connection)) is not None:  # the reply with all ports is on its way
            ports[number] = (carrier and not gone, hardware)
        elif connection in self._datapaths:
            self.core.set_port((connection.id, number), None if gone else carrier, hardware, time.monotonic())

    @handles(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def on_barrier(self, event_: Any) -> None:
        """A switch has done what it was told."""
        self.core.confirmed(event_.msg.datapath.id, event_.msg.xid, time.monotonic())

    @handles(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def on_error(self, event_: Any) -> None:
        """A switch refused a message: that is always a defect of ours, so it is told."""
        message = event_.msg
        log("controller", "error", dpid=message.datapath.id, type=message.type, code=message.code)

    @handles(ofp_event.EventOFPStateChange, DEAD_DISPATCHER)
    def on_dead(self, event_: Any) -> None:
        """The connection to a switch has ended."""
        connection = event_.datapath
        self._ports.pop(connection, None)
        if (datapath := self._datapaths.pop(connection, None)) is not None:
            self.core.disconnect(connection.id, datapath, time.monotonic())

    # --- frames ---------------------------------------------------------------------------------------------

    @handles(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def on_packet_in(self, event_: Any) -> None:
        """A Slow Protocols frame, or one whose source address is not known where it came in."""
        message = event_.msg
        port = (message.datapath.id, message.match["in_port"])
        take = self.core.receive if message.table_id == forwarding.ADMIT else self.core.learn
        take(port, bytes(message.data), time.monotonic())

    # --- what one can see -----------------------------------------------------------------------------------

    @handles(EventLook)
    def on_look(self, _event: EventLook) -> None:
        """Take the state where nothing changes it meanwhile."""
        # The answer to a first request that comes while the application is busy.
        self._state = core_state(self.core, time.monotonic())
        self._looked.set()

    def _look(self) -> dict[str, Any]:
        """The state, for another thread: as it is now, or, if the application is busy, as it was last taken."""
        self._looked.clear()
        self.send_event(self.name, EventLook())
        self._looked.wait(1.0)
        return self._state


def make_core(configuration: Configuration, store: Store | None, log_event: Log, now: float) -> Core:
    """A core that goes on from the state in the file, or, where that is of no use, begins anew."""
    core = Core(configuration, log_event, now)
    if store is None:
        return core
    try:
        state, age_s = store.read(now)
        checkpoint.restore(core, state)
        core.resume(age_s, now)
    except Unusable as error:
        log_event("controller", "begins_anew", reason=str(error))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        log_event("controller", "begins_anew", reason=f"the saved state is damaged: {error!r}")
        return Core(configuration, log_event, now)
    return core


def _is_port(connection: Any, port: Any) -> bool:
    """Whether it is a port that frames come in by, and not the switch itself."""
    return bool(port.port_no <= connection.ofproto.OFPP_MAX)


def _port(connection: Any, port: Any) -> tuple[bool, str]:
    """Whether a port has carrier, and its hardware address, as its switch describes it."""
    protocol = connection.ofproto
    lacks = port.config & protocol.OFPPC_PORT_DOWN or port.state & protocol.OFPPS_LINK_DOWN
    return not lacks, port.hw_addr
