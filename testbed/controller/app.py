"""The Ryu application: turns OpenFlow events into calls of the core, and reads the clock. Runs on os-ken and on Ryu.

The core decides what to do; datapath turns it into OpenFlow messages. Environment variables:

TESTBED_CONTROLLER        the configuration file (see config)
TESTBED_CONTROLLER_STATE  the file to save the state in, and to resume from after a restart (see store); unset: none
TESTBED_CONTROLLER_HTTP   the loopback port that shows the state (see web); unset: none

Each line of its output is one event (see log).
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
    Event,
    event,
    hub,
    ofp_event,
    ofproto_v1_5,
    set_ev_cls,
)
from testbed.controller.interface import Log
from testbed.controller.log import log
from testbed.controller.state import core_state
from testbed.controller.store import Store, Unusable
from testbed.controller.web import server

Handler = Callable[[Any, Any], None]

#: The interval in seconds at which the web server checks whether to stop. It never has to.
_NEVER_S = 1e6
#: After a write of the state the next write waits for this many times the duration of the last one.
_REST_PER_WRITE = 20


def handles(event_class: type, dispatcher: str | None = None) -> Callable[[Handler], Handler]:
    """Mark a handler of events. An exception is logged and the next event is handled; os-ken would stop for good.

    After every event the timer is set for the next deadline.
    """

    def mark(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def guarded(self: Any, event_: Any) -> None:
            try:
                handler(self, event_)
            except Exception:
                log("controller", "exception", handler=handler.__name__, traceback=traceback.format_exc())
            self.schedule()

        return set_ev_cls(event_class, dispatcher)(guarded)  # type: ignore[no-any-return]

    return mark


class EventTimer(event.EventBase):
    """A deadline has come."""


class EventStateRequest(event.EventBase):
    """The web server asks for the state."""


class Controller(Application):
    """Speaks LACP for the switches' LAGs, and forwards between hosts that may be bonded."""

    OFP_VERSIONS = (ofproto_v1_5.OFP_VERSION,)
    _EVENTS = (EventTimer, EventStateRequest)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._save_after = time.monotonic()
        configuration = load(Path(os.environ["TESTBED_CONTROLLER"]))
        path = os.environ.get("TESTBED_CONTROLLER_STATE")
        self._store = Store(Path(path), configuration) if path else None
        self.core = make_core(configuration, self._store, log, time.monotonic())
        self._datapaths: dict[Any, Datapath] = {}  # by connection
        self._ports: dict[Any, dict[int, tuple[bool, str]]] = {}  # reported so far by a switch that is connecting
        self._deadline_changed = Event()
        self._deadline: float | None = None
        # The answer to a first request that comes while the application is busy.
        self._state = core_state(self.core, time.monotonic())
        self._state_taken = Event()

    # --- time -----------------------------------------------------------------------------------------------

    def start(self) -> Any:
        """Start the application's threads: events, timer and, if configured, web server."""
        self.schedule()
        hub.spawn(self._run_timer)
        if port := os.environ.get("TESTBED_CONTROLLER_HTTP"):
            try:
                hub.spawn(server(int(port), self.request_state).serve_forever, _NEVER_S)
            except OSError as error:  # the port is taken: the controller works without it
                log("controller", "not_shown", reason=f"port {port}: {error.strerror}")
        return super().start()

    def _run_timer(self) -> None:
        """Turn the next deadline into an event, so that only event handlers use the core."""
        while True:
            self._deadline_changed.clear()
            deadline = self._deadline
            if deadline is None:
                self._deadline_changed.wait(None)
            elif (remaining := deadline - time.monotonic()) > 0:
                self._deadline_changed.wait(remaining)
            else:
                self._deadline = None  # the event's handler sets the next one
                self.send_event(self.name, EventTimer())

    def schedule(self) -> None:
        """Save the state if it has changed, and set the timer for the next deadline."""
        self._deadline = self.core.next_timer()
        if self._store is not None and self.core.changed:
            self._save(self._store)
        self._deadline_changed.set()

    def _save(self, store: Store) -> None:
        now = time.monotonic()
        if now < self._save_after:
            self._deadline = min(self._deadline or self._save_after, self._save_after)
            return
        store.write(checkpoint.save(self.core), now)
        self.core.changed = False
        done = time.monotonic()
        self._save_after = done + _REST_PER_WRITE * (done - now)

    @handles(EventTimer)
    def on_timer(self, _event: EventTimer) -> None:
        """A deadline has come: run the core's timers."""
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
        """Ports of a switch that has just connected; after the last of them it is programmed."""
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
        """A port was added, was removed, or has changed."""
        message, connection = event_.msg, event_.msg.datapath
        if not _is_port(connection, message.desc):
            return
        number, (carrier, hardware) = message.desc.port_no, _port(connection, message.desc)
        gone = message.reason == connection.ofproto.OFPPR_DELETE
        if (ports := self._ports.get(connection)) is not None:  # the reply with all ports has yet to arrive
            ports[number] = (carrier and not gone, hardware)
        elif connection in self._datapaths:
            self.core.set_port((connection.id, number), None if gone else carrier, hardware, time.monotonic())

    @handles(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def on_barrier(self, event_: Any) -> None:
        """A switch has processed what was sent before this barrier."""
        self.core.confirmed(event_.msg.datapath.id, event_.msg.xid, time.monotonic())

    @handles(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def on_error(self, event_: Any) -> None:
        """A switch refused a message. That is always a defect of ours, so it is logged."""
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
        """A Slow Protocols frame, or a frame whose source address is unknown at the port that it came in by."""
        message = event_.msg
        port = (message.datapath.id, message.match["in_port"])
        take = self.core.receive if message.table_id == forwarding.ADMIT else self.core.learn
        take(port, bytes(message.data), time.monotonic())

    # --- state ----------------------------------------------------------------------------------------------

    @handles(EventStateRequest)
    def on_state_request(self, _event: EventStateRequest) -> None:
        """Take the state in the thread that changes it, so that it is consistent."""
        self._state = core_state(self.core, time.monotonic())
        self._state_taken.set()

    def request_state(self) -> dict[str, Any]:
        """The state as JSON values, for another thread.

        If the application is busy for longer than 1 s, it is the state that was last taken; its ``now`` says when.
        """
        self._state_taken.clear()
        self.send_event(self.name, EventStateRequest())
        self._state_taken.wait(1.0)
        return self._state


def make_core(configuration: Configuration, store: Store | None, log_event: Log, now: float) -> Core:
    """A core that resumes from the state in the store; without a usable state, one that starts from nothing."""
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
    """Whether it is a port for frames, and not the switch itself."""
    return bool(port.port_no <= connection.ofproto.OFPP_MAX)


def _port(connection: Any, port: Any) -> tuple[bool, str]:
    """Whether a port has carrier, and its hardware address, from the switch's description."""
    protocol = connection.ofproto
    lacks = port.config & protocol.OFPPC_PORT_DOWN or port.state & protocol.OFPPS_LINK_DOWN
    return not lacks, port.hw_addr
